//! What somebody may look at behind each block.
//!
//! Going backwards from where registers can be seen: at host calls, where the guest halts, and at the instructions that read
//! them. A panic shows none. Loops are gone through until nothing changes.

use super::flow::{Block, End, Flow};
use super::registers::Live;

/// Most rounds over all blocks. A round settles all loops of one more depth of nesting, so that real programs take four
/// or five. Where this is not enough everything counts as looked at, which is always right.
pub const MAX_ROUNDS: usize = 24;

/// What somebody may look at behind each block of a program.
pub struct Liveness {
    /// For each block, what may be looked at behind it.
    behind: Vec<Live>,
}

impl Liveness {
    /// Finds it out. `exact` says that all registers can be seen wherever compiled code can be left.
    pub fn new(flow: &Flow, exact: bool) -> Self {
        let settled = if exact { None } else { settle(flow) };
        Self { behind: settled.unwrap_or_else(|| vec![Live::ALL; flow.blocks.len()]) }
    }

    /// What may be looked at behind block number `block`.
    pub fn behind(&self, block: u32) -> Live {
        self.behind[block as usize]
    }
}

/// `None` when it takes too many rounds.
fn settle(Flow { blocks, .. }: &Flow) -> Option<Vec<Live>> {
    let mut at_start = vec![Live::NONE; blocks.len()];
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        for number in (0..blocks.len()).rev() {
            let block = &blocks[number];
            let now = block.looks_at.with(behind(block, &at_start).without(block.writes));
            changed |= now != at_start[number];
            at_start[number] = now;
        }
        if !changed {
            return Some(blocks.iter().map(|block| behind(block, &at_start)).collect());
        }
    }
    None
}

fn behind(block: &Block, at_start: &[Live]) -> Live {
    if block.end == End::Dynamic {
        // Guests halt with one.
        return Live::ALL;
    }
    block.next.iter().flatten().fold(Live::NONE, |live, &next| live.with(at_start[next as usize]))
}
