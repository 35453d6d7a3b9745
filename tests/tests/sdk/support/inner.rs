//! Programs for inner machines, and commands that run them.

use tvm_isa::{GpVersion, Op, Pc, Program};
use tvm_tests::assemble::{Assembler, Inst};

use super::commands::{Answers, Commands, at, n};

/// Where programs are put in the scratch area.
pub const PROGRAM: u32 = 0x1000;
/// Where gas and registers are exchanged.
pub const EXCHANGE: u32 = 0x100;
/// A page of the inner machine, and its first address.
pub const PAGE: u64 = 32;
pub const ADDRESS: u64 = PAGE << 12;

/// A program for an inner machine, and where its blocks start.
pub struct Inner {
    version: GpVersion,
    pub blob: Vec<u8>,
    /// Program counters that the test wants to know.
    pub marks: Vec<u64>,
}

impl Inner {
    /// Adds up the numbers from φ7 down to 1 in φ8, stores the sum where φ9 points, calls host function 42, loads
    /// what is behind the sum to φ10, and halts.
    pub fn sums(version: GpVersion) -> Self {
        let mut asm = Assembler::new(version);
        let start = asm.here();
        asm.push(Inst::three(Op::Add64, 8, 8, 7));
        asm.push(Inst::two(Op::AddImm64, 7, 7, -1));
        asm.push(Inst::imm(Op::BranchNeImm, 7, 0).to(start));
        let store = asm.push(Inst::two(Op::StoreIndU64, 8, 9, 0));
        let call = asm.ecalli(42);
        let load = asm.push(Inst::two(Op::LoadIndU64, 10, 9, 8));
        asm.halt();
        Self { version, blob: asm.blob(), marks: [store, call, load].map(u64::from).to_vec() }
    }

    /// Any program.
    pub fn of(version: GpVersion, build: impl FnOnce(&mut Assembler)) -> Self {
        let mut asm = Assembler::new(version);
        build(&mut asm);
        Self { version, blob: asm.blob(), marks: Vec::new() }
    }

    /// What the block at `pc` costs where gas is charged by the block.
    pub fn block(&self, pc: u64) -> u64 {
        let program = Program::parse(&self.blob).expect("a program");
        tvm_isa::gas::block_cost(&program, self.version.rules(), Pc(pc as u32)).0
    }

    /// Makes a machine of it.
    pub fn machine(&self, commands: Commands, pc: u64) -> Commands {
        let len = self.blob.len() as u64;
        commands.put(PROGRAM, &self.blob).call("machine", &[at(PROGRAM.into()), n(len), n(pc)])
    }
}

/// Sets gas and registers, runs machine `index`, and shows what came of it.
pub fn run(commands: Commands, index: u64, gas: u64, regs: [u64; 13]) -> Commands {
    resume(commands.put(EXCHANGE + 8, &words(&regs)), index, gas)
}

/// Runs machine `index` with the registers there are.
pub fn resume(commands: Commands, index: u64, gas: u64) -> Commands {
    let commands = commands.put(EXCHANGE, &gas.to_le_bytes());
    commands.call("invoke", &[n(index), at(EXCHANGE.into())]).show(EXCHANGE, 112)
}

/// Both results, gas and registers.
pub fn outcome(answers: &mut Answers) -> ((u64, u64), u64, [u64; 13]) {
    let results = answers.both();
    let gas = answers.number();
    (results, gas, std::array::from_fn(|_| answers.number()))
}

pub fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The registers of [`Inner::sums`] for the sum up to `count`.
pub fn count_to(count: u64) -> [u64; 13] {
    let mut regs = [0; 13];
    (regs[7], regs[9], regs[12]) = (count, ADDRESS, u64::MAX);
    regs
}
