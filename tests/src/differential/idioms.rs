//! Sequences that the optimiser looks for (`compiler/src/optimise`), and near misses of them: with random registers, which are often the same,
//! immediates around those that matter, and other instructions in between.

use tvm_isa::Op;

use super::draw::Draw as _;
use super::generate::Generator;
use super::operations::{
    ARITHMETIC, BRANCHES, BRANCHES_IMM, LOADS, STORES, STORES_OF_IMMEDIATES, WIDE, WIDE_IMM, WORD_OPERATIONS,
    WORD_OPERATIONS_IMM,
};
use crate::assemble::Inst;

/// Most additions of a constant to an address. The optimiser follows eight steps.
const MAX_ADDITIONS: usize = 11;

impl Generator {
    /// Few registers, so that sequences meet and overwrite each other's.
    pub(super) fn registers(&mut self) -> Vec<u8> {
        (0..self.rng.usize(3..8)).map(|_| self.rng.u8(0..13)).collect()
    }

    /// A sequence, in the registers of `pool`.
    pub(super) fn idiom(&mut self, pool: &[u8]) -> Vec<Inst> {
        let mut sequence = Sequence { pool, out: Vec::new() };
        match self.rng.u8(0..31) {
            20..25 => self.question(&mut sequence),
            25.. => self.spill(&mut sequence),
            16..19 => self.memory_operand(&mut sequence),
            19 => self.bitwise(&mut sequence),
            0..5 => self.computed_address(&mut sequence),
            5..7 => self.pair_of_shifts(&mut sequence),
            7..9 => self.constant(&mut sequence),
            9..11 => self.carry(&mut sequence),
            11..13 => self.word(&mut sequence),
            13 => self.product(&mut sequence),
            _ => self.end(&mut sequence),
        }
        sequence.out
    }

    /// An instruction that looks for nothing, in the registers of `pool`.
    pub(super) fn anything(&mut self, pool: &[u8]) -> Vec<Inst> {
        let mut sequence = Sequence { pool, out: Vec::new() };
        self.between(&mut sequence);
        sequence.out
    }

    /// Another register, or often the same: computing in place.
    pub(super) fn target(&mut self, pool: &[u8], source: u8) -> u8 {
        if self.rng.bool() { source } else { self.one_of(pool) }
    }

    pub(super) fn push(&mut self, sequence: &mut Sequence<'_>, inst: Inst) {
        sequence.out.push(inst);
        if self.one_in(5) {
            self.between(sequence);
        }
    }

    /// Something else: an operation, a copy, or an access.
    fn between(&mut self, sequence: &mut Sequence<'_>) {
        let [d, a, b] = [(); 3].map(|()| self.one_of(sequence.pool));
        match self.rng.u8(0..8) {
            0..3 => sequence.out.push(Inst::three(self.one_of(&ARITHMETIC), d, a, b)),
            3..5 => sequence.out.push(Inst::three(Op::MoveReg, d, a, 0)),
            5 => sequence.out.push(Inst::imm(Op::LoadImm, d, self.rng.i64(-3..70))),
            // Often to where nothing is: the registers of what is not finished are seen.
            6 => {
                let op = self.one_of(&[Op::StoreU8, Op::LoadU32, Op::StoreU64, Op::LoadI8]);
                let address = if self.one_in(4) { self.address() } else { self.mapped() };
                sequence.out.push(Inst::imm(op, d, i64::from(address as i32)));
            }
            _ => sequence.out.push(Inst { x: self.rng.i64(0..9), ..Inst::new(Op::Ecalli) }),
        }
    }

    /// An address away from the ends of mapped pages that can be written.
    pub(super) fn mapped(&mut self) -> u64 {
        self.rng.u64(0x13400..0x14c00)
    }

