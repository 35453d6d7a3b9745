//! Loops of one block that count to a bound and walk through memory meanwhile: several turns of them are planned in a row
//! (`compiler/src/optimise/counted.rs`, `steps.rs`).

use tvm_isa::Op;

use super::draft::Draft;
use super::draw::Draw as _;
use super::generate::Generator;
use super::operations::{BRANCHES, BRANCHES_IMM};
use crate::assemble::Inst;

/// Most turns before the counter comes to its bound: several times as many as there are in a row.
const MAX_TURNS: i64 = 24;
/// Most instructions in the loop besides those that count.
const MAX_INSTRUCTIONS: usize = 4;

const LOADS: [Op; 5] = [Op::LoadIndU8, Op::LoadIndI8, Op::LoadIndU16, Op::LoadIndU32, Op::LoadIndU64];
const STORES: [Op; 4] = [Op::StoreIndU8, Op::StoreIndU16, Op::StoreIndU32, Op::StoreIndU64];
const STORES_IMM: [Op; 4] = [Op::StoreImmIndU8, Op::StoreImmIndU16, Op::StoreImmIndU32, Op::StoreImmIndU64];

impl Generator {
    /// Appends a loop that adds a constant, or a register, to another one until that has come to its bound, or near it.
    pub(super) fn counting_loop(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        let mut all: [u8; 13] = std::array::from_fn(|reg| reg as u8);
        self.rng.shuffle(&mut all);
        let [_, pointer, bound, fixed, ..] = all;
        // Mostly another one.
        let counter = if self.one_in(6) { self.one_of(&[pointer, bound, fixed]) } else { all[0] };
        let step = self.step();
        let start = self.start_of_count();
        // Now and then it is past the bound at once, or does not come to it exactly.
        let skew = if self.one_in(4) { self.rng.i64(-9..9) } else { 0 };
        let turns = if self.one_in(4) { -1..=MAX_TURNS / 4 } else { MAX_TURNS / 4..=MAX_TURNS };
        let end = start.wrapping_add(step.wrapping_mul(self.rng.i64(turns))).wrapping_add(skew);
        draft.push(version, Inst::imm(Op::LoadImm64, counter, start));
        draft.push(version, Inst::imm(Op::LoadImm64, pointer, self.address() as i64));
        let mut body = vec![self.count(draft, counter, fixed, step)];
        body.extend(self.bound(draft, bound, fixed, end));
        draft.push(version, Inst::new(Op::Fallthrough));
        let first = draft.code.len();
        if self.rng.bool() {
            body.push(Inst::two(Op::AddImm64, pointer, pointer, self.step()));
        }
        for _ in 0..self.rng.usize(0..MAX_INSTRUCTIONS) {
            let with = if self.rng.bool() { counter } else { pointer };
            body.extend(self.in_turn(with, pool));
        }
        self.rng.shuffle(&mut body);
        body.into_iter().for_each(|inst| draft.push(version, inst));
        let branch = match self.rng.u8(0..4) {
            0 | 1 => self.branch_to_bound(step, counter, bound),
            2 => Inst::two(self.one_of(&BRANCHES), counter, bound, 0),
            _ => Inst::imm(self.one_of(&BRANCHES_IMM), counter, end),
        };
        draft.branch_to(version, branch, first);
        if self.rng.bool() {
            // Here all registers are seen.
            draft.push(version, Inst { x: self.rng.i64(0..9), ..Inst::new(Op::Ecalli) });
        }
    }

    /// What counts: adds a constant, or the register `fixed`, which is filled before the loop.
    fn count(&mut self, draft: &mut Draft, counter: u8, fixed: u8, step: i64) -> Inst {
        let word = self.one_in(3);
        if self.one_in(4) {
            draft.push(self.version, Inst::imm(Op::LoadImm64, fixed, step));
            Inst::three(if word { Op::Add32 } else { Op::Add64 }, counter, fixed, counter)
        } else {
            Inst::two(if word { Op::AddImm32 } else { Op::AddImm64 }, counter, counter, step)
        }
    }

    /// Fills the bound before the loop, or gives what does so in each turn, perhaps from what `fixed` holds.
    fn bound(&mut self, draft: &mut Draft, bound: u8, fixed: u8, end: i64) -> Option<Inst> {
        match self.rng.u8(0..12) {
            0..3 => Some(Inst::imm(Op::LoadImm, bound, end)),
            3 | 4 => {
                let distance = self.rng.i64(-40..40);
                // Now and then from what a turn changes.
                let fixed = if self.one_in(4) { self.rng.u8(0..13) } else { fixed };
                draft.push(self.version, Inst::imm(Op::LoadImm64, fixed, end.wrapping_sub(distance)));
                Some(Inst::two(self.one_of(&[Op::AddImm64, Op::AddImm64, Op::AddImm32]), bound, fixed, distance))
            }
            _ => {
                draft.push(self.version, Inst::imm(Op::LoadImm64, bound, end));
                None
            }
        }
    }

    /// A branch back that a counter which adds `step` leaves at its bound.
    fn branch_to_bound(&mut self, step: i64, counter: u8, bound: u8) -> Inst {
        let (lower, upper) = if step > 0 { (counter, bound) } else { (bound, counter) };
        match self.rng.u8(0..4) {
            0 => Inst::two(Op::BranchNe, counter, bound, 0),
            1 => Inst::two(Op::BranchLtS, lower, upper, 0),
            2 => Inst::two(Op::BranchGeU, upper, lower, 0),
            _ => Inst::two(Op::BranchLtU, lower, upper, 0),
        }
    }

    fn step(&mut self) -> i64 {
        let step = self.one_of(&[1, 2, 4, 8, 16, 0x300]);
        match self.rng.u8(0..8) {
            0 => self.rng.i32(..).into(),
            1..4 => -step,
            _ => step,
        }
    }

    /// Where a count starts: at an address, near to where signs change or numbers end, or small.
    fn start_of_count(&mut self) -> i64 {
        let near = self.rng.i64(-40..40);
        match self.rng.u8(0..8) {
            0 => i64::from(i32::MAX) + near,
            1 => i64::from(i32::MIN) + near,
            2 => i64::MAX.wrapping_add(near),
            3 => (1 << 32) + near,
            4 | 5 => near,
            _ => self.address() as i64,
        }
    }

    /// What a turn does with the counter or a pointer.
    fn in_turn(&mut self, with: u8, pool: &[u8]) -> Vec<Inst> {
        let other = self.one_of(pool);
        let offset = self.rng.i64(-8..9);
        let load = self.one_of(&LOADS);
        match self.rng.u8(0..9) {
            0 | 1 => vec![Inst::two(load, other, with, offset)],
            2 | 3 => vec![Inst::two(self.one_of(&STORES), other, with, offset)],
            4 => vec![Inst { y: self.rng.i64(-1..2), ..Inst::imm(self.one_of(&STORES_IMM), with, offset) }],
            5 => vec![Inst::three(Op::Add64, other, other, with)],
            6 => vec![Inst::two(Op::AddImm64, other, with, offset)],
            // The counter itself is looked at, or its lower half.
            7 => {
                let op = self.one_of(&[Op::StoreU8, Op::StoreU32, Op::StoreU64]);
                vec![Inst::imm(op, with, self.mapped() as i64)]
            }
            _ => self.anything(pool),
        }
    }
}
