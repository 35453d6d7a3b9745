//! Machine code for single instructions, one file per family of operations.
//!
//! Every function keeps the same promises: all guest registers but the destination keep their values; the destination
//! is written last, or not before the last machine instruction that can fault; only the scratch register and XMM
//! registers are used besides; the flags mean nothing between guest instructions.

mod alu;
mod bits;
mod compare;
mod memory;
mod mul_div;
mod shift;

use tvm_isa::{Instruction, OPERATIONS, Op, Reg};

use crate::asm::{Assembler, Binary, Sum, Width, host};
use crate::optimise::{Address, Carry, CarrySide, Extension};

pub use compare::{Condition, Operand, compare, compare_low};
pub use memory::Access;
use mul_div::{Division, HighHalf};
use shift::Shift;

/// What lowering needs to know about an instruction beyond its operands: how to emit it.
#[derive(Clone, Copy, Debug)]
pub enum Lowering {
    /// Straight-line code that cannot leave.
    Plain,
    /// A guest memory access; its machine instruction may fault.
    Memory(Access),
    /// Control flow, which the translator emits itself.
    Control,
}

/// What ends with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// Nothing: execution goes on in the same region.
    Nothing,
    /// The region, but not the block: the exact gas must be there next.
    Region,
    /// The block, and the region with it.
    Block,
}

/// What lowering and translating ask about each operation, in the order of [`Op`]'s discriminants.
static LOWERINGS: [(Lowering, Ends); OPERATIONS.len()] = {
    let mut table = [(Lowering::Plain, Ends::Nothing); OPERATIONS.len()];
    let mut row = 0;
    while row < table.len() {
        let op = OPERATIONS[row].op;
        table[row] = match memory::access(op) {
            Some(access) => (Lowering::Memory(access), Ends::Nothing),
            None if op.terminates_block() => (Lowering::Control, Ends::Block),
            None if matches!(op, Op::Ecalli | Op::Sbrk) => (Lowering::Control, Ends::Region),
            None => (Lowering::Plain, Ends::Nothing),
        };
        row += 1;
    }
    table
};

/// The kind of lowering of an operation.
#[inline]
pub fn lowering(op: Op) -> &'static Lowering {
    &LOWERINGS[op as usize].0
}

/// What ends with an operation.
#[inline]
pub fn ends(op: Op) -> Ends {
    LOWERINGS[op as usize].1
}

/// Emits a guest memory access. Gives the offset of the one machine instruction that may fault.
#[inline]
pub fn memory_access(asm: &mut Assembler, access: &Access, instruction: &Instruction) -> tvm_abi::TextOffset {
    memory::lower(asm, access, instruction)
}

/// Emits a guest memory access at an address made of other registers than the one the instruction names.
pub fn memory_access_at(
    asm: &mut Assembler,
    access: &Access,
    instruction: &Instruction,
    address: &Address,
) -> tvm_abi::TextOffset {
    let Address { base, index, disp } = *address;
    let sum = Sum { base: base.map(host), index: index.map(|(reg, scale)| (host(reg), scale)), disp };
    memory::lower_at(asm, access, instruction, sum)
}

/// The register whose sum with the first immediate an instruction accesses memory at.
pub fn address_register(instruction: &Instruction) -> Option<Reg> {
    memory::access(instruction.op)?.base(instruction)
}

/// The register that a store stores.
pub fn data_register(instruction: &Instruction) -> Option<Reg> {
    memory::access(instruction.op)?.data(instruction)
}

/// Emits a 64-bit sum with a scaled register.
pub fn sum(asm: &mut Assembler, to: Reg, address: &Address) {
    let Address { base, index, disp } = *address;
    if let Some((index, scale)) = index {
        asm.lea_scaled(host(to), base.map(host), host(index), scale, disp);
    } else if let Some(base) = base {
        asm.lea_disp(Width::W64, host(to), host(base), disp);
    }
}

/// Emits the addition or subtraction of a carry.
pub fn carry(asm: &mut Assembler, to: Reg, carry: &Carry) {
    let right = match carry.right {
        CarrySide::Reg(reg) => Operand::Reg(host(reg)),
        CarrySide::Imm(imm) => Operand::Imm(imm),
    };
    compare(asm, host(carry.left), right);
    alu::add_carry(asm, host(to), host(carry.from), carry.subtract);
}

/// Emits the extension of a lower half to 64 bits, and a shift after it.
pub fn extension(asm: &mut Assembler, to: Reg, extension: Extension) {
    shift::extension(asm, host(to), host(extension.source), extension.signed, extension.left);
}

