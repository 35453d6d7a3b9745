//! What a basic block costs.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`cost_table`] | GP 0.8.0, A.10: latency, decode slots, units and registers of each operation |
//! | [`mod@reference`] | GP 0.8.0, A.9, equation by equation; slow, made to be compared with the text |
//! | `pipeline` | the same costs, fast: what compiler and interpreter use |
//! | `in_order` | … for blocks in which nobody gives way to a later instruction: no simulation at all |
//! | `simulation` | … for the others: the simulation by events instead of cycles |
//! | `rows` | … the cost table in the form that both want |
//!
//! Which model counts is [`Rules::gas`]. A [`GasModel`]'s discriminant is its identity in cache keys and objects: costs
//! that change later are a new model with files of its own, not an edit of these.

pub mod cost_table;
mod in_order;
mod pipeline;
pub mod reference;
mod rows;
mod simulation;

use crate::instruction::Instruction;
use crate::opcode::{Op, OpcodeNumbers};
use crate::program::Program;
use crate::units::{Gas, Pc};
use crate::version::{GasModel, Rules};
use pipeline::Pipeline;
use rows::{Demand, Work};

/// The gas charged for the whole block that starts at `start`, under the gas model of `rules`: for
/// [`GasModel::PipelineBlocks`] GP 0.8.0's ϱ^Δ(c, k, ı), for [`GasModel::PerInstruction`] the number of instructions.
///
/// The block goes up to its first terminator. Any `start` has a cost; positions that start no instruction are traps, as
/// in [`Instruction::decode`]. Takes time linear in the block's instructions.
#[must_use]
pub fn block_cost(program: &Program<'_>, rules: &Rules, start: Pc) -> Gas {
    let instructions = || program.block(rules, start);
    match rules.gas {
        GasModel::PerInstruction => Gas(instructions().count() as u64),
        GasModel::PipelineBlocks => Gas(pipeline::block_cost(program.code(), rules.opcodes, instructions)),
    }
}

/// The cost of one block after the other, from a stream of their instructions.
///
/// ```
/// # use tvm_isa::{GpVersion, Instruction, Pc, Program, gas::BlockCost};
/// let program = Program::parse(&[0, 0, 2, 1, 0, 0b11])?; // fallthrough, trap
/// let rules = GpVersion::V0_8_0.rules();
/// let mut cost = BlockCost::new(&program, rules);
/// cost.feed(&Instruction::decode(&program, rules, Pc(0)));
/// assert_eq!(cost.finish().0, 2);
/// # Ok::<(), tvm_isa::ProgramError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BlockCost<'a> {
    code: &'a [u8],
    opcodes: &'static OpcodeNumbers,
    model: Model,
}

/// The state of the gas model in use.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives for a whole compilation, and an allocation per block would cost"
)]
#[derive(Clone, Debug)]
enum Model {
    PerInstruction { count: u64 },
    PipelineBlocks(Pipeline),
}

impl<'a> BlockCost<'a> {
    /// Ready for the first instruction of a block of `program`.
    #[must_use]
    pub fn new(program: &Program<'a>, rules: &Rules) -> Self {
        let model = match rules.gas {
            GasModel::PerInstruction => Model::PerInstruction { count: 0 },
            GasModel::PipelineBlocks => Model::PipelineBlocks(Pipeline::new()),
        };
        Self { code: program.code(), opcodes: rules.opcodes, model }
    }

    /// Takes the block's next instruction. A block's last instruction is its terminator; feed nothing after it.
    #[inline]
    pub fn feed(&mut self, instruction: &Instruction) {
        match &mut self.model {
            Model::PerInstruction { count } => *count += 1,
            Model::PipelineBlocks(pipeline) => {
                let latency = || branch_latency(self.code, self.opcodes, instruction);
                pipeline.feed(&Demand::new(Work::of(instruction), latency));
            }
        }
    }

    /// Takes the block's next instruction, which is at `pc` and `length` bytes long.
    #[inline]
    pub fn feed_at(&mut self, program: &Program<'_>, op: Op, pc: Pc, length: u8) {
        let Model::PipelineBlocks(pipeline) = &mut self.model else {
            return self.feed(&Instruction::decode_operands(program, op, pc, length));
        };
        let (work, latency) = match program.encoded(pc, length) {
            Some(encoded) if !rows::is_branch(op) => (encoded.work(op), 0),
            // A branch's target is asked for besides the registers.
            _ => {
                let instruction = Instruction::decode_operands(program, op, pc, length);
                (Work::of(&instruction), branch_latency(self.code, self.opcodes, &instruction))
            }
        };
        pipeline.feed(&Demand::new(work, || latency));
    }

    /// The cost of the block whose instructions were fed. The next instruction fed starts another block.
    #[inline]
    pub fn finish(&mut self) -> Gas {
        match &mut self.model {
            Model::PerInstruction { count } => Gas(core::mem::take(count)),
            Model::PipelineBlocks(pipeline) => Gas(pipeline.finish()),
        }
    }
}

/// Cycles that a conditional branch takes (GP 0.8.0, A.10: 𝔟): 1 when the byte after it or the byte at its target is the
/// opcode of `trap` or `unlikely`, otherwise 20.
///
/// Bytes outside the code are 0, which is `trap`; the bitmask is not asked. The text says nothing of targets before the
/// code, which panic when the branch runs: they count as outside too.
#[must_use]
pub fn branch_latency(code: &[u8], opcodes: &OpcodeNumbers, branch: &Instruction) -> u8 {
    let unlikely_at = |position: u64| {
        let byte = usize::try_from(position).ok().and_then(|at| code.get(at)).copied().unwrap_or(0);
        matches!(opcodes[usize::from(byte)], Some(Op::Trap | Op::Unlikely))
    };
    let target = branch.target().unwrap_or(u64::MAX);
    if unlikely_at(u64::from(branch.next_pc().0)) || unlikely_at(target) { 1 } else { 20 }
}
