//! Addition, subtraction, bitwise operations, minimum and maximum.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

use super::compare::Condition;
use crate::asm::{Assembler, SCRATCH, Width, emit};

/// Commutative two-operand instructions.
#[derive(Clone, Copy, Debug)]
pub enum Binary {
    /// `and`
    And,
    /// `or`
    Or,
    /// `xor`
    Xor,
}

fn apply(asm: &mut Assembler, op: Binary, to: u8, from: u8) {
    match op {
        Binary::And => emit!(asm; and Rq(to), Rq(from)),
        Binary::Or => emit!(asm; or Rq(to), Rq(from)),
        Binary::Xor => emit!(asm; xor Rq(to), Rq(from)),
    }
}

/// d ← a op b
pub fn binary(asm: &mut Assembler, op: Binary, d: u8, a: u8, b: u8) {
    if d == b {
        apply(asm, op, d, a);
    } else {
        asm.move_reg(d, a);
        apply(asm, op, d, b);
    }
}

/// d ← a + b
pub fn add(asm: &mut Assembler, width: Width, d: u8, a: u8, b: u8) {
    let other = if d == a { b } else { a };
    match (d == a || d == b, width) {
        (true, Width::W64) => emit!(asm; add Rq(d), Rq(other)),
        (true, Width::W32) => emit!(asm; add Rd(d), Rd(other)),
        (false, _) => asm.lea_sum(width, d, a, b),
    }
    asm.finish(width, d);
}

/// d ← a − b
pub fn sub(asm: &mut Assembler, width: Width, d: u8, a: u8, b: u8) {
    let reversed = d == b && d != a;
    if !reversed {
        asm.move_reg(d, a);
    }
    match (reversed, width) {
        (false, Width::W64) => emit!(asm; sub Rq(d), Rq(b)),
        (false, Width::W32) => emit!(asm; sub Rd(d), Rd(b)),
        (true, Width::W64) => emit!(asm; neg Rq(d); add Rq(d), Rq(a)),
        (true, Width::W32) => emit!(asm; neg Rd(d); add Rd(d), Rd(a)),
    }
    asm.finish(width, d);
}

/// a ← b + imm
pub fn add_imm(asm: &mut Assembler, width: Width, a: u8, b: u8, imm: i32) {
    match (imm, width) {
        (0, Width::W64) => return asm.move_reg(a, b),
        (0, Width::W32) => return emit!(asm; movsxd Rq(a), Rd(b)),
        _ if a != b => asm.lea_disp(width, a, b, imm),
        (-128..=127, Width::W64) => emit!(asm; add Rq(a), BYTE imm as i8),
        (-128..=127, Width::W32) => emit!(asm; add Rd(a), BYTE imm as i8),
        (_, Width::W64) => emit!(asm; add Rq(a), DWORD imm),
        (_, Width::W32) => emit!(asm; add Rd(a), DWORD imm),
    }
    asm.finish(width, a);
}

/// a ← imm − b
pub fn neg_add_imm(asm: &mut Assembler, width: Width, a: u8, b: u8, imm: i32) {
    asm.move_reg(a, b);
    match width {
        Width::W64 => emit!(asm; neg Rq(a)),
        Width::W32 => emit!(asm; neg Rd(a)),
    }
    match (imm, width) {
        (0, _) => {}
        (-128..=127, Width::W64) => emit!(asm; add Rq(a), BYTE imm as i8),
        (-128..=127, Width::W32) => emit!(asm; add Rd(a), BYTE imm as i8),
        (_, Width::W64) => emit!(asm; add Rq(a), DWORD imm),
        (_, Width::W32) => emit!(asm; add Rd(a), DWORD imm),
    }
    asm.finish(width, a);
}

/// a ← b & imm
pub fn and_imm(asm: &mut Assembler, a: u8, b: u8, imm: i32) {
    match imm {
        0 => emit!(asm; xor Rd(a), Rd(a)),
        -1 => asm.move_reg(a, b),
        0xff => emit!(asm; movzx Rd(a), Rb(b)),
        0xffff => emit!(asm; movzx Rd(a), Rw(b)),
        // A mask without sign clears the upper half, as 32-bit instructions do.
        1..=127 => {
            asm.move_reg(a, b);
            emit!(asm; and Rd(a), BYTE imm as i8);
        }
        128..=i32::MAX => {
            asm.move_reg(a, b);
            emit!(asm; and Rd(a), DWORD imm);
        }
        -128..=-1 => {
            asm.move_reg(a, b);
            emit!(asm; and Rq(a), BYTE imm as i8);
        }
        _ => {
            asm.move_reg(a, b);
            emit!(asm; and Rq(a), DWORD imm);
        }
    }
}

/// a ← b ^ imm
pub fn xor_imm(asm: &mut Assembler, a: u8, b: u8, imm: i32) {
    asm.move_reg(a, b);
    match imm {
        0 => {}
        -1 => emit!(asm; not Rq(a)),
        -128..=127 => emit!(asm; xor Rq(a), BYTE imm as i8),
        _ => emit!(asm; xor Rq(a), DWORD imm),
    }
}

/// a ← b | imm
pub fn or_imm(asm: &mut Assembler, a: u8, b: u8, imm: i32) {
    asm.move_reg(a, b);
    match imm {
        0 => {}
        -128..=127 => emit!(asm; or Rq(a), BYTE imm as i8),
        _ => emit!(asm; or Rq(a), DWORD imm),
    }
}

/// d ← a & ~b
pub fn and_inv(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    if asm.has(CpuFeatures::BMI1) {
        emit!(asm; andn Rq(d), Rq(b), Rq(a));
    } else {
        emit!(asm; mov rcx, Rq(b); not rcx; and rcx, Rq(a); mov Rq(d), rcx);
    }
}

/// d ← a | ~b
pub fn or_inv(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    emit!(asm; mov rcx, Rq(b); not rcx; or rcx, Rq(a); mov Rq(d), rcx);
}

/// d ← ~(a ^ b)
pub fn xnor(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    binary(asm, Binary::Xor, d, a, b);
    emit!(asm; not Rq(d));
}

/// d ← a if `a condition b`, else b
pub fn select(asm: &mut Assembler, condition: Condition, d: u8, a: u8, b: u8) {
    if d == a {
        emit!(asm; cmp Rq(b), Rq(a));
        condition.move_if(asm, d, b);
    } else if d == b {
        emit!(asm; cmp Rq(a), Rq(b));
        condition.move_if(asm, d, a);
    } else {
        emit!(asm; mov Rq(SCRATCH), Rq(b); cmp Rq(a), Rq(b));
        condition.move_if(asm, SCRATCH, a);
        asm.move_reg(d, SCRATCH);
    }
}