    /// `base + index · size`, and accesses there.
    fn computed_address(&mut self, sequence: &mut Sequence<'_>) {
        let pool = sequence.pool;
        let [base, index] = [(); 2].map(|()| self.one_of(pool));
        if !self.one_in(4) {
            let address = if self.one_in(3) { self.address() } else { self.mapped() };
            let wide = self.one_in(4);
            let (op, x) = if wide { (Op::LoadImm64, address as i64) } else { (Op::LoadImm, (address as i32).into()) };
            self.push(sequence, Inst::imm(op, base, x));
        }
        if !self.one_in(5) {
            let mask = self.one_of(&[7, 15, 63, 255, -1]);
            self.push(sequence, Inst::two(Op::AndImm, index, index, mask));
        }
        let mut sum = index;
        if !self.one_in(5) {
            sum = self.scaled(sequence, index);
        }
        let with_base = self.target(pool, sum);
        let add = self.one_of(&[Op::Add64, Op::Add64, Op::Add64, Op::Add32]);
        let (a, b) = if self.rng.bool() { (sum, base) } else { (base, sum) };
        self.push(sequence, Inst::three(add, with_base, a, b));
        sum = with_base;
        let additions = if self.one_in(6) { self.rng.usize(0..MAX_ADDITIONS) } else { self.rng.usize(0..3) };
        for _ in 0..additions {
            sum = self.added(sequence, sum);
        }
        if self.one_in(4) {
            // The step of a loop, as schedulers put it before the access.
            let (op, by) = (self.one_of(&[Op::AddImm64, Op::AddImm32]), self.one_of(&[-1, 1, 8]));
            let stepped = if self.one_in(4) { base } else { index };
            self.push(sequence, Inst::two(op, stepped, stepped, by));
        }
        for _ in 0..self.rng.u8(1..3) {
            self.access(sequence, sum);
        }
        if self.one_in(4) {
            let [d, other] = [(); 2].map(|()| self.one_of(pool));
            let op = self.one_of(&WIDE);
            self.push(sequence, Inst::three(op, d, sum, other));
        }
    }

    /// `index` shifted to the left by a little, in one of the ways of compilers.
    fn scaled(&mut self, sequence: &mut Sequence<'_>, index: u8) -> u8 {
        let scaled = self.target(sequence.pool, index);
        let scale = self.rng.i64(0..5);
        match self.rng.u8(0..6) {
            0..3 => self.push(sequence, Inst::two(Op::ShloLImm64, scaled, index, scale)),
            3 => self.push(sequence, Inst::two(Op::ShloLImm32, scaled, index, scale)),
            _ => {
                self.push(sequence, Inst::two(Op::ShloLImm64, scaled, index, 32));
                self.push(sequence, Inst::two(Op::ShloRImm64, scaled, scaled, 32 - scale));
            }
        }
        scaled
    }

    /// `sum` with a constant or nothing added.
    fn added(&mut self, sequence: &mut Sequence<'_>, sum: u8) -> u8 {
        let to = self.target(sequence.pool, sum);
        match self.rng.u8(0..6) {
            0 => self.push(sequence, Inst::three(Op::MoveReg, to, sum, 0)),
            kind => {
                let op = if kind == 1 { Op::AddImm32 } else { Op::AddImm64 };
                let by = self.one_of(&[-8, -1, 0, 1, 4, 16, 127]);
                self.push(sequence, Inst::two(op, to, sum, by));
            }
        }
        to
    }

    fn access(&mut self, sequence: &mut Sequence<'_>, at: u8) {
        let data = self.one_of(sequence.pool);
        let disp = if self.one_in(16) { self.rng.i32(..).into() } else { self.rng.i64(-9..24) };
        let inst = match self.rng.u8(0..8) {
            0..4 => Inst::two(self.one_of(&LOADS), data, at, disp),
            4..7 => Inst::two(self.one_of(&STORES), data, at, disp),
            _ => Inst { y: self.rng.i64(-3..300), ..Inst::imm(self.one_of(&STORES_OF_IMMEDIATES), at, disp) },
        };
        self.push(sequence, inst);
    }

    /// Two shifts that extend the lower half of a register, or nearly so.
    fn pair_of_shifts(&mut self, sequence: &mut Sequence<'_>) {
        let pool = sequence.pool;
        let source = self.one_of(pool);
        let first = self.target(pool, source);
        let second = self.target(pool, first);
        let up = if self.one_in(5) { self.rng.i64(28..37) } else { 32 };
        let down = if self.one_in(5) { self.rng.i64(0..65) } else { self.rng.i64(28..37) };
        let back = self.one_of(&[Op::ShloRImm64, Op::SharRImm64]);
        self.push(sequence, Inst::two(Op::ShloLImm64, first, source, up));
        self.push(sequence, Inst::two(back, second, first, down));
        if self.rng.bool() {
            self.looked_at(sequence, second);
        }
    }

