//! Multiplication and division.
//!
//! x86 fixes `rax` and `rdx` as operands of most of these. `rdx` is the scratch register; where `rax` holds a guest register that
//! must survive, an XMM register keeps it meanwhile; nothing between can fault. The quotients that would raise #DE (x/0 and MIN/−1)
//! never reach the divide instruction.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

use crate::asm::{Assembler, Binary, BinaryImm, JE_SHORT, JMP_SHORT, RAX, RCX, SCRATCH, Unary, Width, emit};
use crate::optimise::Half;

/// Signedness of the operands of a multiplication whose upper half is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum HighHalf {
    SignedSigned,
    UnsignedUnsigned,
    SignedUnsigned,
}

/// A result of a division.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Division {
    QuotientUnsigned,
    QuotientSigned,
    RemainderUnsigned,
    RemainderSigned,
}

/// d ← low half of a · b
pub fn mul(asm: &mut Assembler, width: Width, d: u8, a: u8, b: u8) {
    let other = if d == b { a } else { b };
    if d != b {
        asm.move_reg(d, a);
    }
    asm.multiply(width, d, other);
    asm.finish(width, d);
}

/// a ← low half of b · imm
pub fn mul_imm(asm: &mut Assembler, width: Width, a: u8, b: u8, imm: i32) {
    asm.multiply_imm(width, a, b, imm);
    asm.finish(width, a);
}

/// d ← upper half of a · b
pub fn mul_upper(asm: &mut Assembler, half: HighHalf, d: u8, a: u8, b: u8) {
    let has_mulx = asm.has(CpuFeatures::BMI2);
    match half {
        HighHalf::UnsignedUnsigned if has_mulx => emit!(asm; mov rdx, Rq(a); mulx Rq(d), rdx, Rq(b)),
        HighHalf::SignedUnsigned if has_mulx => {
            correction(asm, a, b);
            emit!(asm; mov rdx, Rq(a); mulx Rq(d), rdx, Rq(b); movq rdx, xmm1; sub Rq(d), rdx);
        }
        _ => mul_upper_fixed(asm, half, d, a, b),
    }
}

/// With the multiplications that take one factor from `rax` and leave the product in `rdx` and `rax`.
fn mul_upper_fixed(asm: &mut Assembler, half: HighHalf, d: u8, a: u8, b: u8) {
    if half == HighHalf::SignedUnsigned {
        correction(asm, a, b);
    }
    let other = if b == RAX { a } else { b };
    save(asm, RAX, d);
    if b != RAX {
        asm.move_reg(RAX, a);
    }
    match half {
        HighHalf::SignedSigned => emit!(asm; imul Rq(other)),
        HighHalf::UnsignedUnsigned => emit!(asm; mul Rq(other)),
        HighHalf::SignedUnsigned => emit!(asm; mul Rq(other); movq rax, xmm1; sub rdx, rax),
    }
    restore(asm, RAX, d);
    asm.move_reg(d, SCRATCH);
}

/// low, high ← the halves of the unsigned product a · b; two different registers
pub fn product(asm: &mut Assembler, low: u8, high: u8, a: u8, b: u8) {
    if asm.has(CpuFeatures::BMI2) {
        emit!(asm; mov rdx, Rq(a); mulx Rq(high), Rq(low), Rq(b));
        return;
    }
    let is_kept = low != RAX && high != RAX;
    if is_kept {
        emit!(asm; movq xmm0, rax);
    }
    multiply_through_rax(asm, a, b);
    // `high` may be rax, which has the lower half.
    asm.move_reg(low, RAX);
    asm.move_reg(high, SCRATCH);
    if is_kept {
        emit!(asm; movq rax, xmm0);
    }
}

/// rdx, rax ← the upper and the lower half of the unsigned product a · b
fn multiply_through_rax(asm: &mut Assembler, a: u8, b: u8) {
    let other = if b == RAX { a } else { b };
    if b != RAX {
        asm.move_reg(RAX, a);
    }
    emit!(asm; mul Rq(other));
}

/// d ← a half of the unsigned product a · b, rdx ← the other half
pub fn half_of_product(asm: &mut Assembler, half: Half, d: u8, a: u8, b: u8) {
    match half {
        Half::Low if asm.has(CpuFeatures::BMI2) => emit!(asm; mov rdx, Rq(a); mulx rdx, Rq(d), Rq(b)),
        Half::High if asm.has(CpuFeatures::BMI2) => emit!(asm; mov rdx, Rq(a); mulx Rq(d), rdx, Rq(b)),
        _ => {
            if d != RAX {
                emit!(asm; movq xmm0, rax);
            }
            multiply_through_rax(asm, a, b);
            if half == Half::High {
                emit!(asm; xchg rax, rdx);
            }
            if d != RAX {
                asm.move_reg(d, RAX);
                emit!(asm; movq rax, xmm0);
            }
        }
    }
}

