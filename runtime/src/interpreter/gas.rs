//! What instructions cost, and when it is paid (GP 0.7.2 A.1; GP 0.8.0 A.1 and A.9).

use std::collections::HashMap;

use tvm_isa::{Gas, GasModel, Pc, Program, Rules};

use crate::exit::{GuestExit, GuestState};

/// What every instruction costs under [`GasModel::PerInstruction`].
pub(crate) const INSTRUCTION_COST: Gas = Gas(1);

/// Blocks whose cost is remembered at a time; when they are more, all are forgotten.
const MAX_REMEMBERED_BLOCKS: usize = 1 << 16;

/// Costs of a program's blocks that were simulated already. Each belongs to one program under one set of rules.
#[derive(Clone, Default, Debug)]
pub struct BlockCosts {
    /// Made when the first block is simulated: most guests have none, and a map asks the system for random numbers.
    by_start: Option<HashMap<Pc, Gas>>,
}

impl BlockCosts {
    /// The cost of the block that starts at `start`.
    fn cost(&mut self, program: &Program<'_>, rules: &Rules, start: Pc) -> Gas {
        let by_start = self.by_start.get_or_insert_default();
        if let Some(&known) = by_start.get(&start) {
            return known;
        }
        let cost = tvm_isa::gas::block_cost(program, rules, start);
        if by_start.len() >= MAX_REMEMBERED_BLOCKS {
            by_start.clear();
        }
        by_start.insert(start, cost);
        cost
    }
}

/// Pays for the instruction at the program counter before it is attempted. When the gas does not suffice, nothing is
/// paid and nothing changes.
#[inline]
pub(super) fn charge(
    program: &Program<'_>,
    rules: &Rules,
    costs: &mut BlockCosts,
    state: &mut GuestState,
) -> Result<(), GuestExit> {
    let cost = match rules.gas {
        GasModel::PerInstruction => INSTRUCTION_COST,
        GasModel::PipelineBlocks if state.charged => return Ok(()),
        GasModel::PipelineBlocks => {
            // Every valid program has a block start at 0 (GP 0.8.0, A.1). What is at `pc` counts in one without.
            let start = program.block_start_of(rules, state.pc).unwrap_or(state.pc);
            costs.cost(program, rules, start)
        }
    };
    let left = state.gas.0.checked_sub(cost.0).ok_or(GuestExit::OutOfGas)?;
    state.gas = Gas(left);
    state.charged = rules.gas == GasModel::PipelineBlocks;
    Ok(())
}

#[cfg(test)]
mod tests;
