//! What chains are made of: single operations, and sequences of which the optimiser makes something else.

use fastrand::Rng;
use tvm_isa::{Format, Op};

use super::pieces::Chain;
use super::{Kind, OTHERS, POOL, RESULTS, ROW, SLOTS, WORDS};
use crate::assemble::Inst;
use crate::differential::draw::Draw;
use crate::differential::numbers;
use crate::differential::operations::{BRANCHES, BRANCHES_IMM, LOADS, STORES};

/// Operations that the optimiser rewrites, and those that it looks through.
const FAVOURITES: [Op; 30] = [
    Op::MoveReg,
    Op::Add64,
    Op::Sub64,
    Op::Add32,
    Op::Sub32,
    Op::And,
    Op::Or,
    Op::Xor,
    Op::Mul64,
    Op::MulUpperUU,
    Op::SetLtU,
    Op::SetLtS,
    Op::CmovIz,
    Op::CmovNz,
    Op::MaxU,
    Op::Min,
    Op::AddImm64,
    Op::AddImm32,
    Op::AndImm,
    Op::XorImm,
    Op::SetLtUImm,
    Op::SetLtSImm,
    Op::SetGtUImm,
    Op::ShloLImm64,
    Op::ShloRImm64,
    Op::SharRImm64,
    Op::ShloLImm32,
    Op::RotR32Imm,
    Op::CmovNzImm,
    Op::LoadImm,
];

/// A chain that grows.
pub struct Links<'a> {
    pub rng: &'a mut Rng,
    /// The operations of the version that compute.
    pub operations: &'a [Op],
    /// The registers that it computes in.
    pub pool: [u8; POOL],
    /// Other registers.
    pub others: [u8; OTHERS],
    /// Its number in the program.
    pub number: usize,
    pub kind: Kind,
    pub chain: Chain,
}

impl Draw for Links<'_> {
    fn rng(&mut self) -> &mut Rng {
        self.rng
    }
}

