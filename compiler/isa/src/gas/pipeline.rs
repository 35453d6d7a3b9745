//! The cost of blocks under [`GasModel::PipelineBlocks`](crate::GasModel::PipelineBlocks), by the cheapest way that is
//! exact for each.

use super::branch_latency;
use super::in_order::{GiveUp, InOrder, LIMIT};
use super::rows::{Demand, Work};
use super::simulation::Simulation;
use crate::instruction::Instruction;
use crate::opcode::{Op, OpcodeNumbers};
use crate::units::Reg;

/// The gas of the block with these instructions, which are asked for twice if the first way does not succeed.
pub(super) fn block_cost<I: Iterator<Item = Instruction>>(
    code: &[u8],
    opcodes: &OpcodeNumbers,
    instructions: impl Fn() -> I,
) -> u64 {
    let latency = |instruction: &Instruction| branch_latency(code, opcodes, instruction);
    let mut in_order = InOrder::new();
    if instructions().try_for_each(|one| in_order.place(&Demand::new(Work::of(&one), || latency(&one)))).is_ok() {
        return gas(in_order.finish());
    }
    let mut simulation = Simulation::new();
    instructions().for_each(|one| simulation.decode(&Demand::new(Work::of(&one), || latency(&one))));
    gas(simulation.finish())
}

/// What a block costs that takes so many cycles (GP: ϱ^Δ).
#[inline]
fn gas(cycles: u64) -> u64 {
    cycles.saturating_sub(3).max(1)
}

/// The state between two instructions of a block.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    in_order: InOrder,
    /// The instructions that are placed in order and their latencies, for the simulation in case it must decide.
    placed: [(Work, u8); LIMIT],
    simulation: Simulation,
    /// Whether this block needs the simulation.
    simulated: bool,
}

impl Pipeline {
    pub fn new() -> Self {
        let zero = Reg::default();
        let filler = Work { op: Op::Trap, a: zero, b: zero, d: zero };
        let placed = [(filler, 0); LIMIT];
        Self { in_order: InOrder::new(), placed, simulation: Simulation::new(), simulated: false }
    }

    /// Takes the block's next instruction.
    #[inline]
    pub fn feed(&mut self, demand: &Demand) {
        if self.simulated {
            return self.simulation.decode(demand);
        }
        let count = self.in_order.count();
        match self.in_order.place(demand) {
            Ok(()) => self.placed[count] = (demand.work, demand.latency),
            Err(GiveUp) => self.simulate(count, demand),
        }
    }

    /// The gas of the block that was fed; the next instruction starts another one.
    #[inline]
    pub fn finish(&mut self) -> u64 {
        let cycles = self.in_order.finish();
        let simulated = core::mem::take(&mut self.simulated);
        gas(if simulated { self.simulation.finish() } else { cycles })
    }

    /// Simulates the block up to `last`, the instruction that could not be placed in order as `count` were.
    #[cold]
    fn simulate(&mut self, count: usize, last: &Demand) {
        self.simulated = true;
        for &(work, latency) in &self.placed[..count] {
            self.simulation.decode(&Demand::new(work, || latency));
        }
        self.simulation.decode(last);
    }
}
