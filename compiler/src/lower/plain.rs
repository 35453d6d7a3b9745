//! What emits each operation without control flow and memory access.

use tvm_isa::{Gas, Instruction, Op, Pc};

use super::compare;
use super::mul_div::{self, Division, HighHalf};
use super::operands::Operands;
use super::shift::{self, Shift};
use super::{alu, bits};
use crate::asm::{Assembler, Binary, Condition, Width};

/// Emits an instruction without control flow and memory access.
pub fn plain(asm: &mut Assembler<'_>, instruction: &Instruction) {
    let emit = plain_emitter(instruction.op)
        .unwrap_or_else(|| unreachable!("{} is not straight-line code", instruction.op.name()));
    emit(asm, instruction, instruction.pc, Gas(0));
}

/// Who has an assembler.
pub trait Emits<'m> {
    /// The assembler.
    fn asm(&mut self) -> &mut Assembler<'m>;
}

impl<'m> Emits<'m> for Assembler<'m> {
    #[inline(always)]
    fn asm(&mut self) -> &mut Assembler<'m> {
        self
    }
}

/// Emits one instruction of a certain operation: from its operands, where it stands, and what it and those behind it were charged.
/// Who knows all operations beforehand has one of these for each, and calls it without asking what kind of operation it is.
pub type Emitter<T, O> = fn(&mut T, O, Pc, Gas);

