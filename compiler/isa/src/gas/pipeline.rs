//! The cost of blocks under [`GasModel::PipelineBlocks`](crate::GasModel::PipelineBlocks), by the cheapest way that is
//! exact for each.

use super::in_order::{GiveUp, InOrder};
use super::rows::Demand;
use super::simulation::Simulation;

/// The state between two instructions of a block.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    in_order: InOrder,
    simulation: Simulation,
    /// Whether this block needs the simulation.
    simulated: bool,
}

impl Pipeline {
    pub fn new() -> Self {
        Self { in_order: InOrder::new(), simulation: Simulation::new(), simulated: false }
    }

    /// Takes the block's next instruction.
    #[inline]
    pub fn feed(&mut self, demand: &Demand) {
        if self.simulated {
            self.simulation.decode(demand);
        } else if let Err(GiveUp) = self.in_order.place(demand) {
            self.simulate(demand);
        }
    }

    /// The gas of the block that was fed; the next instruction starts another one.
    #[inline]
    pub fn finish(&mut self) -> u64 {
        let cycles = self.in_order.finish();
        let cycles = if core::mem::take(&mut self.simulated) { self.simulation.finish() } else { cycles };
        cycles.saturating_sub(3).max(1)
    }

    /// Simulates the block up to `last`, the instruction that could not be placed in order.
    #[cold]
    fn simulate(&mut self, last: &Demand) {
        self.simulated = true;
        for demand in self.in_order.placed() {
            self.simulation.decode(demand);
        }
        self.simulation.decode(last);
    }
}
