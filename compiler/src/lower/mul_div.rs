//! Multiplication and division.
//!
//! x86 fixes `rax` and `rdx` as operands of most of these. Where they hold guest registers that must survive, XMM
//! registers keep them meanwhile; nothing between can fault. The quotients that would raise #DE (x/0 and MIN/−1)
//! never reach the divide instruction.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

use crate::asm::{Assembler, JE_SHORT, JMP_SHORT, RAX, RDX, SCRATCH, Width, emit};

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
    if half == HighHalf::UnsignedUnsigned && asm.has(CpuFeatures::BMI2) {
        return mul_upper_bmi2(asm, d, a, b);
    }
    save_fixed(asm);
    if half == HighHalf::SignedUnsigned {
        // Signed a is unsigned a less 2^64 when negative: the upper half is then too large by b.
        emit!(asm; mov rcx, Rq(a); sar rcx, 63; and rcx, Rq(b); movq xmm2, rcx);
    }
    emit!(asm; mov rcx, Rq(b));
    asm.move_reg(RAX, a);
    match half {
        HighHalf::SignedSigned => emit!(asm; imul rcx; mov rcx, rdx),
        HighHalf::UnsignedUnsigned => emit!(asm; mul rcx; mov rcx, rdx),
        HighHalf::SignedUnsigned => emit!(asm; mul rcx; movq rcx, xmm2; sub rdx, rcx; mov rcx, rdx),
    }
    restore_fixed(asm, d);
}

/// `mulx` multiplies `rdx` with any register into any two.
fn mul_upper_bmi2(asm: &mut Assembler, d: u8, a: u8, b: u8) {
    match (a, b) {
        (RDX, other) | (other, RDX) => emit!(asm; mulx Rq(d), rcx, Rq(other)),
        _ if d == RDX => emit!(asm; mov rdx, Rq(a); mulx rdx, rcx, Rq(b)),
        _ => emit!(asm; mov rcx, rdx; mov rdx, Rq(a); mulx Rq(d), rdx, Rq(b); mov rdx, rcx),
    }
}

/// d ← a divided by b
pub fn divide(asm: &mut Assembler, division: Division, width: Width, d: u8, a: u8, b: u8) {
    use Division::{QuotientSigned, QuotientUnsigned, RemainderSigned};
    save_fixed(asm);
    emit!(asm; mov rcx, Rq(b));
    asm.move_reg(RAX, a);
    match width {
        Width::W64 => emit!(asm; test rcx, rcx),
        Width::W32 => emit!(asm; test ecx, ecx),
    }
    let to_zero = asm.jump_ahead(JE_SHORT);
    let signed = matches!(division, QuotientSigned | RemainderSigned);
    if signed {
        match width {
            Width::W64 => emit!(asm; cmp rcx, DWORD -1),
            Width::W32 => emit!(asm; cmp ecx, DWORD -1),
        }
    }
    let to_minus_one = signed.then(|| asm.jump_ahead(JE_SHORT));
    match (signed, width) {
        (false, Width::W64) => emit!(asm; xor edx, edx; div rcx),
        (false, Width::W32) => emit!(asm; xor edx, edx; div ecx),
        (true, Width::W64) => emit!(asm; cqo; idiv rcx),
        (true, Width::W32) => emit!(asm; cdq; idiv ecx),
    }
    let quotient = matches!(division, QuotientUnsigned | QuotientSigned);
    result(asm, width, if quotient { RAX } else { RDX });
    let done = asm.jump_ahead(JMP_SHORT);
    let done_too = to_minus_one.map(|to_minus_one| {
        asm.land(to_minus_one);
        // a / −1 is −a, which for MIN is MIN, and leaves no remainder.
        match (quotient, width) {
            (true, Width::W64) => emit!(asm; neg rax; mov rcx, rax),
            (true, Width::W32) => emit!(asm; neg eax; movsxd rcx, eax),
            (false, _) => emit!(asm; xor ecx, ecx),
        }
        asm.jump_ahead(JMP_SHORT)
    });
    asm.land(to_zero);
    if quotient {
        emit!(asm; mov rcx, DWORD -1);
    } else {
        result(asm, width, RAX);
    }
    asm.land(done);
    if let Some(done_too) = done_too {
        asm.land(done_too);
    }
    restore_fixed(asm, d);
}

/// Puts `from` into the scratch register, sign-extended when it is 32 bits wide.
fn result(asm: &mut Assembler, width: Width, from: u8) {
    match width {
        Width::W64 => emit!(asm; mov rcx, Rq(from)),
        Width::W32 => emit!(asm; movsxd rcx, Rd(from)),
    }
}

/// Keeps `rax` and `rdx` in XMM registers.
fn save_fixed(asm: &mut Assembler) {
    emit!(asm; movq xmm0, rax; movq xmm1, rdx);
}

/// Restores `rax` and `rdx` and moves the result from the scratch register to `d`.
fn restore_fixed(asm: &mut Assembler, d: u8) {
    if d != RAX {
        emit!(asm; movq rax, xmm0);
    }
    if d != RDX {
        emit!(asm; movq rdx, xmm1);
    }
    asm.move_reg(d, SCRATCH);
}
