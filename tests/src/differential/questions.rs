//! Answers in registers, and who asks those: what the optimiser's `question` and `compare` look for, and near misses of it.

use tvm_isa::Op;

use super::draw::Draw as _;
use super::generate::Generator;
use super::idioms::Sequence;
use super::operations::{BRANCHES, BRANCHES_IMM, WORD_OPERATIONS, WORD_OPERATIONS_IMM};
use crate::assemble::Inst;

/// What gives an answer: compares, or is zero when something is so.
const ANSWERS: [Op; 6] = [Op::SetLtU, Op::SetLtS, Op::Xor, Op::Sub64, Op::And, Op::Sub32];
/// The same with a constant.
const ANSWERS_IMM: [Op; 10] = [
    Op::SetLtUImm,
    Op::SetLtSImm,
    Op::SetGtUImm,
    Op::SetGtSImm,
    Op::XorImm,
    Op::AddImm64,
    Op::AndImm,
    Op::AndImm,
    Op::ShloLImm64,
    Op::ShloRImm64,
];
/// What is made of answers.
const TURNS: [(Op, i64); 10] = [
    (Op::XorImm, 1),
    (Op::XorImm, 1),
    (Op::XorImm, 1),
    (Op::XorImm, 1),
    (Op::SetLtUImm, 1),
    (Op::SetGtUImm, 0),
    (Op::AndImm, 1),
    (Op::XorImm, 3),
    (Op::SetLtUImm, 2),
    (Op::AddImm64, -1),
];
/// Most of these one behind the other. The optimiser follows four steps.
const MAX_TURNS: usize = 4;

impl Generator {
    /// An answer, what is made of it, and who asks it.
    pub(super) fn question(&mut self, sequence: &mut Sequence<'_>) {
        let [a, b] = [(); 2].map(|()| self.one_of(sequence.pool));
        if self.one_in(3) {
            return self.close_question(sequence, a, b);
        }
        for side in [a, b] {
            self.side(sequence, side);
        }
        let mut answer = self.target(sequence.pool, a);
        if self.rng.bool() {
            let op = self.one_of(&ANSWERS);
            self.push(sequence, Inst::three(op, answer, a, b));
        } else {
            let op = self.one_of(&ANSWERS_IMM);
            let x = match op {
                Op::ShloLImm64 | Op::ShloRImm64 => self.rng.i64(28..64),
                Op::AndImm if !self.one_in(3) => self.rng.i64(1..4),
                _ if self.one_in(4) => self.value() as i32 as i64,
                _ => self.rng.i64(-3..4),
            };
            self.push(sequence, Inst::two(op, answer, a, x));
        }
        let turns = if self.one_in(6) { self.rng.usize(0..=MAX_TURNS) } else { self.rng.usize(0..3) };
        for _ in 0..turns {
            let (op, x) = self.one_of(&TURNS);
            let to = self.target(sequence.pool, answer);
            self.push(sequence, Inst::two(op, to, answer, x));
            answer = to;
        }
        for _ in 0..self.rng.u8(1..3) {
            self.asker(sequence, answer, a, b);
        }
    }

