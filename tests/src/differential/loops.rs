//! Loops that count down, of one block or more, and blocks that are jumped to from several places: what credits and copies are about
//! (`compiler/src/optimise/credit.rs`, `copies.rs`, `tails.rs`); functions and their calls. Without
//! them hardly a generated program goes round more than once or for ever.

use tvm_isa::Op;

use super::draft::Draft;
use super::draw::Draw as _;
use super::generate::Generator;
use super::operations::{BRANCHES, BRANCHES_IMM};
use crate::assemble::Inst;

/// Most turns: more than copies of a loop's code.
const MAX_TURNS: i64 = 11;
/// Most blocks in a loop besides the one that goes back.
const MAX_INNER_BLOCKS: usize = 3;
/// Most blocks before the one with a dynamic jump: more than those that are copied with it.
const MAX_TAIL_BLOCKS: usize = 2;
/// Most instructions in each block, so that some loops are too long for copies.
const MAX_INSTRUCTIONS: usize = 9;

impl Generator {
    /// Appends a loop in the registers of `pool`, one of which counts, unless something else in it gets in the way.
    pub(super) fn counted_loop(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        let counter = self.rng.u8(0..13);
        draft.push(version, Inst::imm(Op::LoadImm, counter, self.rng.i64(0..=MAX_TURNS)));
        // Now and then not where a block starts: then it is no loop.
        if !self.one_in(8) {
            draft.push(version, Inst::new(Op::Fallthrough));
        }
        let start = draft.code.len();
        let inner = if self.rng.bool() { 0 } else { self.rng.usize(1..=MAX_INNER_BLOCKS) };
        for _ in 0..inner {
            self.straight(draft, pool);
            self.inner_branch(draft, pool, start);
        }
        self.straight(draft, pool);
        draft.push(version, Inst::two(Op::AddImm64, counter, counter, -1));
        draft.branch_to(version, Inst::imm(Op::BranchNeImm, counter, 0), start);
    }

    /// Appends a loop whose counter is 32 bits wide and compared with a whole register, and that nobody looks at behind
    /// (`compiler/src/optimise/compare.rs`).
    pub(super) fn loop_of_words(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        let [counter, step, bound] = [(); 3].map(|()| self.rng.u8(0..13));
        // Often around where the sign changes, and with a bound that is no 32-bit number.
        let around = self.one_of(&[0, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 32]);
        let near = |rng: &mut fastrand::Rng| around.wrapping_add(rng.i64(-MAX_TURNS..=MAX_TURNS));
        for reg in [counter, bound] {
            draft.push(version, Inst::imm(Op::LoadImm64, reg, near(&mut self.rng)));
        }
        draft.push(version, Inst::imm(Op::LoadImm, step, self.rng.i64(-1..3)));
        draft.push(version, Inst::new(Op::Fallthrough));
        let start = draft.code.len();
        self.straight(draft, pool);
        let one_further = match self.rng.u8(0..3) {
            0 => Inst::two(Op::AddImm32, counter, counter, 1),
            1 => Inst::three(Op::Sub32, counter, counter, step),
            _ => Inst::three(Op::Add32, counter, counter, step),
        };
        draft.push(version, one_further);
        if self.one_in(4) {
            self.straight(draft, pool);
        }
        let branch = self.one_of(&BRANCHES);
        let (a, b) = if self.rng.bool() { (counter, bound) } else { (bound, counter) };
        draft.branch_to(version, Inst::two(branch, a, b, 0), start);
        if !self.one_in(4) {
            draft.push(version, Inst::imm(Op::LoadImm, counter, 1));
        }
    }

    /// Appends a small loop of several blocks, all of which can leave it (`compiler/src/optimise/copies.rs`).
    pub(super) fn loop_of_several(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        let counter = self.rng.u8(0..13);
        draft.push(version, Inst::imm(Op::LoadImm, counter, self.rng.i64(0..=MAX_TURNS)));
        draft.push(version, Inst::new(Op::Fallthrough));
        let start = draft.code.len();
        let mut ways_out = Vec::new();
        for _ in 0..self.rng.usize(1..=MAX_INNER_BLOCKS) {
            self.little(draft, pool);
            let imm = Inst::imm(self.one_of(&BRANCHES_IMM), counter, self.rng.i64(-1..9));
            match self.rng.u8(0..4) {
                0 => draft.push(version, Inst::new(Op::Fallthrough)),
                _ => ways_out.push(draft.branch_ahead(version, imm)),
            }
        }
        self.little(draft, pool);
        draft.push(version, Inst::two(Op::AddImm64, counter, counter, -1));
        if self.one_in(3) {
            draft.branch_to(version, Inst::new(Op::Jump), start);
        } else {
            draft.branch_to(version, Inst::imm(Op::BranchNeImm, counter, 0), start);
        }
        ways_out.into_iter().for_each(|branch| draft.land(branch));
    }