/// What emits an operation without control flow and memory access. `None` for others.
#[rustfmt::skip]
pub const fn plain_emitter<'m, T: Emits<'m>, O: Operands>(op: Op) -> Option<Emitter<T, O>> {
    use Width::{W32, W64};
    /// A function that no instruction needs to know the place of.
    macro_rules! emit {
        (|$asm:ident, $operands:ident| $body:expr) => {{
            let emit: Emitter<T, O> = |emits, $operands, _, _| { let $asm = emits.asm(); $body };
            emit
        }};
    }
    /// Calls what emits a destination and a source, after the arguments given.
    macro_rules! rr {
        ($emit:path $(, $argument:expr)*) => {
            emit!(|asm, operands| { let (d, a) = operands.reg_reg(); $emit(asm, $($argument,)* d, a) })
        };
    }
    /// The same for a destination, a source and an immediate.
    macro_rules! rri {
        ($emit:path $(, $argument:expr)*) => {
            emit!(|asm, operands| { let (a, b, imm) = operands.reg_reg_imm(); $emit(asm, $($argument,)* a, b, imm) })
        };
    }
    /// The same for a destination and two sources.
    macro_rules! rrr {
        ($emit:path $(, $argument:expr)*) => {
            emit!(|asm, operands| { let (d, a, b) = operands.reg_reg_reg(); $emit(asm, $($argument,)* d, a, b) })
        };
    }
    Some(match op {
        Op::Unlikely => emit!(|_asm, _operands| {}),
        Op::LoadImm => emit!(|asm, operands| { let (a, x) = operands.reg_imm(); asm.load_constant(a, x) }),
        Op::LoadImm64 => emit!(|asm, operands| { let (a, x) = operands.reg_imm_64(); asm.load_constant(a, x) }),
        Op::MoveReg => rr!(Assembler::move_reg),

        Op::CountSetBits64 => rr!(bits::count_set, W64),
        Op::CountSetBits32 => rr!(bits::count_set, W32),
        Op::LeadingZeroBits64 => rr!(bits::leading_zeros, W64),
        Op::LeadingZeroBits32 => rr!(bits::leading_zeros, W32),
        Op::TrailingZeroBits64 => rr!(bits::trailing_zeros, W64),
        Op::TrailingZeroBits32 => rr!(bits::trailing_zeros, W32),
        Op::SignExtend8 => rr!(bits::sign_extend_8),
        Op::SignExtend16 => rr!(bits::sign_extend_16),
        Op::ZeroExtend16 => rr!(bits::zero_extend_16),
        Op::ReverseBytes => rr!(bits::reverse_bytes),

        Op::AddImm32 => rri!(alu::add_imm, W32),
        Op::AddImm64 => rri!(alu::add_imm, W64),
        Op::NegAddImm32 => rri!(alu::neg_add_imm, W32),
        Op::NegAddImm64 => rri!(alu::neg_add_imm, W64),
        Op::AndImm => rri!(alu::and_imm),
        Op::XorImm => rri!(alu::xor_imm),
        Op::OrImm => rri!(alu::or_imm),
        Op::MulImm32 => rri!(mul_div::mul_imm, W32),
        Op::MulImm64 => rri!(mul_div::mul_imm, W64),

        Op::SetLtUImm => rri!(compare::set_imm, Condition::Below),
        Op::SetLtSImm => rri!(compare::set_imm, Condition::Less),
        Op::SetGtUImm => rri!(compare::set_imm, Condition::Above),
        Op::SetGtSImm => rri!(compare::set_imm, Condition::Greater),
        Op::CmovIzImm => rri!(compare::move_imm_if, true),
        Op::CmovNzImm => rri!(compare::move_imm_if, false),

        Op::ShloLImm32 => rri!(shift::by_imm, Shift::Shl, W32),
        Op::ShloRImm32 => rri!(shift::by_imm, Shift::Shr, W32),
        Op::SharRImm32 => rri!(shift::by_imm, Shift::Sar, W32),
        Op::ShloLImm64 => rri!(shift::by_imm, Shift::Shl, W64),
        Op::ShloRImm64 => rri!(shift::by_imm, Shift::Shr, W64),
        Op::SharRImm64 => rri!(shift::by_imm, Shift::Sar, W64),
        Op::RotR64Imm => rri!(shift::by_imm, Shift::Ror, W64),
        Op::RotR32Imm => rri!(shift::by_imm, Shift::Ror, W32),
        Op::ShloLImmAlt32 => rri!(shift::of_imm, Shift::Shl, W32),
        Op::ShloRImmAlt32 => rri!(shift::of_imm, Shift::Shr, W32),
        Op::SharRImmAlt32 => rri!(shift::of_imm, Shift::Sar, W32),
        Op::ShloLImmAlt64 => rri!(shift::of_imm, Shift::Shl, W64),
        Op::ShloRImmAlt64 => rri!(shift::of_imm, Shift::Shr, W64),
        Op::SharRImmAlt64 => rri!(shift::of_imm, Shift::Sar, W64),
        Op::RotR64ImmAlt => rri!(shift::of_imm, Shift::Ror, W64),
        Op::RotR32ImmAlt => rri!(shift::of_imm, Shift::Ror, W32),

        Op::Add32 => rrr!(alu::add, W32),
        Op::Add64 => rrr!(alu::add, W64),
        Op::Sub32 => rrr!(alu::sub, W32),
        Op::Sub64 => rrr!(alu::sub, W64),
        Op::And => rrr!(alu::binary, Binary::And),
        Op::Xor => rrr!(alu::binary, Binary::Xor),
        Op::Or => rrr!(alu::binary, Binary::Or),
        Op::AndInv => rrr!(alu::and_inv),
        Op::OrInv => rrr!(alu::or_inv),
        Op::Xnor => rrr!(alu::xnor),
        Op::Max => rrr!(alu::select, Condition::Greater, W64),
        Op::MaxU => rrr!(alu::select, Condition::Above, W64),
        Op::Min => rrr!(alu::select, Condition::Less, W64),
        Op::MinU => rrr!(alu::select, Condition::Below, W64),
        Op::SetLtU => rrr!(compare::set, Condition::Below),
        Op::SetLtS => rrr!(compare::set, Condition::Less),
        Op::CmovIz => rrr!(compare::move_if, true),
        Op::CmovNz => rrr!(compare::move_if, false),

        Op::ShloL32 => rrr!(shift::by_reg, Shift::Shl, W32),
        Op::ShloR32 => rrr!(shift::by_reg, Shift::Shr, W32),
        Op::SharR32 => rrr!(shift::by_reg, Shift::Sar, W32),
        Op::ShloL64 => rrr!(shift::by_reg, Shift::Shl, W64),
        Op::ShloR64 => rrr!(shift::by_reg, Shift::Shr, W64),
        Op::SharR64 => rrr!(shift::by_reg, Shift::Sar, W64),
        Op::RotL64 => rrr!(shift::by_reg, Shift::Rol, W64),
        Op::RotL32 => rrr!(shift::by_reg, Shift::Rol, W32),
        Op::RotR64 => rrr!(shift::by_reg, Shift::Ror, W64),
        Op::RotR32 => rrr!(shift::by_reg, Shift::Ror, W32),

        Op::Mul32 => rrr!(mul_div::mul, W32),
        Op::Mul64 => rrr!(mul_div::mul, W64),
        Op::MulUpperSS => rrr!(mul_div::mul_upper, HighHalf::SignedSigned),
        Op::MulUpperUU => rrr!(mul_div::mul_upper, HighHalf::UnsignedUnsigned),
        Op::MulUpperSU => rrr!(mul_div::mul_upper, HighHalf::SignedUnsigned),
        Op::DivU32 => rrr!(mul_div::divide, Division::QuotientUnsigned, W32),
        Op::DivS32 => rrr!(mul_div::divide, Division::QuotientSigned, W32),
        Op::RemU32 => rrr!(mul_div::divide, Division::RemainderUnsigned, W32),
        Op::RemS32 => rrr!(mul_div::divide, Division::RemainderSigned, W32),
        Op::DivU64 => rrr!(mul_div::divide, Division::QuotientUnsigned, W64),
        Op::DivS64 => rrr!(mul_div::divide, Division::QuotientSigned, W64),
        Op::RemU64 => rrr!(mul_div::divide, Division::RemainderUnsigned, W64),
        Op::RemS64 => rrr!(mul_div::divide, Division::RemainderSigned, W64),

        // Listed, so that a new operation cannot be forgotten: these are not plain (see `lowering`).
        Op::Trap | Op::Fallthrough | Op::Ecalli | Op::Sbrk | Op::Jump | Op::JumpInd | Op::LoadImmJump | Op::LoadImmJumpInd
        | Op::BranchEqImm | Op::BranchNeImm | Op::BranchLtUImm | Op::BranchLeUImm | Op::BranchGeUImm | Op::BranchGtUImm
        | Op::BranchLtSImm | Op::BranchLeSImm | Op::BranchGeSImm | Op::BranchGtSImm
        | Op::BranchEq | Op::BranchNe | Op::BranchLtU | Op::BranchLtS | Op::BranchGeU | Op::BranchGeS
        | Op::StoreImmU8 | Op::StoreImmU16 | Op::StoreImmU32 | Op::StoreImmU64
        | Op::LoadU8 | Op::LoadI8 | Op::LoadU16 | Op::LoadI16 | Op::LoadU32 | Op::LoadI32 | Op::LoadU64
        | Op::StoreU8 | Op::StoreU16 | Op::StoreU32 | Op::StoreU64
        | Op::StoreImmIndU8 | Op::StoreImmIndU16 | Op::StoreImmIndU32 | Op::StoreImmIndU64
        | Op::StoreIndU8 | Op::StoreIndU16 | Op::StoreIndU32 | Op::StoreIndU64
        | Op::LoadIndU8 | Op::LoadIndI8 | Op::LoadIndU16 | Op::LoadIndI16 | Op::LoadIndU32 | Op::LoadIndI32 | Op::LoadIndU64 => return None,
    })
}
