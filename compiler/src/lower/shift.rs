//! Shifts and rotations. x86 takes the amount modulo the width, as the Gray Paper does.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

pub use crate::asm::ShiftOp as Shift;
use crate::asm::{Assembler, Binary, RCX, SCRATCH, Width, emit};

/// a ← b shifted by imm
pub fn by_imm(asm: &mut Assembler, shift: Shift, width: Width, a: u8, b: u8, imm: i32) {
    let amount = (imm as u32 % if width == Width::W64 { 64 } else { 32 }) as u8;
    if amount == 0 {
        return match width {
            Width::W64 => asm.move_reg(a, b),
            Width::W32 => asm.move_sign_extended(a, b),
        };
    }
    if shift == Shift::Ror && a != b && asm.has(CpuFeatures::BMI2) {
        let amount = amount as i8;
        match width {
            Width::W64 => emit!(asm; rorx Rq(a), Rq(b), amount),
            Width::W32 => emit!(asm; rorx Rd(a), Rd(b), amount),
        }
        return asm.finish(width, a);
    }
    asm.move_reg(a, b);
    asm.shift_imm(shift, width, a, amount);
    // A logical shift to the right leaves no sign bit: its result is extended already.
    if shift != Shift::Shr {
        asm.finish(width, a);
    }
}

/// d ← a shifted by b
pub fn by_reg(asm: &mut Assembler, shift: Shift, width: Width, d: u8, a: u8, b: u8) {
    if has_three_operands(asm, shift) {
        three_operands(asm, shift, width, d, a, b);
    } else {
        by_cl(asm, shift, width, d, b, a == RCX, |asm, to, rcx| asm.move_reg(to, if a == RCX { rcx } else { a }));
    }
    asm.finish(width, d);
}

/// a ← imm, sign-extended, shifted by b
pub fn of_imm(asm: &mut Assembler, shift: Shift, width: Width, a: u8, b: u8, imm: i32) {
    let value = i64::from(imm) as u64;
    if has_three_operands(asm, shift) {
        asm.load_constant(SCRATCH, value);
        three_operands(asm, shift, width, a, SCRATCH, b);
    } else {
        by_cl(asm, shift, width, a, b, false, |asm, to, _| asm.load_constant(to, value));
    }
    asm.finish(width, a);
}

fn has_three_operands(asm: &Assembler, shift: Shift) -> bool {
    !matches!(shift, Shift::Rol | Shift::Ror) && asm.has(CpuFeatures::BMI2)
}

/// to ← a value shifted by `amount`, by way of `cl`. `value` puts the value into the first register it is given; what the guest has in
/// `rcx` is in the second one then; `reads_rcx` says that it is looked at there.
fn by_cl(
    asm: &mut Assembler,
    shift: Shift,
    width: Width,
    to: u8,
    amount: u8,
    reads_rcx: bool,
    value: impl FnOnce(&mut Assembler, u8, u8),
) {
    if to == RCX {
        value(asm, SCRATCH, RCX);
        asm.move_reg(RCX, amount);
        asm.shift_cl(shift, width, SCRATCH);
        asm.move_reg(RCX, SCRATCH);
    } else if amount == RCX {
        value(asm, to, RCX);
        asm.shift_cl(shift, width, to);
    } else {
        let is_kept = reads_rcx || asm.needs_rcx();
        if is_kept {
            asm.move_reg(SCRATCH, RCX);
        }
        asm.binary(Binary::Mov, Width::W32, RCX, amount);
        value(asm, to, SCRATCH);
        asm.shift_cl(shift, width, to);
        if is_kept {
            asm.move_reg(RCX, SCRATCH);
        }
    }
}

/// to ← the lower half of `from`, extended to 64 bits and then shifted to the left, or to the right if `left` is negative
pub fn extension(asm: &mut Assembler, to: u8, from: u8, signed: bool, left: i8) {
    if signed {
        asm.move_sign_extended(to, from);
    } else {
        asm.binary(Binary::Mov, Width::W32, to, from);
    }
    match (left, signed) {
        (0, _) => {}
        (1.., _) => asm.shift_imm(Shift::Shl, Width::W64, to, left.unsigned_abs()),
        (_, true) => asm.shift_imm(Shift::Sar, Width::W64, to, left.unsigned_abs()),
        (_, false) => asm.shift_imm(Shift::Shr, Width::W64, to, left.unsigned_abs()),
    }
}

/// BMI2: to ← from shifted by amount, three registers that may be the same.
fn three_operands(asm: &mut Assembler, shift: Shift, width: Width, to: u8, from: u8, amount: u8) {
    match (shift, width) {
        (Shift::Shl, Width::W64) => emit!(asm; shlx Rq(to), Rq(from), Rq(amount)),
        (Shift::Shl, Width::W32) => emit!(asm; shlx Rd(to), Rd(from), Rd(amount)),
        (Shift::Shr, Width::W64) => emit!(asm; shrx Rq(to), Rq(from), Rq(amount)),
        (Shift::Shr, Width::W32) => emit!(asm; shrx Rd(to), Rd(from), Rd(amount)),
        (_, Width::W64) => emit!(asm; sarx Rq(to), Rq(from), Rq(amount)),
        (_, Width::W32) => emit!(asm; sarx Rd(to), Rd(from), Rd(amount)),
    }
}