    fn little(&mut self, draft: &mut Draft, pool: &[u8]) {
        for _ in 0..self.rng.usize(0..3) {
            self.anything(pool).into_iter().for_each(|inst| draft.push(self.version, inst));
        }
    }

    /// Appends a block or two that end with a dynamic jump, and blocks that jump to it (`compiler/src/optimise/tails.rs`).
    pub(super) fn common_tail(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        draft.push(version, Inst::new(Op::Fallthrough));
        let start = draft.code.len();
        for _ in 0..self.rng.usize(0..=MAX_TAIL_BLOCKS) {
            self.straight(draft, pool);
            self.inner_branch(draft, pool, start);
        }
        self.straight(draft, pool);
        let target = self.one_of(pool);
        draft.push(version, Inst::imm(Op::LoadImm, target, 2 * self.rng.i64(0..9)));
        if self.rng.bool() {
            draft.push(version, Inst::imm(Op::JumpInd, target, 0));
        } else {
            let a = self.rng.u8(0..13);
            let jump = Inst { a, b: target, x: 7, y: 2 * self.rng.i64(0..2), ..Inst::new(Op::LoadImmJumpInd) };
            draft.push(version, jump);
        }
        for _ in 0..self.rng.usize(1..4) {
            self.straight(draft, pool);
            draft.branch_to(version, Inst::new(Op::Jump), start);
        }
    }

    /// Appends a function and calls of it from one to four places (`compiler/src/optimise/returns.rs`); what its callers leave is mostly where it
    /// goes in the end.
    pub(super) fn called_function(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        let link = self.one_of(pool);
        let address = |rng: &mut fastrand::Rng| 2 * rng.i64(0..6) + i64::from(rng.u8(0..16) == 0);
        let call = |rng: &mut fastrand::Rng| Inst { a: link, x: address(rng), ..Inst::new(Op::LoadImmJump) };
        draft.push(version, Inst::new(Op::Fallthrough));
        let start = draft.code.len();
        self.little(draft, pool);
        if self.rng.bool() {
            let itself = call(&mut self.rng);
            self.inner_branch(draft, pool, start);
            draft.branch_to(version, itself, start);
        }
        self.little(draft, pool);
        if self.one_in(4) {
            draft.push(version, Inst::imm(Op::LoadImm64, link, 1 << 32 | address(&mut self.rng)));
        }
        draft.push(version, Inst::imm(Op::JumpInd, link, if self.one_in(8) { 2 } else { 0 }));
        for _ in 0..self.rng.usize(1..4) {
            self.little(draft, pool);
            let call = call(&mut self.rng);
            draft.branch_to(version, call, start);
        }
    }

    fn straight(&mut self, draft: &mut Draft, pool: &[u8]) {
        for _ in 0..self.rng.usize(0..MAX_INSTRUCTIONS) {
            self.anything(pool).into_iter().for_each(|inst| draft.push(self.version, inst));
        }
    }

    /// A branch within the loop or out of it, or the end of a block without one.
    fn inner_branch(&mut self, draft: &mut Draft, pool: &[u8], start: usize) {
        let [a, b] = [(); 2].map(|()| self.one_of(pool));
        let branch = if self.rng.bool() {
            Inst::two(self.one_of(&BRANCHES), a, b, 0)
        } else {
            Inst::imm(self.one_of(&BRANCHES_IMM), a, self.rng.i64(-3..9))
        };
        match self.rng.u8(0..8) {
            0 => draft.push(self.version, Inst::new(Op::Fallthrough)),
            1 => draft.branch_to(self.version, branch, start),
            _ => draft.push(self.version, branch),
        }
    }
}
