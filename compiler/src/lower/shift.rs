//! Shifts and rotations. x86 takes the amount modulo the width, as the Gray Paper does.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

use crate::asm::{Assembler, SCRATCH, Width, emit};

/// A shift or rotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Shift {
    Left,
    Right,
    RightSigned,
    RotateLeft,
    RotateRight,
}

/// a ← b shifted by imm
pub fn by_imm(asm: &mut Assembler, shift: Shift, width: Width, a: u8, b: u8, imm: i32) {
    let amount = (imm as u32 % if width == Width::W64 { 64 } else { 32 }) as i8;
    if amount == 0 {
        return match width {
            Width::W64 => asm.move_reg(a, b),
            Width::W32 => emit!(asm; movsxd Rq(a), Rd(b)),
        };
    }
    if shift == Shift::RotateRight && a != b && asm.has(CpuFeatures::BMI2) {
        match width {
            Width::W64 => emit!(asm; rorx Rq(a), Rq(b), amount),
            Width::W32 => emit!(asm; rorx Rd(a), Rd(b), amount),
        }
        return asm.finish(width, a);
    }
    asm.move_reg(a, b);
    match (shift, width) {
        (Shift::Left, Width::W64) => emit!(asm; shl Rq(a), amount),
        (Shift::Left, Width::W32) => emit!(asm; shl Rd(a), amount),
        (Shift::Right, Width::W64) => emit!(asm; shr Rq(a), amount),
        // The result has no sign bit: it is extended already.
        (Shift::Right, Width::W32) => return emit!(asm; shr Rd(a), amount),
        (Shift::RightSigned, Width::W64) => emit!(asm; sar Rq(a), amount),
        (Shift::RightSigned, Width::W32) => emit!(asm; sar Rd(a), amount),
        (Shift::RotateLeft, Width::W64) => emit!(asm; rol Rq(a), amount),
        (Shift::RotateLeft, Width::W32) => emit!(asm; rol Rd(a), amount),
        (Shift::RotateRight, Width::W64) => emit!(asm; ror Rq(a), amount),
        (Shift::RotateRight, Width::W32) => emit!(asm; ror Rd(a), amount),
    }
    asm.finish(width, a);
}

/// d ← a shifted by b
pub fn by_reg(asm: &mut Assembler, shift: Shift, width: Width, d: u8, a: u8, b: u8) {
    let has_form = !matches!(shift, Shift::RotateLeft | Shift::RotateRight);
    if has_form && asm.has(CpuFeatures::BMI2) {
        three_operands(asm, shift, width, d, a, b);
    } else {
        emit!(asm; mov ecx, Rd(b));
        asm.move_reg(d, a);
        by_cl(asm, shift, width, d);
    }
    asm.finish(width, d);
}

/// a ← imm, sign-extended, shifted by b
pub fn of_imm(asm: &mut Assembler, shift: Shift, width: Width, a: u8, b: u8, imm: i32) {
    let value = i64::from(imm) as u64;
    let has_form = !matches!(shift, Shift::RotateLeft | Shift::RotateRight);
    if has_form && asm.has(CpuFeatures::BMI2) {
        asm.load_constant(SCRATCH, value);
        three_operands(asm, shift, width, a, SCRATCH, b);
    } else {
        emit!(asm; mov ecx, Rd(b));
        asm.load_constant(a, value);
        by_cl(asm, shift, width, a);
    }
    asm.finish(width, a);
}

/// BMI2: to ← from shifted by amount, three registers that may be the same.
fn three_operands(asm: &mut Assembler, shift: Shift, width: Width, to: u8, from: u8, amount: u8) {
    match (shift, width) {
        (Shift::Left, Width::W64) => emit!(asm; shlx Rq(to), Rq(from), Rq(amount)),
        (Shift::Left, Width::W32) => emit!(asm; shlx Rd(to), Rd(from), Rd(amount)),
        (Shift::Right, Width::W64) => emit!(asm; shrx Rq(to), Rq(from), Rq(amount)),
        (Shift::Right, Width::W32) => emit!(asm; shrx Rd(to), Rd(from), Rd(amount)),
        (_, Width::W64) => emit!(asm; sarx Rq(to), Rq(from), Rq(amount)),
        (_, Width::W32) => emit!(asm; sarx Rd(to), Rd(from), Rd(amount)),
    }
}

/// Shifts `reg` by `cl`, in place.
fn by_cl(asm: &mut Assembler, shift: Shift, width: Width, reg: u8) {
    match (shift, width) {
        (Shift::Left, Width::W64) => emit!(asm; shl Rq(reg), cl),
        (Shift::Left, Width::W32) => emit!(asm; shl Rd(reg), cl),
        (Shift::Right, Width::W64) => emit!(asm; shr Rq(reg), cl),
        (Shift::Right, Width::W32) => emit!(asm; shr Rd(reg), cl),
        (Shift::RightSigned, Width::W64) => emit!(asm; sar Rq(reg), cl),
        (Shift::RightSigned, Width::W32) => emit!(asm; sar Rd(reg), cl),
        (Shift::RotateLeft, Width::W64) => emit!(asm; rol Rq(reg), cl),
        (Shift::RotateLeft, Width::W32) => emit!(asm; rol Rd(reg), cl),
        (Shift::RotateRight, Width::W64) => emit!(asm; ror Rq(reg), cl),
        (Shift::RotateRight, Width::W32) => emit!(asm; ror Rd(reg), cl),
    }
}
