//! Where blocks lead to.

use tvm_isa::{Instruction, Op, Pc, Program, Rules};

use super::effects;
use super::registers::{Live, RegSet};
use crate::targets::BlockTargets;

/// A basic block as far as other blocks are concerned.
#[derive(Clone, Copy, Default, Debug)]
pub struct Block {
    /// What its instructions look at of what registers hold at its start.
    pub looks_at: Live,
    /// The registers it writes.
    pub writes: RegSet,
    /// The blocks it may lead to, by number.
    pub next: [Option<u32>; 2],
    /// Whether it ends with a dynamic jump, which may halt.
    pub jumps_dynamically: bool,
}

/// All blocks of a program.
pub struct Flow {
    /// The blocks in program order.
    pub blocks: Vec<Block>,
    /// For each block that a later one, or itself, jumps to: bytes of guest code in the smallest such loop.
    pub loops: Vec<Option<u32>>,
}

impl Flow {
    /// Walks the program once.
    pub fn new(program: &Program<'_>, rules: &Rules, targets: &BlockTargets) -> Self {
        let count = targets.count() as usize;
        let mut flow = Self { blocks: Vec::with_capacity(count), loops: vec![None; count] };
        let mut starts = Vec::with_capacity(count);
        for start in targets.iter() {
            let (block, target, end) = block(program, rules, targets, start);
            starts.push(start);
            if let Some(target) = target.filter(|&target| target as usize <= flow.blocks.len()) {
                // The first jump back is the nearest one.
                let bytes = end.0 - starts[target as usize].0;
                flow.loops[target as usize].get_or_insert(bytes);
            }
            flow.blocks.push(block);
        }
        flow
    }
}

/// The block at `start`, the block that its last instruction names, and where it ends.
fn block(program: &Program<'_>, rules: &Rules, targets: &BlockTargets, start: Pc) -> (Block, Option<u32>, Pc) {
    let mut block = Block::default();
    let mut pc = start;
    while pc.0 < program.code_len() {
        let instruction = Instruction::decode(program, rules, pc);
        block.add(&instruction);
        pc = instruction.next_pc();
        if !instruction.op.terminates_block() {
            continue;
        }
        let behind = targets.index(pc.0.into());
        let target = instruction.target().and_then(|target| targets.index(target));
        block.next = match instruction.op {
            Op::Trap | Op::JumpInd | Op::LoadImmJumpInd => [None, None],
            Op::Fallthrough => [behind, None],
            Op::Jump | Op::LoadImmJump => [target, None],
            _ => [target, behind],
        };
        block.jumps_dynamically = matches!(instruction.op, Op::JumpInd | Op::LoadImmJumpInd);
        return (block, target, pc);
    }
    // The code ends in this block, with a trap.
    (block, None, pc)
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