    /// A register with a known value, and operations on it.
    fn constant(&mut self, sequence: &mut Sequence<'_>) {
        let known = self.one_of(sequence.pool);
        let (op, value) = match self.rng.u8(0..8) {
            0..4 => (Op::LoadImm, self.value() as i32 as i64),
            4..6 => (Op::LoadImm64, self.value() as i64),
            _ => (Op::LoadImm64, self.value() as i32 as i64),
        };
        self.push(sequence, Inst::imm(op, known, value));
        let held = self.copied(sequence, known);
        for _ in 0..self.rng.u8(1..4) {
            let [d, other] = [(); 2].map(|()| self.one_of(sequence.pool));
            let (a, b) = if self.rng.bool() { (held, other) } else { (other, held) };
            match self.rng.u8(0..6) {
                0..4 => {
                    let op = self.one_of(&ARITHMETIC);
                    self.push(sequence, Inst::three(op, d, a, b));
                }
                4 => self.stored(sequence, held),
                _ => {
                    let op = self.one_of(&BRANCHES);
                    sequence.out.push(Inst::two(op, a, b, 0));
                }
            }
        }
    }

    /// Sometimes a copy of a register.
    fn copied(&mut self, sequence: &mut Sequence<'_>, of: u8) -> u8 {
        if !self.one_in(4) {
            return of;
        }
        let copy = self.one_of(sequence.pool);
        self.push(sequence, Inst::three(Op::MoveReg, copy, of, 0));
        copy
    }

    /// A comparison, and the addition or subtraction of its outcome.
    fn carry(&mut self, sequence: &mut Sequence<'_>) {
        let pool = sequence.pool;
        let [left, right, outcome, from] = [(); 4].map(|()| self.one_of(pool));
        let (a, b) = if self.one_in(3) { (right, left) } else { (left, right) };
        match self.rng.u8(0..8) {
            0..4 => self.push(sequence, Inst::three(Op::Add64, left, a, b)),
            4 => {
                let summand = self.one_of(pool);
                self.push(sequence, Inst::three(Op::Add64, left, summand, right));
            }
            5 => {
                let difference = self.one_of(pool);
                self.push(sequence, Inst::three(Op::Sub64, difference, a, b));
            }
            _ => {}
        }
        if self.one_in(3) {
            self.between(sequence);
        }
        let comparison = match self.rng.u8(0..8) {
            0..5 => Inst::three(Op::SetLtU, outcome, left, right),
            5..7 => Inst::two(Op::SetLtUImm, outcome, left, self.value() as i32 as i64),
            _ => Inst::three(Op::SetLtS, outcome, left, right),
        };
        self.push(sequence, comparison);
        if self.one_in(4) {
            let overwritten = self.one_of(&[left, right, from]);
            let other = self.one_of(pool);
            let op = self.one_of(&ARITHMETIC);
            self.push(sequence, Inst::three(op, overwritten, overwritten, other));
        }
        let to = self.target(pool, from);
        let op = self.one_of(&[Op::Add64, Op::Sub64, Op::Add32, Op::Sub32]);
        let (a, b) = if self.one_in(3) { (outcome, from) } else { (from, outcome) };
        self.push(sequence, Inst::three(op, to, a, b));
        // The outcome of a comparison that is not looked at again can go.
        if self.rng.bool() {
            self.push(sequence, Inst::imm(Op::LoadImm, outcome, 5));
        }
        if self.rng.bool() {
            self.looked_at(sequence, to);
        }
    }

    /// Operations on lower halves, and those who look at their results.
    fn word(&mut self, sequence: &mut Sequence<'_>) {
        let mut result = self.one_of(sequence.pool);
        for _ in 0..self.rng.u8(1..4) {
            let (from, other) = (self.target(sequence.pool, result), self.one_of(sequence.pool));
            let inst = if self.rng.bool() {
                Inst::three(self.one_of(&WORD_OPERATIONS), result, from, other)
            } else {
                Inst::two(self.one_of(&WORD_OPERATIONS_IMM), result, from, self.value() as i32 as i64)
            };
            self.push(sequence, inst);
            result = self.copied(sequence, result);
        }
        self.looked_at(sequence, result);
    }