/// xmm1 ← what the upper half of the unsigned product is too large by if a is signed: a negative a is an unsigned one less
/// 2^64.
fn correction(asm: &mut Assembler, a: u8, b: u8) {
    emit!(asm; mov rdx, Rq(a); sar rdx, 63; and rdx, Rq(b); movq xmm1, rdx);
}

/// d ← a divided by b
pub fn divide(asm: &mut Assembler, division: Division, width: Width, d: u8, a: u8, b: u8) {
    use Division::{QuotientSigned, QuotientUnsigned, RemainderSigned};
    let by = if b == RAX { RCX } else { b };
    save(asm, RAX, d);
    if by != b {
        save(asm, by, d);
    }
    place_dividend(asm, a, b, by);
    asm.binary(Binary::Test, width, by, by);
    let to_zero = asm.jump_ahead(JE_SHORT);
    let signed = matches!(division, QuotientSigned | RemainderSigned);
    let to_minus_one = signed.then(|| {
        asm.binary_imm(BinaryImm::Cmp, width, by, -1);
        asm.jump_ahead(JE_SHORT)
    });
    match (signed, width) {
        (false, Width::W64) => emit!(asm; xor edx, edx; div Rq(by)),
        (false, Width::W32) => emit!(asm; xor edx, edx; div Rd(by)),
        (true, Width::W64) => emit!(asm; cqo; idiv Rq(by)),
        (true, Width::W32) => emit!(asm; cdq; idiv Rd(by)),
    }
    let quotient = matches!(division, QuotientUnsigned | QuotientSigned);
    result(asm, width, d, if quotient { RAX } else { SCRATCH });
    let done = asm.jump_ahead(JMP_SHORT);
    let done_too = to_minus_one.map(|to_minus_one| {
        asm.land(to_minus_one);
        // a / −1 is −a, which for MIN is MIN, and leaves no remainder.
        if quotient {
            asm.unary(Unary::Neg, width, RAX);
            result(asm, width, d, RAX);
        } else {
            asm.binary(Binary::Xor, Width::W32, d, d);
        }
        asm.jump_ahead(JMP_SHORT)
    });
    asm.land(to_zero);
    if quotient {
        asm.load_constant(d, u64::MAX);
    } else {
        result(asm, width, d, RAX);
    }
    asm.land(done);
    if let Some(done_too) = done_too {
        asm.land(done_too);
    }
    restore(asm, RAX, d);
    if by != b {
        restore(asm, by, d);
    }
}

/// rax ← a, by ← b, where `by` is b itself unless that is rax.
fn place_dividend(asm: &mut Assembler, a: u8, b: u8, by: u8) {
    if a == by && by != b {
        emit!(asm; xchg rax, Rq(by));
    } else {
        asm.move_reg(by, b);
        asm.move_reg(RAX, a);
    }
}

/// Puts `from` into `to`, sign-extended when it is 32 bits wide.
fn result(asm: &mut Assembler, width: Width, to: u8, from: u8) {
    match width {
        Width::W64 => asm.move_reg(to, from),
        Width::W32 => asm.move_sign_extended(to, from),
    }
}

/// Keeps `reg`, which is `rax` or `rcx`, in an XMM register unless the result goes there or nobody looks at it.
fn save(asm: &mut Assembler, reg: u8, result: u8) {
    match reg {
        _ if !is_kept(asm, reg, result) => {}
        RAX => emit!(asm; movq xmm0, rax),
        _ => emit!(asm; movq xmm2, Rq(reg)),
    }
}

/// Gives back what [`save`] kept.
fn restore(asm: &mut Assembler, reg: u8, result: u8) {
    match reg {
        _ if !is_kept(asm, reg, result) => {}
        RAX => emit!(asm; movq rax, xmm0),
        _ => emit!(asm; movq Rq(reg), xmm2),
    }
}

fn is_kept(asm: &Assembler, reg: u8, result: u8) -> bool {
    reg != result && if reg == RAX { asm.needs_rax() } else { asm.needs_rcx() }
}
