//! Loops of one block that count to a bound and walk through memory meanwhile: several turns of them are planned in a row
//! (`compiler/src/optimise/counted.rs`, `steps.rs`).

use tvm_isa::Op;

use super::draft::Draft;
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
    /// Appends a loop that adds a constant to a register until it has come to its bound, or near it.
    pub(super) fn counting_loop(&mut self, draft: &mut Draft, pool: &[u8]) {
        let version = self.version;
        let [counter, pointer, bound] = [(); 3].map(|()| self.rng.u8(0..13));
        let (step, stride) = (self.step(), self.step());
        let start = self.start_of_count();
        // Now and then it is past the bound at once, or does not come to it exactly.
        let skew = if self.rng.u8(0..4) == 0 { self.rng.i64(-9..9) } else { 0 };
        let end = start.wrapping_add(step.wrapping_mul(self.rng.i64(-1..=MAX_TURNS))).wrapping_add(skew);
        let in_loop = self.rng.u8(0..4) == 0;
        draft.push(version, Inst::imm(Op::LoadImm64, counter, start));
        draft.push(version, Inst::imm(Op::LoadImm64, pointer, self.address() as i64));
        if !in_loop {
            draft.push(version, Inst::imm(Op::LoadImm64, bound, end));
        }
        draft.push(version, Inst::new(Op::Fallthrough));
        let first = draft.code.len();
        let wide = self.rng.u8(0..3) != 0;
        let mut body = vec![Inst::two(if wide { Op::AddImm64 } else { Op::AddImm32 }, counter, counter, step)];
        if self.rng.bool() {
            body.push(Inst::two(Op::AddImm64, pointer, pointer, stride));
        }
        if in_loop {
            body.push(Inst::imm(Op::LoadImm, bound, end));
        }
        for _ in 0..self.rng.usize(0..MAX_INSTRUCTIONS) {
            let with = if self.rng.bool() { counter } else { pointer };
            body.extend(self.in_turn(with, pool));
        }
        self.rng.shuffle(&mut body);
        body.into_iter().for_each(|inst| draft.push(version, inst));
        let branch = if self.rng.bool() {
            let (a, b) = if self.rng.u8(0..3) == 0 { (bound, counter) } else { (counter, bound) };
            Inst::two(BRANCHES[self.rng.usize(0..BRANCHES.len())], a, b, 0)
        } else {
            Inst::imm(BRANCHES_IMM[self.rng.usize(0..BRANCHES_IMM.len())], counter, end)
        };
        draft.branch_to(version, branch, first);
    }

    fn step(&mut self) -> i64 {
        let step = [1, 2, 4, 8, 16, 0x300][self.rng.usize(0..6)];
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
        let other = pool[self.rng.usize(0..pool.len())];
        let offset = self.rng.i64(-8..9);
        match self.rng.u8(0..8) {
            0 | 1 => vec![Inst::two(LOADS[self.rng.usize(0..LOADS.len())], other, with, offset)],
            2 | 3 => vec![Inst::two(STORES[self.rng.usize(0..STORES.len())], other, with, offset)],
            4 => vec![Inst { y: self.rng.i64(-1..2), ..Inst::imm(STORES_IMM[self.rng.usize(0..4)], with, offset) }],
            5 => vec![Inst::three(Op::Add64, other, other, with)],
            6 => vec![Inst::two(Op::AddImm64, other, with, offset)],
            _ => self.anything(pool),
        }
    }
}