    /// Somebody who looks at a register, at all of it or at a part.
    pub(super) fn looked_at(&mut self, sequence: &mut Sequence<'_>, result: u8) {
        let [d, other] = [(); 2].map(|()| self.one_of(sequence.pool));
        match self.rng.u8(0..10) {
            0 => {
                let op = self.one_of(&BRANCHES);
                sequence.out.push(Inst::two(op, result, other, 0));
            }
            1 => {
                let op = self.one_of(&BRANCHES_IMM);
                sequence.out.push(Inst::imm(op, result, self.value() as i32 as i64));
            }
            2 | 3 => self.stored(sequence, result),
            4 => self.access(sequence, result),
            5 => {
                let base = self.one_of(sequence.pool);
                let address = self.mapped();
                self.push(sequence, Inst::two(Op::AndImm, result, result, 63));
                self.push(sequence, Inst::imm(Op::LoadImm, base, address as i64));
                self.push(sequence, Inst::three(Op::Add64, d, base, result));
                self.access(sequence, d);
            }
            6 | 7 => self.mixed(sequence, result, d),
            _ => {
                let op = self.one_of(&WIDE);
                self.push(sequence, Inst::three(op, d, result, other));
            }
        }
    }

    /// An operation on 64 bits of `result` of which only the lower ones are stored, and after which nobody wants either.
    fn mixed(&mut self, sequence: &mut Sequence<'_>, result: u8, d: u8) {
        let by = self.rng.i64(0..64);
        let op = self.one_of(&WIDE_IMM);
        self.push(sequence, Inst::two(op, d, result, by));
        let store = self.one_of(&[Op::StoreU8, Op::StoreU16, Op::StoreU32]);
        let address = self.mapped();
        self.push(sequence, Inst::imm(store, d, address as i64));
        for overwritten in [result, d] {
            self.push(sequence, Inst::imm(Op::LoadImm, overwritten, by));
        }
    }

    /// A store of a register where it will be compared.
    pub(super) fn stored(&mut self, sequence: &mut Sequence<'_>, data: u8) {
        let op = self.one_of(&[Op::StoreU8, Op::StoreU16, Op::StoreU32, Op::StoreU64, Op::StoreU64]);
        let address = self.mapped();
        self.push(sequence, Inst::imm(op, data, address as i64));
    }

    /// Both halves of a product.
    fn product(&mut self, sequence: &mut Sequence<'_>) {
        if self.one_in(3) {
            return self.crossing_products(sequence);
        }
        let [low, mut high, a, b] = [(); 4].map(|()| self.one_of(sequence.pool));
        // As compilers do that are short of registers.
        let stored = self.one_in(3);
        if stored {
            high = low;
        }
        let upper = self.one_of(&[Op::MulUpperUU, Op::MulUpperUU, Op::MulUpperSS, Op::MulUpperSU]);
        let mut pair = [Inst::three(Op::Mul64, low, a, b), Inst::three(upper, high, a, b)];
        self.rng.shuffle(&mut pair);
        let [first, second] = pair;
        self.push(sequence, first);
        if stored {
            self.stored(sequence, low);
        }
        if self.one_in(3) {
            self.between(sequence);
        }
        self.push(sequence, second);
        if stored {
            self.stored(sequence, high);
        }
    }

    /// The halves of two products, of which one begins before the other ends.
    fn crossing_products(&mut self, sequence: &mut Sequence<'_>) {
        let mut registers: [u8; 13] = std::array::from_fn(|index| index as u8);
        self.rng.shuffle(&mut registers);
        let [a, b, c, one, low, high, ..] = registers;
        let mut products = [(one, one, a), (low, high, c)].map(|(low, high, factor)| {
            let mut halves = [(Op::Mul64, low), (Op::MulUpperUU, high)].map(|(op, d)| Inst::three(op, d, factor, b));
            self.rng.shuffle(&mut halves);
            halves
        });
        self.rng.shuffle(&mut products);
        for half in [products[0][0], products[1][0], products[0][1], products[1][1]] {
            self.push(sequence, half);
            if half.d == one {
                self.stored(sequence, one);
            }
        }
    }

