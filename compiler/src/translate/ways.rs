//! Ways between blocks on the best tier: what is owed on each, and where the code for that stands.
//!
//! ```text
//!   (end of the block before)     gives back what it has too much, if it falls into this one
//!   charge:    sub gas, inline    for the way that falls in here, else for those that want it
//!   paid:      the block's code   at start is paid: jumps of those who owe nothing lead here
//!   …
//!   detour:    sub gas, owed      behind all blocks, for other ways: charge or give back,
//!              jmp paid           then go on
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use tvm_abi::TextOffset;
use tvm_isa::{Gas, Pc, Program};

use super::{Stopped, Translator};
use crate::asm::{Assembler, Target};
use crate::control;
use crate::optimise::{Counted, Credits, Flow, Guess};
use crate::targets::{BlockTargets, jump_table_slots};

/// Ways between blocks. The labels of blocks are their unpaid entries, which only those have that need one.
pub(super) struct Ways {
    flow: Flow,
    credits: Credits,
    /// What the code in front of each block charges.
    inline: Vec<u32>,
    /// The first of the labels where blocks are paid.
    paid: u32,
    /// The first of the labels of the code in front of them.
    charging: u32,
    /// Labels of detours, by block and what is owed.
    detours: BTreeMap<(u32, i32), u32>,
    /// Where the code for each block begins.
    begins: Vec<u32>,
    /// The credit where the region being emitted ends.
    pub credit: u32,
    /// The loops of which several turns are to be there in a row.
    pub counted: Vec<CountedLoop>,
}

/// A loop of which several turns are there in a row.
#[derive(Clone, Copy)]
pub(super) struct CountedLoop {
    /// Its block.
    pub block: u32,
    /// The label of the question whether it is far.
    pub question: u32,
}

/// A loop whose code is there several times.
#[derive(Clone, Copy)]
pub(super) struct CopiedLoop {
    /// Its first block.
    pub first: u32,
    /// Its last block.
    pub last: u32,
    /// How often its code is there.
    pub copies: u32,
    /// What a turn costs.
    pub cost: u32,
}

impl Ways {
    /// Decides where everything stands.
    pub fn new(flow: Flow, program: &Program<'_>, targets: &BlockTargets, asm: &mut Assembler) -> Self {
        let count = targets.count();
        let credits = Credits::new(&flow);
        let mut wanted = vec![0; count as usize];
        for (number, block) in (0..).zip(&flow.blocks) {
            for &next in block.next.iter().flatten() {
                let owed = credits.owed(credits.behind(number), next);
                if owed > 0 {
                    wanted[next as usize] = owed as u32;
                }
            }
        }
        let mut detours = BTreeMap::new();
        let mut inline = wanted;
        let dynamic = entered_dynamically(program, targets);
        for (number, dynamic) in (0..count).zip(dynamic) {
            let at_start = credits.at_start(number);
            let place = &mut inline[number as usize];
            match falling(&flow, &credits, number).map(|credit| credits.owed(credit, number)) {
                Some(owed) => *place = owed.max(0) as u32,
                None if dynamic => *place = at_start,
                None => {}
            }
            if dynamic && *place != at_start {
                detours.insert((number, at_start as i32), number);
            }
        }
        let (paid, charging) = (asm.new_labels(count), asm.new_labels(count));
        let begins = vec![0; count as usize];
        Self { flow, credits, inline, paid, charging, detours, begins, credit: 0, counted: Vec::new() }
    }

    /// The loop that ends with a block and whose code is to be there several times.
    pub fn copied_behind(&self, block: u32) -> Option<CopiedLoop> {
        let copied = self.flow.copied[block as usize].filter(|copied| copied.last(block) == block)?;
        let first = copied.first(block);
        Some(CopiedLoop { first, last: block, copies: copied.copies(), cost: self.charges(first..block + 1) })
    }

    /// What the dynamic jump at `pc` is to be compared with first.
    pub fn guess(&self, pc: Pc) -> Option<Guess> {
        self.flow.returns.get(&pc.0).copied()
    }

    /// How a block counts that is a loop of which several turns are to be there in a row.
    pub fn counted(&self, block: u32) -> Option<Counted> {
        self.flow.counted.get(&block).copied()
    }

    /// What blocks cost together.
    pub fn charges(&self, blocks: Range<u32>) -> u32 {
        blocks.map(|block| self.flow.blocks[block as usize].charge).sum()
    }

    /// The credit behind a block whose first region ends with it.
    pub fn behind(&self, block: u32) -> u32 {
        if self.flow.blocks[block as usize].is_plain { self.credits.behind(block) } else { 0 }
    }

