//! Arithmetic: register and immediate values in, one register value out (GP A.5.3, A.5.6, A.5.9 to A.5.13).
//!
//! Everything is modulo 2^64. Operations of 32 bits compute on the low halves and sign-extend their result.

use tvm_isa::{Format, Instruction, Op, Reg};

/// The register that an arithmetic instruction writes, and what it writes. `None` for all other instructions.
#[inline]
pub(super) fn result(instruction: &Instruction, regs: &[u64; Reg::COUNT]) -> Option<(Reg, u64)> {
    let Instruction { op, a, b, d, x, .. } = *instruction;
    let value = |reg: Reg| regs[reg.index()];
    let (destination, left, right) = match op.info().format {
        Format::RegImm | Format::RegImm64 => (a, 0, x),
        Format::RegReg => (d, value(a), 0),
        Format::RegRegImm => (a, value(b), x),
        Format::RegRegReg => (d, value(a), value(b)),
        _ => return None,
    };
    Some((destination, evaluate(op, left, right, value(destination))?))
}

/// What `op` makes of its operands; `None` when it is no arithmetic operation.
///
/// `left` is the register of two-register operations, B of those with an immediate and A of three-register ones;
/// `right` is the immediate, or B. `old` is the destination's value before, which conditional moves may keep.
#[inline]
fn evaluate(op: Op, left: u64, right: u64, old: u64) -> Option<u64> {
    let (l, r) = (left, right);
    let (l32, r32) = (l as u32, r as u32);
    Some(match op {
        Op::LoadImm | Op::LoadImm64 => r,
        Op::MoveReg => l,

        Op::CountSetBits64 => l.count_ones().into(),
        Op::CountSetBits32 => l32.count_ones().into(),
        Op::LeadingZeroBits64 => l.leading_zeros().into(),
        Op::LeadingZeroBits32 => l32.leading_zeros().into(),
        Op::TrailingZeroBits64 => l.trailing_zeros().into(),
        Op::TrailingZeroBits32 => l32.trailing_zeros().into(),
        Op::SignExtend8 => l as i8 as u64,
        Op::SignExtend16 => l as i16 as u64,
        Op::ZeroExtend16 => l as u16 as u64,
        Op::ReverseBytes => l.swap_bytes(),

        Op::Add32 | Op::AddImm32 => extend(l32.wrapping_add(r32)),
        Op::Sub32 => extend(l32.wrapping_sub(r32)),
        Op::NegAddImm32 => extend(r32.wrapping_sub(l32)),
        Op::Mul32 | Op::MulImm32 => extend(l32.wrapping_mul(r32)),
        Op::Add64 | Op::AddImm64 => l.wrapping_add(r),
        Op::Sub64 => l.wrapping_sub(r),
        Op::NegAddImm64 => r.wrapping_sub(l),
        Op::Mul64 | Op::MulImm64 => l.wrapping_mul(r),
        Op::MulUpperSS => ((l as i64 as i128 * r as i64 as i128) >> 64) as u64,
        Op::MulUpperUU => ((l as u128 * r as u128) >> 64) as u64,
        Op::MulUpperSU => ((l as i64 as i128 * r as i128) >> 64) as u64,

        // Division by zero gives all ones and the dividend as remainder; MIN / −1 gives MIN and remainder 0.
        Op::DivU32 => l32.checked_div(r32).map_or(u64::MAX, extend),
        Op::DivS32 if r32 == 0 => u64::MAX,
        Op::DivS32 => (l32 as i32).wrapping_div(r32 as i32) as u64,
        Op::RemU32 => extend(l32.checked_rem(r32).unwrap_or(l32)),
        Op::RemS32 if r32 == 0 => extend(l32),
        Op::RemS32 => (l32 as i32).wrapping_rem(r32 as i32) as u64,
        Op::DivU64 => l.checked_div(r).unwrap_or(u64::MAX),
        Op::DivS64 if r == 0 => u64::MAX,
        Op::DivS64 => (l as i64).wrapping_div(r as i64) as u64,
        Op::RemU64 => l.checked_rem(r).unwrap_or(l),
        Op::RemS64 if r == 0 => l,
        Op::RemS64 => (l as i64).wrapping_rem(r as i64) as u64,

        // Amounts count modulo the width, which is what the wrapping shifts do. The `alt` forms shift the immediate.
        Op::ShloL32 | Op::ShloLImm32 => extend(l32.wrapping_shl(r32)),
        Op::ShloR32 | Op::ShloRImm32 => extend(l32.wrapping_shr(r32)),
        Op::SharR32 | Op::SharRImm32 => (l32 as i32).wrapping_shr(r32) as u64,
        Op::ShloLImmAlt32 => extend(r32.wrapping_shl(l32)),
        Op::ShloRImmAlt32 => extend(r32.wrapping_shr(l32)),
        Op::SharRImmAlt32 => (r32 as i32).wrapping_shr(l32) as u64,
        Op::ShloL64 | Op::ShloLImm64 => l.wrapping_shl(r32),
        Op::ShloR64 | Op::ShloRImm64 => l.wrapping_shr(r32),
        Op::SharR64 | Op::SharRImm64 => (l as i64).wrapping_shr(r32) as u64,
        Op::ShloLImmAlt64 => r.wrapping_shl(l32),
        Op::ShloRImmAlt64 => r.wrapping_shr(l32),
        Op::SharRImmAlt64 => (r as i64).wrapping_shr(l32) as u64,
        Op::RotL64 => l.rotate_left(r32 % 64),
        Op::RotR64 | Op::RotR64Imm => l.rotate_right(r32 % 64),
        Op::RotR64ImmAlt => r.rotate_right(l32 % 64),
        Op::RotL32 => extend(l32.rotate_left(r32 % 32)),
        Op::RotR32 | Op::RotR32Imm => extend(l32.rotate_right(r32 % 32)),
        Op::RotR32ImmAlt => extend(r32.rotate_right(l32 % 32)),

        Op::And | Op::AndImm => l & r,
        Op::Xor | Op::XorImm => l ^ r,
        Op::Or | Op::OrImm => l | r,
        Op::AndInv => l & !r,
        Op::OrInv => l | !r,
        Op::Xnor => !(l ^ r),

        Op::SetLtU | Op::SetLtUImm => (l < r).into(),
        Op::SetLtS | Op::SetLtSImm => ((l as i64) < r as i64).into(),
        Op::SetGtUImm => (l > r).into(),
        Op::SetGtSImm => (l as i64 > r as i64).into(),
        Op::Max => (l as i64).max(r as i64) as u64,
        Op::MaxU => l.max(r),
        Op::Min => (l as i64).min(r as i64) as u64,
        Op::MinU => l.min(r),

        // Registers: D ← A depending on B. With an immediate: A ← X depending on B, which is `left` there.
        Op::CmovIz => select(r == 0, l, old),
        Op::CmovNz => select(r != 0, l, old),
        Op::CmovIzImm => select(l == 0, r, old),
        Op::CmovNzImm => select(l != 0, r, old),

        _ => return None,
    })
}

/// Sign-extends 32 bits.
fn extend(value: u32) -> u64 {
    value as i32 as u64
}

/// `new` when `condition` holds, else `old`.
fn select(condition: bool, new: u64, old: u64) -> u64 {
    if condition { new } else { old }
}

#[cfg(test)]
mod tests;
