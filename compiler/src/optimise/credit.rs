//! What is paid in advance.
//!
//! A block that is charged for may pay for what certainly executes behind it as well: its *credit*. Whoever goes from one block to another
//! then owes the difference, which for the way that costs least is nothing, so that most blocks need no charge of their own.
//!
//! ```text
//!   at start(B) = charge(B) + behind(B)          what must have been charged where B's code starts
//!   behind(B)   = min of at start(S)             over the blocks S that B is likely to lead to
//!   owed(B → S) = at start(S) − behind(B)        charged, or given back, on the way
//! ```
//!
//! *Assumes* nothing about which way is taken: any credit is right, as what is owed makes up for it, and every site gives back what lies
//! behind it. *Keeps* the gas at every exit. Dynamic jumps, host calls and traps end a credit, and so does a loop that nothing else
//! ends: where it starts everything is owed, once in each turn.
//!
//! The least is found by going over the blocks backwards until nothing changes.

use super::copies::Copied;
use super::flow::{Block, End, Flow};

/// Most gas that is paid for more than a block: what the interpreter walks at most when less is left.
pub const MAX_CREDIT: u32 = 1024;

/// Most rounds over all blocks for each of the two passes. A round settles all but jumps and calls back. Credits that are
/// not the least are as right.
const MAX_ROUNDS: usize = 8;

/// What is not known yet, or has no end.
const ENDLESS: u32 = u32::MAX;

/// What is paid for each block and behind it.
pub struct Credits {
    at_start: Vec<u32>,
    behind: Vec<u32>,
}

impl Credits {
    /// Settles all credits.
    pub fn new(flow: &Flow) -> Self {
        let mut prospects = Prospects::new(flow);
        let mut credits = prospects.settle();
        for (block, ends) in prospects.ends_credit.iter_mut().enumerate() {
            *ends |= prospects.is_header[block] && credits.at_start[block] == ENDLESS;
        }
        credits = prospects.settle();
        for (block, at_start) in credits.at_start.iter_mut().enumerate() {
            if *at_start == ENDLESS {
                (*at_start, credits.behind[block]) = (prospects.charge(block), 0);
            }
        }
        credits
    }

    /// What must have been charged where a block's code starts.
    pub fn at_start(&self, block: u32) -> u32 {
        self.at_start[block as usize]
    }

    /// How much of it is left where the block ends.
    pub fn behind(&self, block: u32) -> u32 {
        self.behind[block as usize]
    }

    /// What is owed on the way to a block by one who has this much credit; less than nothing is given back.
    pub fn owed(&self, credit: u32, to: u32) -> i32 {
        self.at_start(to) as i32 - credit as i32
    }
}

/// The blocks and where they probably lead.
struct Prospects<'a> {
    flow: &'a Flow,
    /// Blocks that a later one, or themselves, jump or branch to.
    is_header: Vec<bool>,
    /// The loop around each block: its first and its last block.
    around: Vec<(u32, u32)>,
    /// Blocks that lead to traps only.
    is_cold: Vec<bool>,
    /// Blocks to which everything is owed: where loops start that nothing else ends, or that are there several times.
    ends_credit: Vec<bool>,
}

impl<'a> Prospects<'a> {
    fn new(flow: &'a Flow) -> Self {
        let count = flow.blocks.len();
        let mut last = vec![None; count];
        for (number, block) in (0..).zip(&flow.blocks).filter(|(_, block)| block.end == End::Plain) {
            for &header in block.next.iter().flatten().filter(|&&next| next <= number) {
                last[header as usize] = Some(number);
            }
        }
        Self {
            flow,
            is_header: last.iter().map(Option::is_some).collect(),
            around: loops_around(&last),
            is_cold: cold(&flow.blocks),
            ends_credit: flow.copied.iter().map(Option::is_some).collect(),
        }
    }

    /// What a block costs.
    fn charge(&self, block: usize) -> u32 {
        self.flow.blocks[block].charge
    }

    /// What is paid at the start of a block in a loop that is there several times, and behind it: all of the loop's copies, once the
    /// first of which has come to the block. Behind them there is no credit.
    fn paid_in_copies(&self, block: u32, copied: Copied) -> (u32, u32) {
        let (first, last) = (copied.first(block), copied.last(block));
        let sum = |from: u32| (from..=last).map(|block| self.charge(block as usize)).fold(0, u32::saturating_add);
        let at_start = sum(first).saturating_mul(copied.copies() - 1).saturating_add(sum(block));
        (at_start, if block == last { 0 } else { at_start - self.charge(block as usize) })
    }

