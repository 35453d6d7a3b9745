//! Where blocks lead to.

use std::collections::BTreeMap;

use tvm_isa::gas::{self, BlockCost};
use tvm_isa::{GasModel, Instruction, Op, Pc, Program, Rules};

use super::copies::{self, Copied};
use super::counted::{self, Counted};
use super::effects;
use super::registers::{Live, RegSet};
use super::returns::{self, Guess, Link};
use super::tails;
use crate::lower::{self, Ends};
use crate::targets::{BlockTargets, MAX_REGION_INSTRUCTIONS, jump_table_slots};

/// A basic block as far as other blocks are concerned.
#[derive(Clone, Copy, Default, Debug)]
pub struct Block {
    /// What its instructions look at of what registers hold at its start.
    pub looks_at: Live,
    /// The registers it writes.
    pub writes: RegSet,
    /// The blocks it may lead to, by number.
    pub next: [Option<u32>; 2],
    /// Whether execution may go on to the block behind it without a jump.
    pub falls: bool,
    /// How it ends.
    pub end: End,
    /// Whether what comes before it is no block: code that is reached in no ordinary way, but may go on into this one.
    pub follows_unknown: bool,
    /// Where it starts.
    pub start: Pc,
    /// Bytes of guest code.
    pub len: u32,
    /// Instructions.
    pub instructions: u32,
    /// What its first region is charged: under 0.8.0's model, the whole block.
    pub charge: u32,
    /// Whether it is one region, and known to lead to nothing but what [`Self::next`] says.
    pub is_plain: bool,
}

/// How a block ends, as far as passes ask.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum End {
    /// With a trap, or none of the others.
    #[default]
    Trap,
    /// With a dynamic jump, which may halt.
    Dynamic,
    /// With a jump that leaves a return address: a call.
    Call,
    /// With a jump, a branch or a fallthrough.
    Plain,
}

/// All blocks of a program.
#[derive(Default)]
pub struct Flow {
    /// The blocks in program order.
    pub blocks: Vec<Block>,
    /// For each block that a later one, or itself, jumps to: bytes of guest code in the smallest such loop.
    pub loops: Vec<Option<u32>>,
    /// For each block in a loop whose code is to be there several times: that loop.
    pub copied: Vec<Option<Copied>>,
    /// The loops of which several turns are to be there in a row, by block.
    pub counted: BTreeMap<u32, Counted>,
    /// For each block that ends with a jump: how many of the blocks from its target on have their code in the jump's place.
    pub tails: Vec<u8>,
    /// What some dynamic jumps are to be compared with, by their places.
    pub returns: BTreeMap<u32, Guess>,
}

impl Flow {
    /// Walks the program once. `exact` says that all registers can be seen wherever compiled code can be left: no turns of loops are there in
    /// a row then.
    pub fn new(program: &Program<'_>, rules: &Rules, targets: &BlockTargets, exact: bool) -> Self {
        let count = targets.count() as usize;
        let mut flow = Self { blocks: Vec::with_capacity(count), loops: vec![None; count], ..Self::default() };
        let mut walk = Walk { program, rules, targets, cost: BlockCost::new(program, rules) };
        let mut known = Pc(0);
        let mut links = Vec::new();
        for start in targets.iter() {
            let (mut block, target, end, link) = walk.block(start);
            block.follows_unknown = start != known;
            block.len = end.0 - start.0;
            known = end;
            let is_long = block.end == End::Call || block.len >= returns::MIN_BYTES;
            links.extend(link.filter(|_| is_long).map(|link| (flow.blocks.len() as u32, link)));
            flow.blocks.push(block);
            if let Some(target) = target.filter(|&target| (target as usize) < flow.blocks.len()) {
                // The first jump back is the nearest one.
                let bytes = end.0 - flow.blocks[target as usize].start.0;
                flow.loops[target as usize].get_or_insert(bytes);
            }
        }
        flow.copied = copies::of_blocks(&flow.blocks);
        if !exact {
            flow.counted = counted::of_blocks(program, rules, &flow.blocks, &flow.copied);
        }
        let slots = jump_table_slots(program);
        let lead = |address| returns::lead(program, targets, slots, address);
        flow.returns = returns::of_blocks(&flow.blocks, &links, lead);
        flow.tails = tails::of_blocks(&flow.blocks, &flow.copied);
        flow
    }
}