    /// Where to go to reach a block with this much credit.
    #[inline(never)]
    pub fn to(&mut self, block: u32, credit: u32, asm: &mut Assembler) -> Target {
        let owed = self.credits.owed(credit, block);
        Target::Block(if owed == 0 {
            self.paid + block
        } else if owed == self.inline[block as usize] as i32 {
            self.charging + block
        } else {
            let is_all = credit == 0;
            *self.detours.entry((block, owed)).or_insert_with(|| if is_all { block } else { asm.new_labels(1) })
        })
    }

    /// Where a block starts, and how many instructions it has.
    pub fn extent(&self, block: u32) -> (Pc, u32) {
        let block = &self.flow.blocks[block as usize];
        (block.start, block.instructions)
    }

    /// The block that comes behind a block without a jump.
    pub fn next_block(&self, block: u32) -> Option<u32> {
        self.flow.blocks[block as usize].falls.then_some(block + 1)
    }

    /// How many blocks, and from which on, have their code in the place of the jump at the end of `block`.
    pub fn tail(&self, block: u32) -> Option<Range<u32>> {
        let [target, _] = self.flow.blocks[block as usize].next;
        let tail = u32::from(self.flow.tails[block as usize]);
        target.filter(|_| tail > 0).map(|first| first..first + tail)
    }

    /// Where the code for each block begins.
    pub fn begins(self) -> Vec<u32> {
        self.begins
    }
}

/// The credit of those who go on to `block` without a jump, if anyone does.
fn falling(flow: &Flow, credits: &Credits, block: u32) -> Option<u32> {
    if flow.blocks[block as usize].follows_unknown {
        return Some(0);
    }
    let before = block.checked_sub(1)?;
    flow.blocks[before as usize].falls.then(|| credits.behind(before))
}

/// Whether the program's jump table leads to each block.
fn entered_dynamically(program: &Program<'_>, targets: &BlockTargets) -> Vec<bool> {
    let mut entered = vec![false; targets.count() as usize];
    let table = program.jump_table();
    for entry in 0..u64::from(jump_table_slots(program)) - 1 {
        if let Some(block) = table.get(entry).and_then(|target| targets.index(target)) {
            entered[block as usize] = true;
        }
    }
    entered
}

impl Translator<'_> {
    /// Emits what comes before the code of `block`, which starts at `pc`: what is owed by those who come without a jump, room
    /// before a loop, and the charge. Gives what is paid behind it.
    pub(super) fn begin_block(&mut self, ways: &mut Ways, block: u32, pc: Pc, alignment: Option<u32>) -> Gas {
        let at_start = ways.credits.at_start(block);
        if let Some(credit) = falling(&ways.flow, &ways.credits, block) {
            // What is owed, the code in front of the block charges.
            self.settle(pc, at_start, ways.credits.owed(credit, block).min(0));
        }
        if let Some(alignment) = alignment {
            self.asm.align(alignment);
        }
        let TextOffset(begin) = self.asm.here();
        ways.begins[block as usize] = begin;
        let inline = ways.inline[block as usize];
        if inline > 0 {
            self.asm.bind(ways.charging + block);
            if inline == at_start {
                self.asm.bind(block);
            }
            self.settle(pc, at_start, inline as i32);
        }
        self.asm.bind(ways.paid + block);
        Gas(at_start.into())
    }

    /// Emits a copy of the charge for a block, for one who comes to it with this much credit.
    pub(super) fn charge_copy(&mut self, block: u32, credit: u32) {
        let ways = self.ways.as_ref().expect("there from the start");
        let (pc, at_start) = (ways.flow.blocks[block as usize].start, ways.credits.at_start(block));
        self.settle(pc, at_start, ways.credits.owed(credit, block));
    }

    /// Charges what is owed to the block at `pc`, or gives it back.
    fn settle(&mut self, pc: Pc, at_start: u32, owed: i32) {
        let gas = Gas(owed.unsigned_abs().into());
        match owed {
            0 => {}
            1.. => self.charge(pc, gas, Gas(at_start.into())),
            _ => control::give_back(&mut self.asm, gas),
        }
    }

    /// Emits all detours.
    pub(super) fn detours(&mut self, ways: &Ways) -> Result<(), Stopped> {
        for (&(block, owed), &label) in &ways.detours {
            self.make_ready()?;
            self.asm.bind(label);
            self.settle(ways.flow.blocks[block as usize].start, ways.credits.at_start(block), owed);
            self.asm.jump(Target::Block(ways.paid + block));
        }
        Ok(())
    }
}