    fn settle(&self) -> Credits {
        let count = self.flow.blocks.len();
        let mut credits = Credits { at_start: vec![ENDLESS; count], behind: vec![0; count] };
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            for block in (0..count).rev() {
                let (at_start, behind) = match self.flow.copied[block] {
                    Some(copied) => self.paid_in_copies(block as u32, copied),
                    None => match self.credit_behind(block, &credits.at_start) {
                        ENDLESS => (ENDLESS, ENDLESS),
                        credit => (self.charge(block).saturating_add(credit), credit),
                    },
                };
                changed |= credits.at_start[block] != at_start;
                credits.at_start[block] = at_start;
                credits.behind[block] = behind;
            }
            if !changed {
                break;
            }
        }
        credits
    }

    fn credit_behind(&self, number: usize, at_start: &[u32]) -> u32 {
        let block = &self.flow.blocks[number];
        if !block.is_plain {
            return 0;
        }
        let (first, last) = self.around[number];
        let stays = |next: u32| (first..=last).contains(&next);
        let is_warm = |next: u32| !self.is_cold[next as usize];
        let likely: [&dyn Fn(u32) -> bool; 3] = [&|next| is_warm(next) && stays(next), &is_warm, &|_| true];
        let ways = || block.next.iter().flatten().copied();
        let likely = likely.into_iter().find(|is_likely| ways().any(is_likely));
        let least = likely.and_then(|is_likely| {
            let paid = |next: u32| if self.ends_credit[next as usize] { 0 } else { at_start[next as usize] };
            ways().filter(|&next| is_likely(next)).map(paid).min()
        });
        match least.unwrap_or(0) {
            ENDLESS => ENDLESS,
            credit if credit > MAX_CREDIT => 0,
            credit => credit,
        }
    }
}

/// The innermost loop around each block, from where the last jump back to each header is. Blocks in no loop are in one of all
/// blocks. Loops that are not one within the other are taken as they come.
fn loops_around(last: &[Option<u32>]) -> Vec<(u32, u32)> {
    let mut open = vec![(0, u32::MAX)];
    let mut around = Vec::with_capacity(last.len());
    for (number, last) in (0..).zip(last) {
        while open.len() > 1 && open.last().is_some_and(|&(_, end)| end < number) {
            open.pop();
        }
        if let Some(end) = *last {
            open.push((number, end));
        }
        around.extend(open.last());
    }
    around
}

/// Which blocks probably do not execute: those from which all ways on lead to a trap. That a block says `unlikely` means little: it
/// makes the branch before it cheaper, and compilers put it where they guess.
fn cold(blocks: &[Block]) -> Vec<bool> {
    let mut cold = vec![false; blocks.len()];
    for (number, block) in blocks.iter().enumerate().rev() {
        cold[number] = match block.end {
            End::Trap => block.is_plain,
            End::Dynamic => false,
            End::Call | End::Plain => block.next.iter().flatten().all(|&next| cold[next as usize]),
        };
    }
    cold
}

#[cfg(test)]
mod tests {
    use super::super::copies;
    use super::*;

    /// Blocks that each cost this much and lead to these.
    fn flow(blocks: &[(u32, [Option<u32>; 2])]) -> Flow {
        let block = |(number, &(charge, next)): (u32, &(u32, [Option<u32>; 2]))| Block {
            charge,
            next,
            falls: next.contains(&Some(number + 1)),
            end: if next == [None, None] { End::Dynamic } else { End::Plain },
            is_plain: true,
            len: 8,
            instructions: 2,
            ..Block::default()
        };
        let blocks: Vec<Block> = (0..).zip(blocks).map(block).collect();
        Flow { loops: vec![None; blocks.len()], copied: copies::of_blocks(&blocks), blocks, ..Flow::default() }
    }

    /// What is owed on each way, and that credits add up.
    fn owed(flow: &Flow) -> Vec<Vec<i32>> {
        let credits = Credits::new(flow);
        let of_block = |(number, block): (u32, &Block)| {
            if flow.copied[number as usize].is_none_or(|copied| number != copied.last(number)) {
                assert_eq!(credits.at_start(number), block.charge + credits.behind(number), "block {number}");
            }
            block.next.iter().flatten().map(|&next| credits.owed(credits.behind(number), next)).collect()
        };
        (0..).zip(&flow.blocks).map(of_block).collect()
    }

