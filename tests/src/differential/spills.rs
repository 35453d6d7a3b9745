//! Words that are stored and loaded soon after: what the optimiser's `forward` looks for, and near misses of it.

use tvm_isa::Op;

use super::draw::Draw as _;
use super::generate::Generator;
use super::idioms::Sequence;
use super::operations::{STORES, STORES_OF_IMMEDIATES};
use crate::assemble::Inst;

/// Operations that may take the word as an operand, and others.
const OPERATIONS: [Op; 9] =
    [Op::Add64, Op::Sub64, Op::And, Op::Or, Op::Xor, Op::Mul64, Op::Add32, Op::AndInv, Op::SetLtU];

impl Generator {
    /// A word is stored, other things are done, perhaps to the same place, and it is loaded.
    pub(super) fn spill(&mut self, sequence: &mut Sequence<'_>) {
        let pool = sequence.pool;
        let [word, base, loaded] = [(); 3].map(|()| self.one_of(pool));
        if !self.one_in(5) {
            let address = self.mapped();
            self.push(sequence, Inst::imm(Op::LoadImm, base, address as i64));
            if !self.one_in(4) {
                // Mostly as no constant, which accesses would take into their addresses.
                sequence.out.push(Inst::two(Op::OrImm, base, base, 0));
            }
        }
        let at = self.rng.i64(-20..20);
        if self.one_in(4) {
            return self.spill_within_product(sequence, base, at);
        }
        // Nothing random in between: most of what there is needs the register that the word is kept in, or may overwrite the word.
        sequence.out.push(Inst::two(Op::StoreIndU64, word, base, at));
        for _ in 0..self.rng.u8(0..4) {
            self.meanwhile(sequence, base, at);
        }
        let (load, from) = match self.rng.u8(0..8) {
            0 => (Op::LoadIndU32, at),
            1 => (Op::LoadIndU64, at + self.rng.i64(-8..9)),
            _ => (Op::LoadIndU64, at),
        };
        self.push(sequence, Inst::two(load, loaded, base, from));
        if self.rng.bool() {
            let [to, other] = [(); 2].map(|()| self.one_of(pool));
            let (a, b) = if self.rng.bool() { (other, loaded) } else { (loaded, other) };
            let to = if self.one_in(3) { to } else { other };
            let op = self.one_of(&OPERATIONS);
            self.push(sequence, Inst::three(op, to, a, b));
            // What was loaded can go when it is not looked at again.
            if !self.one_in(3) {
                self.push(sequence, Inst::imm(Op::LoadImm, loaded, 5));
            }
            return self.looked_at(sequence, to);
        }
        self.looked_at(sequence, loaded);
    }

    /// The same while one half of a product waits for the other.
    fn spill_within_product(&mut self, sequence: &mut Sequence<'_>, base: u8, at: i64) {
        let [half, a, b, word, loaded] = [(); 5].map(|()| self.one_of(sequence.pool));
        let mut halves = [Op::Mul64, Op::MulUpperUU];
        self.rng.shuffle(&mut halves);
        sequence.out.extend([
            Inst::three(halves[0], half, a, b),
            Inst::two(Op::StoreIndU64, half, base, at + 8),
            Inst::two(Op::StoreIndU64, word, base, at),
            Inst::two(Op::LoadIndU64, loaded, base, at),
            Inst::three(halves[1], half, a, b),
        ]);
        self.looked_at(sequence, half);
    }

    /// Something that may overwrite the word, or the register it is kept in.
    fn meanwhile(&mut self, sequence: &mut Sequence<'_>, base: u8, at: i64) {
        let pool = sequence.pool;
        let [a, b, d] = [(); 3].map(|()| self.one_of(pool));
        let near = at + self.rng.i64(-9..10);
        let inst = match self.rng.u8(0..14) {
            0 | 1 | 10 | 11 => Inst::two(self.one_of(&STORES), a, base, near),
            2 => {
                let (op, y) = (self.one_of(&STORES_OF_IMMEDIATES), self.rng.i64(-5..5));
                Inst { y, ..Inst::two(op, base, 0, near) }
            }
            // By way of another register.
            3 | 12 | 13 => {
                let (op, apart) = self.one_of(&[(Op::AddImm64, -8), (Op::OrImm, 0), (Op::XorImm, 8), (Op::XorImm, 16)]);
                sequence.out.push(Inst::two(op, d, base, apart));
                Inst::two(self.one_of(&STORES), a, d, near)
            }
            4 => {
                let (op, address) = (self.one_of(&[Op::StoreU8, Op::StoreU64]), self.mapped());
                Inst::imm(op, a, address as i64)
            }
            5 => Inst::two(Op::AddImm64, base, base, self.rng.i64(-9..10)),
            6 => Inst::three(self.one_of(&[Op::SetLtU, Op::MulUpperUU, Op::ShloL64, Op::MinU, Op::Mul64]), d, a, b),
            7 => Inst::three(self.one_of(&OPERATIONS), d, a, b),
            8 => Inst::two(self.one_of(&[Op::XorImm, Op::RotR32Imm, Op::SharRImm64, Op::CmovIzImm]), d, a, 7),
            _ => Inst::three(Op::MoveReg, d, a, 0),
        };
        sequence.out.push(inst);
    }
}