impl Links<'_> {
    /// Loads the numbers to begin with.
    pub fn start(&mut self) {
        for reg in self.pool {
            let load = if self.one_in(4) { self.one_of(&LOADS) } else { Op::LoadIndU64 };
            let at = self.word();
            self.push(Inst::two(load, reg, ROW, at));
        }
        // What a region begins with is known less well than what it loaded.
        if self.kind != Kind::Joined && self.rng.bool() {
            self.push(Inst::new(Op::Fallthrough));
        }
    }

    /// Adds something that is mostly computed from `last`; gives where the result is.
    pub fn add(&mut self, last: u8) -> u8 {
        let [d, other] = [(); 2].map(|()| self.register());
        match self.rng.u8(0..28) {
            0 => {
                let (load, at) = (self.one_of(&LOADS), self.word());
                self.push(Inst::two(load, d, ROW, at));
            }
            1 => self.indexed(d, last),
            2 => self.spilled(d, last),
            3 => self.through_another(d),
            4 if self.kind != Kind::Joined => {
                let x = numbers::immediate(self.rng);
                self.unless(last, Inst::imm(Op::LoadImm, d, x));
            }
            5 => self.carry(d, last),
            6 => self.product(d, last),
            _ => self.operation(d, last, other),
        }
        d
    }

    /// Stores what came out, all or a part of it, and sometimes what else there is.
    pub fn end(&mut self, last: u8) {
        let at = self.result();
        if self.kind != Kind::Joined && self.one_in(4) {
            let y = numbers::immediate(self.rng);
            self.unless(last, Inst { y, ..Inst::imm(Op::StoreImmIndU8, RESULTS, at) });
        } else {
            let store = if self.rng.bool() { Op::StoreIndU64 } else { self.one_of(&STORES) };
            self.push(Inst::two(store, last, RESULTS, at));
        }
        while self.one_in(3) {
            let (store, other, at) = (self.one_of(&STORES), self.register(), self.result());
            self.push(Inst::two(store, other, RESULTS, at));
        }
    }

    /// An operation on `last`, and `other` if it has two operands.
    pub fn operation(&mut self, d: u8, last: u8, other: u8) {
        let op = if self.one_in(3) { self.one_of(self.operations) } else { self.one_of(&FAVOURITES) };
        let inst = match op.info().format {
            Format::RegRegReg => {
                let [a, b] = self.in_any_order(last, other);
                Inst::three(op, d, a, b)
            }
            Format::RegReg => Inst::three(op, d, last, 0),
            Format::RegRegImm => Inst::two(op, d, last, numbers::immediate_of(self.rng, op)),
            _ => Inst::imm(op, d, numbers::immediate(self.rng)),
        };
        self.push(inst);
    }

    /// Sometimes an operation between others that belong together.
    fn between(&mut self) {
        if self.one_in(4) {
            let [d, a, b] = [(); 3].map(|()| self.register());
            self.operation(d, a, b);
        }
    }

    /// An instruction, and a branch over it.
    fn unless(&mut self, last: u8, inst: Inst) {
        let behind = self.chain.place();
        let branch = self.branch(last);
        self.chain.push_to(branch, behind);
        self.push(inst);
        self.chain.put(behind);
    }

    /// A branch that asks something of `last`.
    pub fn branch(&mut self, last: u8) -> Inst {
        let other = self.register();
        let [a, b] = self.in_any_order(last, other);
        if self.rng.bool() {
            Inst::two(self.one_of(&BRANCHES), a, b, 0)
        } else {
            Inst::imm(self.one_of(&BRANCHES_IMM), last, numbers::immediate(self.rng))
        }
    }

    /// A load from an element of the row, often with the step of a loop before it.
    fn indexed(&mut self, d: u8, last: u8) {
        let [base, index, sum] = [(); 3].map(|()| self.register());
        let scale = self.rng.i64(0..4);
        let further = if self.one_in(4) { self.rng.i64(0..4) } else { 0 };
        let skipped = self.one_of(&[0, 8]);
        self.push(Inst::two(Op::AddImm64, base, ROW, skipped));
        self.push(Inst::two(Op::AndImm, index, last, 63 >> (scale + further)));
        // Where one overwrites another the address could be anywhere.
        let (base, sum) = if base != index && base != sum { (base, sum) } else { (ROW, d) };
        if self.one_in(3) {
            self.push(Inst::two(Op::ShloLImm64, sum, index, 32));
            self.push(Inst::two(Op::ShloRImm64, sum, sum, 32 - scale));
        } else {
            let shift = self.one_of(&[Op::ShloLImm64, Op::ShloLImm32]);
            self.push(Inst::two(shift, sum, index, scale));
        }
        if further > 0 {
            self.push(Inst::two(Op::ShloLImm64, sum, sum, further));
        }
        let [a, b] = self.in_any_order(sum, base);
        let add = self.one_of(&[Op::Add64, Op::Add64, Op::Add32]);
        self.push(Inst::three(add, sum, a, b));
        self.stepped(sum);
        let (load, disp) = (self.one_of(&LOADS), self.one_of(&[0, 0, 1, 8, 64]));
        self.push(Inst::two(load, d, sum, disp));
        if self.rng.bool() {
            let (op, other) = (self.one_of(&[Op::Add64, Op::Xor, Op::Add32, Op::And]), self.register());
            self.push(Inst::three(op, d, d, other));
        }
    }

    /// Sometimes a step of another register than `sum`, and somebody who looks at it.
    fn stepped(&mut self, sum: u8) {
        let [stepped, other] = [(); 2].map(|()| self.register());
        if stepped != sum && self.rng.bool() {
            let by = self.one_of(&[-1, 1, 8]);
            self.push(Inst::two(Op::AddImm64, stepped, stepped, by));
            if other != sum && self.rng.bool() {
                let op = self.one_of(&[Op::Xor, Op::MoveReg]);
                self.push(Inst::three(op, other, stepped, other));
            }
        }
    }

    /// A store, and a load from there.
    fn spilled(&mut self, d: u8, last: u8) {
        let (store, at) = (self.one_of(&STORES), self.result());
        self.push(Inst::two(store, last, RESULTS, at));
        self.between();
        self.push(Inst::two(Op::LoadIndU64, d, RESULTS, at));
    }

    /// The same, and between the two a store to there or just beside, through another register.
    fn through_another(&mut self, d: u8) {
        let [data, other, base] = [(); 3].map(|()| self.register());
        let (store, at, beside) = (self.one_of(&STORES), self.result(), self.one_of(&[-8, -4, -1, 0, 0, 1, 4]));
        self.push(Inst::two(Op::StoreIndU64, data, RESULTS, at));
        self.push(Inst::two(Op::AddImm64, base, RESULTS, at));
        if self.rng.bool() {
            // Makes something of it of which it is not known how far it is from the other.
            self.push(Inst::two(Op::OrImm, base, base, 0));
        }
        self.push(Inst::two(store, other, base, beside));
        self.push(Inst::two(Op::LoadIndU64, d, RESULTS, at));
    }

    /// A sum or a difference, the comparison that says whether it wrapped, and the sum of that and something else.
    fn carry(&mut self, d: u8, last: u8) {
        let [sum, other, outcome, from] = [(); 4].map(|()| self.register());
        let [a, b] = self.in_any_order(last, other);
        let (first, left, right) = match self.rng.u8(0..4) {
            0 => (Op::Sub64, a, b),
            1 => (Op::Add64, sum, a),
            _ => (Op::Add64, sum, b),
        };
        self.push(Inst::three(first, sum, a, b));
        self.between();
        self.push(Inst::three(Op::SetLtU, outcome, left, right));
        self.between();
        let add = self.one_of(&[Op::Add64, Op::Add64, Op::Sub64, Op::Add32, Op::Sub32]);
        let [a, b] = self.in_any_order(outcome, from);
        self.push(Inst::three(add, d, a, b));
    }

    /// Both halves of a product, of which one may be stored before the other is there.
    fn product(&mut self, d: u8, last: u8) {
        let other = self.register();
        let upper = self.one_of(&[Op::MulUpperUU, Op::MulUpperUU, Op::MulUpperSS]);
        let [first, second] = if self.rng.bool() { [Op::Mul64, upper] } else { [upper, Op::Mul64] };
        let is_stored = self.rng.bool();
        let to = if is_stored { d } else { self.register() };
        self.push(Inst::three(first, to, last, other));
        self.between();
        if is_stored {
            let (at, again) = (self.result(), self.register());
            self.push(Inst::two(Op::StoreIndU64, to, RESULTS, at));
            if self.one_in(4) {
                self.push(Inst::two(Op::LoadIndU64, again, RESULTS, at));
            }
            self.between();
        }
        self.push(Inst::three(second, d, last, other));
    }

    pub fn push(&mut self, inst: Inst) {
        self.chain.push(inst);
    }

    pub fn register(&mut self) -> u8 {
        let pool = self.pool;
        self.one_of(&pool)
    }

    pub fn in_any_order(&mut self, a: u8, b: u8) -> [u8; 2] {
        if self.rng.bool() { [a, b] } else { [b, a] }
    }

    /// Where one of the chain's results is, from the row's.
    pub fn result(&mut self) -> i64 {
        ((self.number * SLOTS + self.rng.usize(0..SLOTS)) * 8) as i64
    }

    /// Where one of the row's numbers is.
    pub fn word(&mut self) -> i64 {
        8 * self.rng.i64(0..WORDS as i64)
    }
}