    /// What must be looked at closely before another question may be asked.
    fn close_question(&mut self, sequence: &mut Sequence<'_>, a: u8, b: u8) {
        let pool = sequence.pool;
        let [answer, to] = [(); 2].map(|()| self.one_of(pool));
        match self.rng.u8(0..4) {
            // A bit that has become the sign.
            0 => {
                let by = self.rng.i64(28..64);
                self.push(sequence, Inst::two(Op::ShloLImm64, answer, a, by));
                let branch = self.one_of(&[Op::BranchLtSImm, Op::BranchGeSImm]);
                self.push(sequence, Inst::imm(branch, answer, 0));
            }
            // What may be more than 1, turned round as if it were not.
            1 => {
                let mask = self.rng.i64(1..4);
                self.push(sequence, Inst::two(Op::AndImm, answer, a, mask));
                self.push(sequence, Inst::two(Op::XorImm, answer, answer, 1));
                let moves = self.one_of(&[Op::CmovIz, Op::CmovNz]);
                self.push(sequence, Inst::three(moves, to, b, answer));
                self.stored(sequence, to);
            }
            // Of the answer the lower half, of what is compared all.
            2 => {
                let (less, turn) = (self.one_of(&[Op::SetLtS, Op::SetLtU]), self.one_of(&[Op::XorImm, Op::AndImm]));
                let word = self.one_of(&[Op::Sub32, Op::Add32, Op::Mul32]);
                self.push(sequence, Inst::three(word, answer, a, b));
                self.push(sequence, Inst::three(less, answer, answer, to));
                self.push(sequence, Inst::two(turn, answer, answer, 1));
                let (store, address) = (self.one_of(&[Op::StoreU8, Op::StoreU32]), self.mapped());
                self.push(sequence, Inst::imm(store, answer, address as i64));
                self.push(sequence, Inst::imm(Op::LoadImm, answer, 5));
            }
            // One side whose upper half says something, and of the result the lower one.
            _ => {
                let by = self.rng.i64(-2..3);
                self.push(sequence, Inst::two(Op::AddImm32, a, a, by));
                let least = self.one_of(&[Op::MinU, Op::Min, Op::MaxU, Op::Max]);
                self.push(sequence, Inst::three(least, to, a, b));
                let address = self.mapped();
                self.push(sequence, Inst::imm(Op::StoreU32, to, address as i64));
                if a != to {
                    self.push(sequence, Inst::imm(Op::LoadImm, a, 5));
                }
                self.push(sequence, Inst::imm(Op::LoadImm, to, 5));
            }
        }
    }

    /// What is compared: often a small number, so that it is sometimes equal to another, or what a 32-bit operation made of it.
    fn side(&mut self, sequence: &mut Sequence<'_>, side: u8) {
        if self.rng.bool() {
            let x = self.rng.i64(-2..4);
            self.push(sequence, Inst::imm(Op::LoadImm, side, x));
        }
        if self.rng.bool() {
            let (op, with_imm) = (self.one_of(&WORD_OPERATIONS), self.one_of(&WORD_OPERATIONS_IMM));
            let from = self.target(sequence.pool, side);
            let inst = if self.rng.bool() {
                Inst::three(op, side, from, self.one_of(sequence.pool))
            } else {
                Inst::two(with_imm, side, from, self.rng.i64(-2..34))
            };
            self.push(sequence, inst);
        }
        if self.one_in(4) {
            let mask = self.one_of(&[1, 7, 255, -1, 0x7fff_ffff]);
            self.push(sequence, Inst::two(Op::AndImm, side, side, mask));
        }
    }

    /// Who asks an answer, or chooses between what it was made of.
    fn asker(&mut self, sequence: &mut Sequence<'_>, answer: u8, a: u8, b: u8) {
        let pool = sequence.pool;
        let [to, from] = [(); 2].map(|()| self.one_of(pool));
        let x = self.one_of(&[0, 0, 0, 1, 2, -1]);
        let asker = match self.rng.u8(0..12) {
            0..4 => Inst::three(self.one_of(&[Op::CmovIz, Op::CmovNz]), to, from, answer),
            4 => Inst::two(self.one_of(&[Op::CmovIzImm, Op::CmovNzImm]), to, answer, x),
            5..7 => Inst::three(self.one_of(&[Op::MinU, Op::Min, Op::MaxU, Op::Max]), to, a, b),
            7..10 => Inst::imm(self.one_of(&BRANCHES_IMM), answer, x),
            10 => Inst::two(self.one_of(&BRANCHES), a, b, 0),
            _ => Inst::two(self.one_of(&[Op::SetLtUImm, Op::XorImm]), to, answer, 1),
        };
        let ends = BRANCHES_IMM.contains(&asker.op) || BRANCHES.contains(&asker.op);
        // The answer can go when it is not looked at again.
        if !ends && !self.one_in(3) && answer != to {
            self.push(sequence, asker);
            self.push(sequence, Inst::imm(Op::LoadImm, answer, 5));
        } else {
            self.push(sequence, asker);
        }
        if !ends && self.rng.bool() {
            let address = self.mapped();
            self.push(sequence, Inst::imm(Op::StoreU32, to, address as i64));
        } else if !ends {
            self.looked_at(sequence, to);
        }
    }
}