/// What walking the blocks needs.
struct Walk<'a> {
    program: &'a Program<'a>,
    rules: &'a Rules,
    targets: &'a BlockTargets,
    cost: BlockCost<'a>,
}

impl Walk<'_> {
    /// The block at `start`, the block that its last instruction names, where it ends, and what its last instruction does with an address in a
    /// register, if that is all.
    fn block(&mut self, start: Pc) -> (Block, Option<u32>, Pc, Option<Link>) {
        let Self { program, rules, targets, .. } = *self;
        let mut block = Block { start, ..Block::default() };
        let mut regions = Regions::default();
        let mut pc = start;
        while pc.0 < program.code_len() {
            let instruction = Instruction::decode(program, rules, pc);
            let op = instruction.op;
            block.add(&instruction);
            block.instructions += 1;
            self.cost.feed(&instruction);
            pc = instruction.next_pc();
            regions.add(op);
            if !op.terminates_block() {
                continue;
            }
            let behind = targets.index(pc.0.into());
            let target = instruction.target().and_then(|target| targets.index(target));
            let is_next = target.is_some() && target == behind;
            (block.next, block.falls, block.end) = match op {
                Op::JumpInd | Op::LoadImmJumpInd => ([None, None], false, End::Dynamic),
                Op::Fallthrough => ([behind, None], behind.is_some(), End::Plain),
                Op::Jump => ([target, None], is_next, End::Plain),
                Op::LoadImmJump => ([target, None], is_next, End::Call),
                _ if effects::is_branch(op) => ([target, behind], behind.is_some(), End::Plain),
                _ => ([None, None], false, End::Trap),
            };
            let link = match op {
                Op::JumpInd | Op::LoadImmJump => {
                    Some(Link { pc: instruction.pc, reg: instruction.a, address: instruction.x as u32 })
                }
                _ => None,
            };
            block.is_plain = regions.are_one() && (behind.is_some() || !effects::is_branch(op));
            block.charge = regions.charge(rules, self.cost.finish().0);
            return (block, target, pc, link);
        }
        // The code ends in this block, with a trap.
        self.cost.finish();
        block.charge = regions.charge(rules, gas::block_cost(program, rules, start).0);
        (block, None, pc, None)
    }
}

/// Counts a block's regions as the translator cuts them.
#[derive(Default)]
struct Regions {
    /// Instructions of the first one.
    first: usize,
    /// Whether it has ended before the block.
    is_cut: bool,
    /// Whether something comes behind where it was cut.
    has_more: bool,
}

impl Regions {
    fn add(&mut self, op: Op) {
        if self.is_cut {
            self.has_more = true;
            return;
        }
        self.first += 1;
        self.is_cut = match lower::ends(op) {
            Ends::Block => false,
            Ends::Region => true,
            Ends::Nothing => self.first == MAX_REGION_INSTRUCTIONS,
        };
    }

    fn are_one(&self) -> bool {
        !self.has_more && !self.is_cut
    }

    fn charge(&self, rules: &Rules, block_cost: u64) -> u32 {
        match rules.gas {
            GasModel::PerInstruction => self.first as u32,
            GasModel::PipelineBlocks => u32::try_from(block_cost).expect("programs are shorter than that"),
        }
    }
}

impl Block {
    /// Takes in the block's next instruction.
    fn add(&mut self, instruction: &Instruction) {
        let mut seen = Live::NONE;
        if effects::sees_all(instruction.op) {
            seen = Live::ALL;
        }
        for read in effects::reads(instruction).iter() {
            seen.add(read.reg, read.demand);
        }
        self.looks_at = self.looks_at.with(seen.without(self.writes));
        self.writes = self.writes.with(effects::written_set(instruction));
        if effects::sees_all(instruction.op) {
            // Nothing that is behind can add to what was looked at here.
            self.writes = RegSet::ALL;
        }
    }
}