    #[test]
    fn what_certainly_executes_is_paid_in_advance() {
        // 0: if … { 1 } 2
        let flow = flow(&[(5, [Some(2), Some(1)]), (7, [Some(2), None]), (3, [None, None])]);
        assert_eq!(Credits::new(&flow).at_start(0), 5 + 3);
        assert_eq!(owed(&flow), [vec![0, 7], vec![0], vec![]]);
    }

    #[test]
    fn of_two_ways_the_cheaper_is_paid() {
        // 0: if … { 1 } else { 2 } 3
        let next = [[Some(2), Some(1)], [Some(3), None], [Some(3), None], [None, None]];
        let flow = flow(&[(5, next[0]), (7, next[1]), (9, next[2]), (1, next[3])]);
        assert_eq!(owed(&flow), [vec![2, 0], vec![0], vec![0], vec![]]);
    }

    #[test]
    fn ways_to_traps_are_paid_back() {
        let mut flow = flow(&[(5, [Some(2), Some(1)]), (7, [None, None]), (1, [None, None])]);
        flow.blocks[2].end = End::Trap;
        assert_eq!(owed(&flow), [vec![1 - 7, 0], vec![], vec![]]);
    }

    #[test]
    fn a_turn_of_a_loop_is_paid_once() {
        // 0; loop { 1: if … break; 2 } 3
        let next = [[Some(1), None], [Some(3), Some(2)], [Some(1), None], [None, None]];
        let mut flow = flow(&[(2, next[0]), (5, next[1]), (7, next[2]), (40, next[3])]);
        flow.copied.fill(None);
        assert_eq!(owed(&flow), [vec![12], vec![40 - 7, 0], vec![12], vec![]]);
    }

    #[test]
    fn what_ends_a_loop_otherwise_needs_no_other_end() {
        // An interpreter's loop: 0 dispatches with a dynamic jump, 1 and 2 go back.
        let flow = flow(&[(9, [None, None]), (3, [Some(0), None]), (4, [Some(0), None])]);
        assert_eq!(owed(&flow), [vec![], vec![0], vec![0]]);
    }

    #[test]
    fn all_copies_are_paid_where_they_start() {
        let flow = flow(&[(2, [Some(1), None]), (5, [Some(1), Some(2)]), (6, [None, None])]);
        assert_eq!(flow.copied[1].map(Copied::copies), Some(3));
        assert_eq!(owed(&flow), [vec![15], vec![15, 6], vec![]]);
    }

    #[test]
    fn all_copies_of_several_blocks_are_paid_where_they_start() {
        // 0; loop { 1: if … break; 2: if … break } 3
        let flow = flow(&[(2, [Some(1), None]), (5, [Some(3), Some(2)]), (7, [Some(1), Some(3)]), (1, [None, None])]);
        assert_eq!(flow.copied[2], Copied::new(2, 1, 2, 2));
        let credits = Credits::new(&flow);
        assert_eq!([1, 2].map(|block| credits.at_start(block)), [2 * 12, 12 + 7]);
        // Who leaves from within the first copy gets back all others, and what the last one leads to.
        assert_eq!(owed(&flow), [vec![24], vec![1 - 19, 0], vec![24, 1], vec![]]);
    }

    #[test]
    fn blocks_that_are_more_than_a_region_have_no_credit() {
        let mut flow = flow(&[(2, [Some(1), None]), (5, [Some(2), None]), (6, [None, None])]);
        flow.blocks[1].is_plain = false;
        assert_eq!(owed(&flow), [vec![0], vec![6], vec![]]);
    }

    #[test]
    fn no_credit_is_greater_than_the_limit() {
        let behind = |charge| {
            let flow = flow(&[(2, [Some(1), None]), (charge, [None, None])]);
            Credits::new(&flow).behind(0)
        };
        assert_eq!(behind(MAX_CREDIT), MAX_CREDIT);
        assert_eq!(behind(MAX_CREDIT + 1), 0);
    }

    /// Blocks that each jump to the one before them: a round settles one more. Past the limit credits still add up.
    #[test]
    fn rounds_over_the_blocks() {
        let backwards = |count: u32| {
            let mut blocks = vec![(1, [None, None])];
            blocks.extend((1..count).map(|number| (1, [Some(number - 1), None])));
            flow(&blocks)
        };
        let at_most = backwards(MAX_ROUNDS as u32);
        assert_eq!(Credits::new(&at_most).at_start(MAX_ROUNDS as u32 - 1), MAX_ROUNDS as u32);
        let more = backwards(MAX_ROUNDS as u32 + 1);
        owed(&more);
        assert_eq!(Credits::new(&more).at_start(MAX_ROUNDS as u32), 1);
    }
}
