//! Counting bits, extending and reversing.

use dynasmrt::DynasmApi;
use tvm_abi::CpuFeatures;

use crate::asm::{Assembler, Extend, RAX, RCX, Width, emit};

/// d ← number of ones in a
pub fn count_set(asm: &mut Assembler, width: Width, d: u8, a: u8) {
    match (asm.has(CpuFeatures::POPCNT), width) {
        (true, Width::W64) => emit!(asm; popcnt Rq(d), Rq(a)),
        (true, Width::W32) => emit!(asm; popcnt Rd(d), Rd(a)),
        (false, _) => count_set_baseline(asm, width, d, a),
    }
}

/// Sums bits in pairs, nibbles and bytes, then the bytes by a multiplication. Constants need a second temporary: one
/// of `rax` and `rcx`, kept in `xmm0` meanwhile.
fn count_set_baseline(asm: &mut Assembler, width: Width, d: u8, a: u8) {
    let t = if d == RAX { RCX } else { RAX };
    emit!(asm; movq xmm0, Rq(t));
    match width {
        Width::W64 => asm.move_reg(d, a),
        Width::W32 => emit!(asm; mov Rd(d), Rd(a)),
    }
    emit!(asm
        ; mov rdx, Rq(d)
        ; shr rdx, 1
        ; mov Rq(t), QWORD 0x5555_5555_5555_5555
        ; and rdx, Rq(t)
        ; sub Rq(d), rdx
        ; mov Rq(t), QWORD 0x3333_3333_3333_3333
        ; mov rdx, Rq(d)
        ; and Rq(d), Rq(t)
        ; shr rdx, 2
        ; and rdx, Rq(t)
        ; add Rq(d), rdx
        ; mov rdx, Rq(d)
        ; shr rdx, 4
        ; add Rq(d), rdx
        ; mov Rq(t), QWORD 0x0f0f_0f0f_0f0f_0f0f
        ; and Rq(d), Rq(t)
        ; mov Rq(t), QWORD 0x0101_0101_0101_0101
        ; imul Rq(d), Rq(t)
        ; shr Rq(d), 56
        ; movq Rq(t), xmm0
    );
}

/// d ← number of zeros above the highest one of a; the width when there is none
pub fn leading_zeros(asm: &mut Assembler, width: Width, d: u8, a: u8) {
    match (asm.has(CpuFeatures::LZCNT), width) {
        (true, Width::W64) => emit!(asm; lzcnt Rq(d), Rq(a)),
        (true, Width::W32) => emit!(asm; lzcnt Rd(d), Rd(a)),
        // 127 ^ 63 = 64 and 63 ^ 31 = 32 are what is left where `bsr` finds no bit.
        (false, Width::W64) => {
            emit!(asm; mov rdx, Rq(a); mov Rd(d), DWORD 127; bsr rdx, rdx; cmovne Rq(d), rdx; xor Rd(d), BYTE 63);
        }
        (false, Width::W32) => {
            emit!(asm; mov edx, Rd(a); mov Rd(d), DWORD 63; bsr edx, edx; cmovne Rd(d), edx; xor Rd(d), BYTE 31);
        }
    }
}

/// d ← number of zeros below the lowest one of a; the width when there is none
pub fn trailing_zeros(asm: &mut Assembler, width: Width, d: u8, a: u8) {
    match (asm.has(CpuFeatures::BMI1), width) {
        (true, Width::W64) => emit!(asm; tzcnt Rq(d), Rq(a)),
        (true, Width::W32) => emit!(asm; tzcnt Rd(d), Rd(a)),
        (false, Width::W64) => emit!(asm; mov rdx, Rq(a); mov Rd(d), DWORD 64; bsf rdx, rdx; cmovne Rq(d), rdx),
        (false, Width::W32) => emit!(asm; mov edx, Rd(a); mov Rd(d), DWORD 32; bsf edx, edx; cmovne Rd(d), edx),
    }
}

/// d ← low 8 bits of a, sign-extended
pub fn sign_extend_8(asm: &mut Assembler, d: u8, a: u8) {
    asm.extend(Extend::Sign8, d, a);
}

/// d ← low 16 bits of a, sign-extended
pub fn sign_extend_16(asm: &mut Assembler, d: u8, a: u8) {
    asm.extend(Extend::Sign16, d, a);
}

/// d ← low 16 bits of a
pub fn zero_extend_16(asm: &mut Assembler, d: u8, a: u8) {
    asm.extend(Extend::Zero16, d, a);
}

/// d ← bytes of a in reverse order
pub fn reverse_bytes(asm: &mut Assembler, d: u8, a: u8) {
    asm.move_reg(d, a);
    emit!(asm; bswap Rq(d));
}
