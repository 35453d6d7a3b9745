//! Loops and functions in chains: what the optimiser plans for several blocks at once (`compiler/src/optimise`: `copies`, `counted`, `credit`, `tails`,
//! `returns`). They are drawn without much care for where they lead; who draws them leaves out those that do not come to an end.

use tvm_isa::Op;

use super::links::Links;
use super::pieces::Place;
use super::{RESULTS, ROW};
use crate::assemble::Inst;
use crate::differential::draw::Draw as _;
use crate::differential::operations::{BRANCHES, BRANCHES_IMM, STORES};

/// Turns of most loops, several times as many as there are in a row.
const TURNS: i64 = 20;
/// Most operations in a block.
const MAX_OPERATIONS: usize = 3;

impl Links<'_> {
    /// Adds a loop or a function; gives where a result is.
    pub fn ring(&mut self, last: u8) -> u8 {
        match self.rng.u8(0..4) {
            0 => self.several(),
            1 => self.function(),
            _ => self.counting(),
        }
        let [counter, bound, fixed, ..] = self.others;
        let looked_at = [last, counter, counter, bound, fixed];
        self.one_of(&looked_at)
    }

    /// A loop of one block that adds the same to its counter in each turn, and goes on until a bound; or nearly so.
    fn counting(&mut self) {
        let [counter, bound, fixed, pointer, _] = self.others;
        let step = self.one_of(&[1, 1, 1, 2, 8, -1, -1, -4, 3]);
        let adds_fixed = self.one_in(4);
        let start = self.near_an_edge();
        let end = start.wrapping_add(step * self.rng.i64(0..TURNS)).wrapping_add(self.one_of(&[0, 0, 0, 1, -1]));
        let at = self.result();
        self.push(Inst::imm(Op::LoadImm64, counter, start));
        if self.one_in(3) {
            self.another_start(counter);
        }
        self.push(Inst::two(Op::AddImm64, pointer, RESULTS, at));
        self.push(Inst::imm(Op::LoadImm64, bound, end));
        self.push(Inst::imm(Op::LoadImm64, fixed, if adds_fixed { step } else { end.wrapping_sub(5) }));
        self.push(Inst::two(Op::StoreIndU64, bound, RESULTS, at));
        let mut body = vec![self.count(counter, fixed, step, adds_fixed)];
        self.bound(&mut body, bound, fixed, end, at);
        if self.one_in(8) {
            body.push(self.count(counter, fixed, step, adds_fixed));
        }
        if self.one_in(3) {
            body.push(Inst::two(self.one_of(&STORES), counter, pointer, 0));
        }
        self.go_round(body, counter, bound, end);
    }

    /// Adds something to what the counter starts from, which differs from row to row.
    fn another_start(&mut self, counter: u8) {
        let (at, by) = (self.word(), self.register());
        self.push(Inst::two(Op::LoadIndU8, by, ROW, at));
        self.push(Inst::two(Op::AndImm, by, by, 7));
        self.push(Inst::three(Op::Add64, counter, counter, by));
    }

    /// The loop itself: its parts in any order with others in between, and the branch back.
    fn go_round(&mut self, mut body: Vec<Inst>, counter: u8, bound: u8, end: i64) {
        let top = self.chain.place();
        self.chain.put(top);
        self.rng.shuffle(&mut body);
        for inst in body {
            self.operations();
            self.push(inst);
        }
        self.operations();
        let branch = if self.one_in(4) {
            Inst::imm(self.one_of(&BRANCHES_IMM), counter, end)
        } else {
            let [a, b] = self.in_any_order(counter, bound);
            Inst::two(self.one_of(&BRANCHES), a, b, 0)
        };
        self.chain.push_to(branch, top);
    }

    /// What counts.
    fn count(&mut self, counter: u8, fixed: u8, step: i64, adds_fixed: bool) -> Inst {
        let word = self.one_in(3);
        if adds_fixed {
            let [a, b] = self.in_any_order(counter, fixed);
            Inst::three(if word { Op::Add32 } else { Op::Add64 }, counter, a, b)
        } else {
            Inst::two(if word { Op::AddImm32 } else { Op::AddImm64 }, counter, counter, step)
        }
    }

    /// What a turn does with its bound: mostly nothing.
    fn bound(&mut self, body: &mut Vec<Inst>, bound: u8, fixed: u8, end: i64, at: i64) {
        let by = self.one_of(&[-1, 1, 2]);
        match self.rng.u8(0..12) {
            0 => body.push(Inst::imm(Op::LoadImm, bound, end)),
            1 => body.push(Inst::two(self.one_of(&[Op::AddImm64, Op::AddImm32]), bound, fixed, 5)),
            2 => {
                body.push(Inst::two(self.one_of(&[Op::AddImm64, Op::AddImm32]), bound, fixed, 5));
                body.push(Inst::two(Op::AddImm64, fixed, fixed, by));
            }
            3 => body.push(Inst::two(Op::LoadIndU64, bound, RESULTS, at)),
            4 => {
                body.push(Inst::two(Op::LoadIndU64, bound, RESULTS, at));
                body.push(Inst::two(Op::AddImm64, fixed, bound, by));
                body.push(Inst::two(Op::StoreIndU64, fixed, RESULTS, at));
            }
            5 => body.push(Inst::two(Op::AddImm64, bound, bound, by)),
            _ => {}
        }
    }

    /// A loop of some blocks, which may be left, or gone round again, from each of them, and entered at any.
    fn several(&mut self) {
        let [counter, ..] = self.others;
        let turns = self.rng.i64(1..TURNS);
        self.push(Inst::imm(Op::LoadImm, counter, turns));
        let blocks: Vec<Place> = (0..self.rng.usize(1..4)).map(|_| self.chain.place()).collect();
        let behind = self.chain.place();
        if self.one_in(4) {
            let entered = self.one_of(&blocks);
            self.leave(counter, entered);
        }
        for &block in &blocks {
            self.chain.put(block);
            self.operations();
            match self.rng.u8(0..6) {
                0 => {}
                1 => {
                    let again = self.one_of(&blocks);
                    self.push(Inst::two(Op::AddImm64, counter, counter, -1));
                    self.leave(counter, again);
                }
                _ => self.leave(counter, behind),
            }
            self.operations();
        }
        let down = self.one_of_two(Op::AddImm64, Op::AddImm32);
        self.push(Inst::two(down, counter, counter, -1));
        if self.one_in(4) {
            self.chain.push_to(Inst::new(Op::Jump), blocks[0]);
        } else {
            let branch = self.one_of_two(Op::BranchNeImm, Op::BranchGtSImm);
            self.chain.push_to(Inst::imm(branch, counter, 0), blocks[0]);
        }
        self.chain.put(behind);
    }

    /// A branch to a place, at some time.
    fn leave(&mut self, counter: u8, to: Place) {
        let branch = if self.rng.bool() {
            Inst::imm(self.one_of(&BRANCHES_IMM), counter, self.rng.i64(-1..TURNS))
        } else {
            let last = self.register();
            self.branch(last)
        };
        self.chain.push_to(branch, to);
    }

    /// A function, before or behind where it is called; or blocks that others jump to and that jump on from there.
    fn function(&mut self) {
        let (entry, behind) = (self.chain.place(), self.chain.place());
        let offset = self.one_of(&[0, 0, 0, 2, -2]);
        if self.rng.bool() {
            self.chain.push_to(Inst::new(Op::Jump), behind);
            self.body(entry, offset);
            self.chain.put(behind);
            self.calls(entry, offset);
        } else {
            self.calls(entry, offset);
            self.chain.push_to(Inst::new(Op::Jump), behind);
            self.body(entry, offset);
            self.chain.put(behind);
        }
    }

    /// A function of a block or two, perhaps with a loop, that returns to so far from where its link leads.
    fn body(&mut self, entry: Place, offset: i64) {
        let [counter, _, _, _, link] = self.others;
        self.chain.put(entry);
        self.operations();
        if self.rng.bool() {
            self.push(Inst::two(Op::AddImm64, counter, counter, -1));
            self.chain.push_to(Inst::imm(Op::BranchNeImm, counter, 0), entry);
            self.operations();
        }
        self.push(Inst::imm(Op::JumpInd, link, offset));
    }

    fn calls(&mut self, entry: Place, offset: i64) {
        let [counter, _, _, _, link] = self.others;
        for _ in 0..self.rng.usize(1..4) {
            let behind = self.chain.place();
            let turns = self.rng.i64(1..TURNS);
            self.push(Inst::imm(Op::LoadImm, counter, turns));
            self.operations();
            if self.rng.bool() {
                self.chain.push_address(Inst::imm(Op::LoadImmJump, link, -offset), behind, Some(entry));
            } else {
                self.chain.push_address(Inst::imm(Op::LoadImm, link, -offset), behind, None);
                self.operations();
                self.chain.push_to(Inst::new(Op::Jump), entry);
            }
            self.chain.put(behind);
        }
    }

    /// Some operations, or none.
    fn operations(&mut self) {
        for _ in 0..self.rng.usize(0..=MAX_OPERATIONS) {
            if self.one_in(6) {
                let (store, data, at) = (self.one_of(&STORES), self.register(), self.result());
                self.push(Inst::two(store, data, RESULTS, at));
            } else {
                let [d, a, b] = [(); 3].map(|()| self.register());
                self.operation(d, a, b);
            }
        }
    }

    /// A number near to where signs change or numbers end, or a small one.
    fn near_an_edge(&mut self) -> i64 {
        let edge = self.one_of(&[0, 0, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, 1 << 32]);
        edge.wrapping_add(self.rng.i64(-TURNS..TURNS))
    }

    fn one_of_two(&mut self, one: Op, other: Op) -> Op {
        if self.rng.bool() { one } else { other }
    }
}