    /// A load, and an operation on what it loaded.
    fn memory_operand(&mut self, sequence: &mut Sequence<'_>) {
        let pool = sequence.pool;
        let [base, loaded, result, other] = [(); 4].map(|()| self.one_of(pool));
        if !self.one_in(4) {
            let address = if self.one_in(4) { self.address() } else { self.mapped() };
            self.push(sequence, Inst::imm(Op::LoadImm, base, (address as i32).into()));
        }
        let loads = [Op::LoadIndU64, Op::LoadIndU64, Op::LoadIndU64, Op::LoadIndU32, Op::LoadIndI32, Op::LoadIndU8];
        let load = Inst::two(self.one_of(&loads), loaded, base, self.rng.i64(-9..24));
        self.push(sequence, load);
        for _ in 0..self.rng.u8(0..3) {
            self.between(sequence);
        }
        let operations =
            [Op::Add64, Op::Sub64, Op::And, Op::Or, Op::Xor, Op::Mul64, Op::Add32, Op::Sub32, Op::Mul32, Op::AndInv];
        let op = self.one_of(&operations);
        let to = if self.one_in(4) { result } else { other };
        let (a, b) = if self.one_in(3) { (loaded, other) } else { (other, loaded) };
        self.push(sequence, Inst::three(op, to, a, b));
        // What was loaded can go when it is not looked at again.
        if !self.one_in(4) {
            self.push(sequence, Inst::imm(Op::LoadImm, loaded, 5));
        }
        if self.rng.bool() {
            self.looked_at(sequence, to);
        }
    }

    /// Operations on lower halves that are combined bit by bit.
    fn bitwise(&mut self, sequence: &mut Sequence<'_>) {
        let pool = sequence.pool;
        let words: Vec<u8> = (0..self.rng.u8(2..5)).map(|_| self.one_of(pool)).collect();
        for &word in &words {
            let from = self.target(pool, word);
            let op = self.one_of(&WORD_OPERATIONS_IMM);
            let by = self.rng.i64(0..40);
            self.push(sequence, Inst::two(op, word, from, by));
        }
        let mut sum = words[0];
        for &word in &words[1..] {
            let to = self.target(pool, sum);
            let op = self.one_of(&[Op::Xor, Op::Xor, Op::And, Op::Or, Op::Add64]);
            self.push(sequence, Inst::three(op, to, sum, word));
            sum = to;
        }
        for &word in &words {
            if word != sum && self.rng.bool() {
                self.push(sequence, Inst::imm(Op::LoadImm, word, 5));
            }
        }
        self.looked_at(sequence, sum);
    }

    /// What ends a region: host calls, branches, jumps of both kinds.
    fn end(&mut self, sequence: &mut Sequence<'_>) {
        let [a, b] = [(); 2].map(|()| self.one_of(sequence.pool));
        let (branch, branch_imm) = (self.one_of(&BRANCHES), self.one_of(&BRANCHES_IMM));
        let value = self.value() as i32 as i64;
        let inst = match self.rng.u8(0..16) {
            0..6 => Inst { x: self.rng.i64(0..9), ..Inst::new(Op::Ecalli) },
            6..9 => Inst::two(branch, a, b, 0),
            9..12 => Inst::imm(branch_imm, a, value),
            12 => Inst::new(Op::Jump),
            13 => Inst::imm(Op::LoadImmJump, a, value),
            14 => Inst { a, b, x: value, y: self.rng.i64(0..20), ..Inst::new(Op::LoadImmJumpInd) },
            _ => {
                // An entry of the jump table; in services the register that halts now and then.
                let outer = self.outer && self.rng.bool();
                if !outer {
                    sequence.out.push(Inst::imm(Op::LoadImm, a, 2 * self.rng.i64(0..9)));
                }
                Inst::imm(Op::JumpInd, if outer { 0 } else { a }, 0)
            }
        };
        sequence.out.push(inst);
    }
}

/// A sequence that grows.
pub(super) struct Sequence<'a> {
    pub pool: &'a [u8],
    pub out: Vec<Inst>,
}
