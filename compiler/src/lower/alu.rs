//! Addition, subtraction, bitwise operations, minimum and maximum.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

use crate::asm::{Assembler, Binary, BinaryImm, Condition, Extend, SCRATCH, Unary, Width, emit};

/// d ← a op b, for commutative operations of 64 bits
#[inline(always)]
pub fn binary(asm: &mut Assembler, op: Binary, d: u8, a: u8, b: u8) {
    let other = if d == b { a } else { b };
    if d != b {
        asm.move_reg(d, a);
    }
    asm.binary(op, Width::W64, d, other);
}

/// d ← the lower half of a op b, sign-extended, for commutative operations
pub fn binary_low(asm: &mut Assembler, op: Binary, d: u8, a: u8, b: u8) {
    let other = if d == b { a } else { b };
    if d != b {
        asm.move_reg(d, a);
    }
    asm.binary(op, Width::W32, d, other);
    asm.sign_extend_32(d);
}

/// d ← a + b
#[inline(always)]
pub fn add(asm: &mut Assembler, width: Width, d: u8, a: u8, b: u8) {
    let other = if d == a { b } else { a };
    if d == a || d == b {
        asm.binary(Binary::Add, width, d, other);
    } else {
        asm.lea_sum(width, d, a, b);
    }
    asm.finish(width, d);
}

/// d ← a − b
#[inline(always)]
pub fn sub(asm: &mut Assembler, width: Width, d: u8, a: u8, b: u8) {
    if d == b && d != a {
        asm.unary(Unary::Neg, width, d);
        asm.binary(Binary::Add, width, d, a);
    } else {
        asm.move_reg(d, a);
        asm.binary(Binary::Sub, width, d, b);
    }
    asm.finish(width, d);
}

/// a ← b + imm
#[inline(always)]
pub fn add_imm(asm: &mut Assembler, width: Width, a: u8, b: u8, imm: i32) {
    match (imm, width) {
        (0, Width::W64) => return asm.move_reg(a, b),
        (0, Width::W32) => return asm.move_sign_extended(a, b),
        _ if a != b => asm.lea_disp(width, a, b, imm),
        _ => asm.binary_imm(BinaryImm::Add, width, a, imm),
    }
    asm.finish(width, a);
}

/// a ← imm − b
pub fn neg_add_imm(asm: &mut Assembler, width: Width, a: u8, b: u8, imm: i32) {
    asm.move_reg(a, b);
    asm.unary(Unary::Neg, width, a);
    if imm != 0 {
        asm.binary_imm(BinaryImm::Add, width, a, imm);
    }
    asm.finish(width, a);
}

/// d ← a + carry flag, or a − carry flag
pub fn add_carry(asm: &mut Assembler, width: Width, d: u8, a: u8, subtract: bool) {
    // Moving leaves the flags alone.
    asm.move_reg(d, a);
    asm.binary_imm(if subtract { BinaryImm::SubBorrow } else { BinaryImm::AddCarry }, width, d, 0);
    asm.finish(width, d);
}

/// a ← b & imm
#[inline(always)]
pub fn and_imm(asm: &mut Assembler, a: u8, b: u8, imm: i32) {
    match imm {
        0 => asm.binary(Binary::Xor, Width::W32, a, a),
        -1 => asm.move_reg(a, b),
        0xff => asm.extend(Extend::Zero8, a, b),
        0xffff => asm.extend(Extend::Zero16, a, b),
        _ => {
            asm.move_reg(a, b);
            // A mask without sign clears the upper half, as 32-bit instructions do.
            let width = if imm > 0 { Width::W32 } else { Width::W64 };
            asm.binary_imm(BinaryImm::And, width, a, imm);
        }
    }
}

/// a ← b ^ imm
#[inline(always)]
pub fn xor_imm(asm: &mut Assembler, a: u8, b: u8, imm: i32) {
    asm.move_reg(a, b);
    match imm {
        0 => {}
        -1 => asm.unary(Unary::Not, Width::W64, a),
        _ => asm.binary_imm(BinaryImm::Xor, Width::W64, a, imm),
    }
}

/// a ← b | imm
#[inline(always)]
pub fn or_imm(asm: &mut Assembler, a: u8, b: u8, imm: i32) {
    asm.move_reg(a, b);
    if imm != 0 {
        asm.binary_imm(BinaryImm::Or, Width::W64, a, imm);
    }
}

/// d ← a & ~b
pub fn and_inv(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    if asm.has(CpuFeatures::BMI1) {
        emit!(asm; andn Rq(d), Rq(b), Rq(a));
    } else {
        inverted_and(asm, d, a, b);
    }
}

/// d ← a & ~b, without an instruction for it and without the scratch register
fn inverted_and(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    if a == b {
        asm.binary(Binary::Xor, Width::W32, d, d);
    } else if d == a {
        asm.unary(Unary::Not, Width::W64, d);
        asm.binary(Binary::Or, Width::W64, d, b);
        asm.unary(Unary::Not, Width::W64, d);
    } else {
        asm.move_reg(d, b);
        asm.unary(Unary::Not, Width::W64, d);
        asm.binary(Binary::And, Width::W64, d, a);
    }
}

/// d ← a | ~b
pub fn or_inv(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    emit!(asm; mov rdx, Rq(b); not rdx; or rdx, Rq(a); mov Rq(d), rdx);
}

/// d ← ~(a ^ b)
pub fn xnor(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    binary(asm, Binary::Xor, d, a, b);
    asm.unary(Unary::Not, Width::W64, d);
}

/// d ← a if `a condition b` in so many bits, else b
pub fn select(asm: &mut Assembler, condition: Condition, width: Width, d: u8, a: u8, b: u8) {
    if d == a {
        asm.binary(Binary::Cmp, width, b, a);
        asm.move_if(condition, d, b);
    } else if d == b {
        asm.binary(Binary::Cmp, width, a, b);
        asm.move_if(condition, d, a);
    } else {
        asm.move_reg(SCRATCH, b);
        asm.binary(Binary::Cmp, width, a, b);
        asm.move_if(condition, SCRATCH, a);
        asm.move_reg(d, SCRATCH);
    }
}