/// Emits an instruction without control flow and memory access.
#[rustfmt::skip]
pub fn plain(asm: &mut Assembler, instruction: &Instruction) {
    use Width::{W32, W64};
    let Instruction { op, x, .. } = *instruction;
    let (a, b, d) = (host(instruction.a), host(instruction.b), host(instruction.d));
    let imm = x as i32;
    match op {
        Op::Unlikely => {}
        Op::LoadImm | Op::LoadImm64 => asm.load_constant(a, x),
        Op::MoveReg => asm.move_reg(d, a),

        Op::CountSetBits64 => bits::count_set(asm, W64, d, a),
        Op::CountSetBits32 => bits::count_set(asm, W32, d, a),
        Op::LeadingZeroBits64 => bits::leading_zeros(asm, W64, d, a),
        Op::LeadingZeroBits32 => bits::leading_zeros(asm, W32, d, a),
        Op::TrailingZeroBits64 => bits::trailing_zeros(asm, W64, d, a),
        Op::TrailingZeroBits32 => bits::trailing_zeros(asm, W32, d, a),
        Op::SignExtend8 => bits::sign_extend_8(asm, d, a),
        Op::SignExtend16 => bits::sign_extend_16(asm, d, a),
        Op::ZeroExtend16 => bits::zero_extend_16(asm, d, a),
        Op::ReverseBytes => bits::reverse_bytes(asm, d, a),

        Op::AddImm32 => alu::add_imm(asm, W32, a, b, imm),
        Op::AddImm64 => alu::add_imm(asm, W64, a, b, imm),
        Op::NegAddImm32 => alu::neg_add_imm(asm, W32, a, b, imm),
        Op::NegAddImm64 => alu::neg_add_imm(asm, W64, a, b, imm),
        Op::AndImm => alu::and_imm(asm, a, b, imm),
        Op::XorImm => alu::xor_imm(asm, a, b, imm),
        Op::OrImm => alu::or_imm(asm, a, b, imm),
        Op::MulImm32 => mul_div::mul_imm(asm, W32, a, b, imm),
        Op::MulImm64 => mul_div::mul_imm(asm, W64, a, b, imm),

        Op::SetLtUImm => compare::set_imm(asm, Condition::Below, a, b, imm),
        Op::SetLtSImm => compare::set_imm(asm, Condition::Less, a, b, imm),
        Op::SetGtUImm => compare::set_imm(asm, Condition::Above, a, b, imm),
        Op::SetGtSImm => compare::set_imm(asm, Condition::Greater, a, b, imm),
        Op::CmovIzImm => compare::move_imm_if(asm, true, a, b, imm),
        Op::CmovNzImm => compare::move_imm_if(asm, false, a, b, imm),

        Op::ShloLImm32 => shift::by_imm(asm, Shift::Shl, W32, a, b, imm),
        Op::ShloRImm32 => shift::by_imm(asm, Shift::Shr, W32, a, b, imm),
        Op::SharRImm32 => shift::by_imm(asm, Shift::Sar, W32, a, b, imm),
        Op::ShloLImm64 => shift::by_imm(asm, Shift::Shl, W64, a, b, imm),
        Op::ShloRImm64 => shift::by_imm(asm, Shift::Shr, W64, a, b, imm),
        Op::SharRImm64 => shift::by_imm(asm, Shift::Sar, W64, a, b, imm),
        Op::RotR64Imm => shift::by_imm(asm, Shift::Ror, W64, a, b, imm),
        Op::RotR32Imm => shift::by_imm(asm, Shift::Ror, W32, a, b, imm),
        Op::ShloLImmAlt32 => shift::of_imm(asm, Shift::Shl, W32, a, b, imm),
        Op::ShloRImmAlt32 => shift::of_imm(asm, Shift::Shr, W32, a, b, imm),
        Op::SharRImmAlt32 => shift::of_imm(asm, Shift::Sar, W32, a, b, imm),
        Op::ShloLImmAlt64 => shift::of_imm(asm, Shift::Shl, W64, a, b, imm),
        Op::ShloRImmAlt64 => shift::of_imm(asm, Shift::Shr, W64, a, b, imm),
        Op::SharRImmAlt64 => shift::of_imm(asm, Shift::Sar, W64, a, b, imm),
        Op::RotR64ImmAlt => shift::of_imm(asm, Shift::Ror, W64, a, b, imm),
        Op::RotR32ImmAlt => shift::of_imm(asm, Shift::Ror, W32, a, b, imm),

        Op::Add32 => alu::add(asm, W32, d, a, b),
        Op::Add64 => alu::add(asm, W64, d, a, b),
        Op::Sub32 => alu::sub(asm, W32, d, a, b),
        Op::Sub64 => alu::sub(asm, W64, d, a, b),
        Op::And => alu::binary(asm, Binary::And, d, a, b),
        Op::Xor => alu::binary(asm, Binary::Xor, d, a, b),
        Op::Or => alu::binary(asm, Binary::Or, d, a, b),
        Op::AndInv => alu::and_inv(asm, d, a, b),
        Op::OrInv => alu::or_inv(asm, d, a, b),
        Op::Xnor => alu::xnor(asm, d, a, b),
        Op::Max => alu::select(asm, Condition::Greater, d, a, b),
        Op::MaxU => alu::select(asm, Condition::Above, d, a, b),
        Op::Min => alu::select(asm, Condition::Less, d, a, b),
        Op::MinU => alu::select(asm, Condition::Below, d, a, b),
        Op::SetLtU => compare::set(asm, Condition::Below, d, a, b),
        Op::SetLtS => compare::set(asm, Condition::Less, d, a, b),
        Op::CmovIz => compare::move_if(asm, true, d, a, b),
        Op::CmovNz => compare::move_if(asm, false, d, a, b),

        Op::ShloL32 => shift::by_reg(asm, Shift::Shl, W32, d, a, b),
        Op::ShloR32 => shift::by_reg(asm, Shift::Shr, W32, d, a, b),
        Op::SharR32 => shift::by_reg(asm, Shift::Sar, W32, d, a, b),
        Op::ShloL64 => shift::by_reg(asm, Shift::Shl, W64, d, a, b),
        Op::ShloR64 => shift::by_reg(asm, Shift::Shr, W64, d, a, b),
        Op::SharR64 => shift::by_reg(asm, Shift::Sar, W64, d, a, b),
        Op::RotL64 => shift::by_reg(asm, Shift::Rol, W64, d, a, b),
        Op::RotL32 => shift::by_reg(asm, Shift::Rol, W32, d, a, b),
        Op::RotR64 => shift::by_reg(asm, Shift::Ror, W64, d, a, b),
        Op::RotR32 => shift::by_reg(asm, Shift::Ror, W32, d, a, b),

        Op::Mul32 => mul_div::mul(asm, W32, d, a, b),
        Op::Mul64 => mul_div::mul(asm, W64, d, a, b),
        Op::MulUpperSS => mul_div::mul_upper(asm, HighHalf::SignedSigned, d, a, b),
        Op::MulUpperUU => mul_div::mul_upper(asm, HighHalf::UnsignedUnsigned, d, a, b),
        Op::MulUpperSU => mul_div::mul_upper(asm, HighHalf::SignedUnsigned, d, a, b),
        Op::DivU32 => mul_div::divide(asm, Division::QuotientUnsigned, W32, d, a, b),
        Op::DivS32 => mul_div::divide(asm, Division::QuotientSigned, W32, d, a, b),
        Op::RemU32 => mul_div::divide(asm, Division::RemainderUnsigned, W32, d, a, b),
        Op::RemS32 => mul_div::divide(asm, Division::RemainderSigned, W32, d, a, b),
        Op::DivU64 => mul_div::divide(asm, Division::QuotientUnsigned, W64, d, a, b),
        Op::DivS64 => mul_div::divide(asm, Division::QuotientSigned, W64, d, a, b),
        Op::RemU64 => mul_div::divide(asm, Division::RemainderUnsigned, W64, d, a, b),
        Op::RemS64 => mul_div::divide(asm, Division::RemainderSigned, W64, d, a, b),

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
        | Op::LoadIndU8 | Op::LoadIndI8 | Op::LoadIndU16 | Op::LoadIndI16 | Op::LoadIndU32 | Op::LoadIndI32 | Op::LoadIndU64 =>
            unreachable!("{} is not straight-line code", op.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::READY;
    use tvm_abi::CpuFeatures;
    use tvm_isa::{Pc, Reg};

    /// Nothing is asked for while an instruction's code is written: see [`Assembler::make_ready`].
    #[test]
    fn no_code_of_one_instruction_is_longer_than_what_is_made_ready() {
        let registers = || (0..Reg::COUNT as u8).map(Reg::clamped);
        let mut longest = 0;
        for cpu in [CpuFeatures::BASELINE, CpuFeatures::V3] {
            for operation in &OPERATIONS {
                for (a, b) in registers().flat_map(|a| registers().map(move |b| (a, b))) {
                    let mut asm = Assembler::new(cpu, 0, 0);
                    for d in registers() {
                        let (x, y) = (0x8765_4321_8765_4321, 0x7654_3210);
                        let instruction = Instruction { op: operation.op, pc: Pc(0), length: 1, a, b, d, x, y };
                        asm.make_ready();
                        let before = asm.here().0;
                        match lowering(operation.op) {
                            Lowering::Plain => plain(&mut asm, &instruction),
                            Lowering::Memory(access) => {
                                memory_access(&mut asm, access, &instruction);
                            }
                            Lowering::Control => {}
                        }
                        longest = longest.max(asm.here().0 - before);
                    }
                }
            }
        }
        assert!(longest as usize <= READY, "{longest} bytes");
    }
}
