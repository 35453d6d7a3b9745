//! Machine code for single instructions, one file per family of operations; `plain` has the table, `planned` what the optimiser makes of
//! instructions.
//!
//! Every function keeps the same promises: all guest registers but the destination keep their values; the destination
//! is written last, or not before the last machine instruction that can fault; only the scratch register and XMM
//! registers are used besides; the flags mean nothing between guest instructions.

mod alu;
mod bits;
mod compare;
mod memory;
mod mul_div;
mod operands;
mod plain;
mod planned;
mod shift;

use tvm_isa::{Encoded, Instruction, OPERATIONS, Op, Reg};

use crate::asm::Assembler;

pub use compare::{Operand, branch_condition, branch_operands, compare, compare_low};
pub use memory::Access;
pub use plain::{Emits, Emitter, plain, plain_emitter};
pub use planned::{
    answer, ask, carry, carrying, extension, late, memory_access_at, product, sum, with_held, with_operand,
};

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
            None if op.calls_host() => (Lowering::Control, Ends::Region),
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

/// Whether the code of an operation may go through registers that x86 fixes: `rax` and `rcx`.
pub fn has_fixed_registers(op: Op) -> bool {
    let shifts_by_register = matches!(
        op,
        Op::RotL64
            | Op::RotL32
            | Op::RotR64
            | Op::RotR32
            | Op::RotR64ImmAlt
            | Op::RotR32ImmAlt
            | Op::ShloL64
            | Op::ShloR64
            | Op::SharR64
            | Op::ShloL32
            | Op::ShloR32
            | Op::SharR32
            | Op::ShloLImmAlt64
            | Op::ShloRImmAlt64
            | Op::SharRImmAlt64
            | Op::ShloLImmAlt32
            | Op::ShloRImmAlt32
            | Op::SharRImmAlt32
    );
    shifts_by_register || has_two_halves(op)
}

/// Whether the code of an operation may be several times as long as that of most.
pub fn is_long(op: Op) -> bool {
    matches!(op, Op::CountSetBits64 | Op::CountSetBits32) || has_two_halves(op)
}

/// Whether x86 does the operation in `rdx` and `rax`: upper halves of products, and divisions.
fn has_two_halves(op: Op) -> bool {
    matches!(
        op,
        Op::MulUpperSS
            | Op::MulUpperUU
            | Op::MulUpperSU
            | Op::DivU32
            | Op::DivS32
            | Op::RemU32
            | Op::RemS32
            | Op::DivU64
            | Op::DivS64
            | Op::RemU64
            | Op::RemS64
    )
}

/// Whether the code of an operation leaves the scratch register alone; of some that do it is not said.
pub fn keeps_scratch(op: Op) -> bool {
    let simple = matches!(
        op,
        Op::LoadImm
            | Op::MoveReg
            | Op::AddImm32
            | Op::AddImm64
            | Op::AndImm
            | Op::ShloLImm64
            | Op::ShloRImm64
            | Op::Add32
            | Op::Add64
            | Op::Sub32
            | Op::Sub64
            | Op::And
            | Op::Xor
            | Op::Or
            | Op::MulImm64
            | Op::Mul64
            | Op::OrImm
            | Op::XorImm
            | Op::AndInv
            | Op::ShloLImm32
            | Op::ShloRImm32
            | Op::SharRImm32
            | Op::SharRImm64
            | Op::RotR32Imm
            | Op::RotR64Imm
            | Op::MulImm32
            | Op::Mul32
            | Op::SignExtend8
            | Op::SignExtend16
            | Op::ZeroExtend16
            | Op::ReverseBytes
    );
    simple || matches!(lowering(op), Lowering::Memory(_))
}

/// What ends with an operation.
#[inline]
pub const fn ends(op: Op) -> Ends {
    LOWERINGS[op as usize].1
}

/// Emits a guest memory access. Gives the offset of the one machine instruction that may fault.
#[inline]
pub fn memory_access(asm: &mut Assembler, access: &Access, instruction: &Instruction) -> tvm_abi::TextOffset {
    memory::lower(asm, access, instruction)
}

/// The same for an operation that is known beforehand, of the commonest form ([`Access::is_common`]) and not taken apart.
#[inline(always)]
pub fn common_access<const ROW: usize>(asm: &mut Assembler, encoded: Encoded<'_>) -> tvm_abi::TextOffset {
    let access = const {
        match memory::access(OPERATIONS[ROW].op) {
            Some(access) if access.is_common() => access,
            _ => panic!("another operation"),
        }
    };
    memory::lower_encoded(asm, &access, encoded)
}

/// The same for one of another form that is taken apart.
#[inline(always)]
pub fn known_access<const ROW: usize>(asm: &mut Assembler, instruction: &Instruction) -> tvm_abi::TextOffset {
    memory::lower(asm, &const { memory::access(OPERATIONS[ROW].op).expect("an access") }, instruction)
}

/// The register whose sum with the first immediate an instruction accesses memory at.
pub fn address_register(instruction: &Instruction) -> Option<Reg> {
    memory::access(instruction.op)?.base(instruction)
}

/// The register that a store stores.
pub fn data_register(instruction: &Instruction) -> Option<Reg> {
    memory::access(instruction.op)?.data(instruction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::{Jumps, READY};
    use tvm_abi::CpuFeatures;
    use tvm_isa::Pc;

    /// Nothing is asked while an instruction's code is written: see [`Assembler::is_ready`].
    #[test]
    fn no_code_of_one_instruction_is_longer_than_what_there_is_room_for() {
        let registers = || (0..Reg::COUNT as u8).map(Reg::clamped);
        let mut longest = 0;
        for cpu in [CpuFeatures::BASELINE, CpuFeatures::V3] {
            for operation in &OPERATIONS {
                for (a, b) in registers().flat_map(|a| registers().map(move |b| (a, b))) {
                    for d in registers() {
                        let mut bytes = [0; 2 * READY];
                        let mut asm = Assembler::new(cpu, &mut bytes, Jumps::default());
                        let (x, y) = (0x8765_4321_8765_4321, 0x7654_3210);
                        let instruction = Instruction { op: operation.op, pc: Pc(0), length: 1, a, b, d, x, y };
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
