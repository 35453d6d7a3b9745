//! Short chains of operations, or a loop or calls of a function, many in a program: each begins with numbers from memory, stores what comes out, and
//! leaves nothing else that somebody looks at. A program goes through all of its chains once for each row of numbers.
//!
//! Programs of [`super::Generator`] try what a machine can do; these try what the optimiser makes of a few instructions, many of them in the time
//! that one of those takes.

mod links;
mod pieces;
mod rings;

use anyhow::Context as _;
use fastrand::Rng;
use tvm_isa::{Format, GpVersion, Op};
use tvm_runtime::GuestExit;

use super::case::{Case, Pages};
use super::compare::{compare_once, run};
use super::numbers;
use super::operations::{LOADS, STORES};
use crate::assemble::{Assembler, Inst};
use crate::machine::{Engine, InterpreterEngine};
use links::Links;
use pieces::Chain;

/// Chains in a program.
pub const CHAINS: usize = 128;
/// Rows of numbers that a program goes through.
const ROWS: usize = 16;
/// Numbers in a row.
const WORDS: usize = 8;
/// Registers that a chain computes in. So few that operands are often the same.
const POOL: usize = 4;
/// Registers that loops count in, and links of calls.
const OTHERS: usize = 5;
/// Most links of a chain.
const MAX_LINKS: usize = 6;
/// Results of each chain that are kept of each row.
const SLOTS: usize = 4;
/// Holds the address of the row.
const ROW: u8 = 11;
/// Holds the address of the row's results.
const RESULTS: u8 = 12;
/// First page of the numbers.
const FIRST_PAGE: u32 = 0x30;
/// First page of the results.
const RESULTS_PAGE: u32 = 0x40;
/// Bytes of the results of a row.
const ROW_OF_RESULTS: usize = CHAINS * SLOTS * 8;
/// Gas for every program: more than any needs, and so little that one which got into an endless loop while it was made smaller ends.
const GAS: u64 = 1 << 21;
/// Gas that a chain may use for all rows.
const GAS_OF_CHAIN: u64 = GAS / CHAINS as u64;

/// A program of chains with the numbers that it computes from.
#[derive(Clone, Debug)]
pub struct Chains {
    version: GpVersion,
    chains: Vec<Chain>,
    /// Whether one goes on into the next within a block.
    joined: bool,
    numbers: Vec<u8>,
    outer: bool,
}

/// What chains of a program may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Nothing but straight code, together a block of more than one region.
    Joined,
    /// Straight code and branches over an instruction.
    Simple,
    /// Loops and calls.
    Rings,
}

/// Makes chains from a seed.
pub struct ChainGenerator {
    rng: Rng,
    version: GpVersion,
    operations: Vec<Op>,
}

impl ChainGenerator {
    /// A generator for one version.
    #[must_use]
    pub fn new(seed: u64, version: GpVersion) -> Self {
        let operations = version.rules().opcodes.iter().flatten().copied().filter(|&op| computes(op)).collect();
        Self { rng: Rng::with_seed(seed), version, operations }
    }

    /// The next program.
    ///
    /// # Errors
    /// When the interpreter fails.
    pub fn program(&mut self) -> anyhow::Result<Chains> {
        let kind = match self.rng.u8(0..8) {
            0 => Kind::Joined,
            1..4 => Kind::Rings,
            _ => Kind::Simple,
        };
        let numbers = (0..ROWS).flat_map(|_| numbers::row::<WORDS>(&mut self.rng)).flat_map(u64::to_le_bytes).collect();
        let (version, outer) = (self.version, self.rng.bool());
        let mut program = Chains { version, chains: Vec::new(), joined: kind == Kind::Joined, numbers, outer };
        while program.chains.len() < CHAINS {
            let chain = self.chain(program.chains.len(), kind);
            if kind != Kind::Rings || program.alone(&chain).ends()? {
                program.chains.push(chain);
            }
        }
        Ok(program)
    }

    /// Runs a program on the interpreter and on other engines, to its end and once not quite. Gives the case in which one of them differs.
    ///
    /// # Errors
    /// When an engine itself fails, or the program does not come to its end.
    pub fn check(&mut self, program: &Chains, others: &[impl Engine]) -> anyhow::Result<Option<Case>> {
        let case = program.case();
        let Ok(last) = compare_once(&case, &InterpreterEngine, others)? else { return Ok(Some(case)) };
        let last = last.filter(|last| last.exit == GuestExit::Panic);
        let last = last.context("a program of chains did not come to its end")?;
        let used = case.gas - last.state.gas.0;
        let poor = Case { gas: self.rng.u64(0..used), ..case };
        Ok(compare_once(&poor, &InterpreterEngine, others)?.is_err().then_some(poor))
    }

    /// Chain number `number` of a program.
    fn chain(&mut self, number: usize, kind: Kind) -> Chain {
        let mut registers: [u8; ROW as usize] = std::array::from_fn(|index| index as u8);
        self.rng.shuffle(&mut registers);
        let (pool, others) = registers.split_at(POOL);
        let pool = std::array::from_fn(|index| pool[index]);
        let others = std::array::from_fn(|index| others[index]);
        let (rng, operations) = (&mut self.rng, &self.operations[..]);
        let mut links = Links { rng, operations, pool, others, number, kind, chain: Chain::default() };
        links.start();
        let mut last = pool[0];
        if kind == Kind::Rings {
            last = links.ring(last);
        } else {
            for _ in 0..links.rng.usize(2..=MAX_LINKS) {
                last = links.add(last);
            }
        }
        links.end(last);
        links.chain
    }
}

/// Whether an operation does nothing but compute.
fn computes(op: Op) -> bool {
    let is_access = LOADS.contains(&op) || STORES.contains(&op);
    let computes = matches!(op.info().format, Format::RegRegReg | Format::RegReg | Format::RegRegImm);
    computes && !is_access && op != Op::Sbrk
}

impl Chains {
    /// The programs of one chain each.
    pub fn apart(&self) -> impl Iterator<Item = Self> + '_ {
        self.chains.iter().map(|chain| self.alone(chain))
    }

    /// A program of one chain with the same numbers.
    fn alone(&self, chain: &Chain) -> Self {
        let &Self { version, joined, outer, .. } = self;
        Self { version, chains: vec![chain.clone()], joined, numbers: self.numbers.clone(), outer }
    }

    /// The program with the state it starts in.
    #[must_use]
    pub fn case(&self) -> Case {
        let mut regs = [0; 13];
        regs[usize::from(ROW)] = u64::from(FIRST_PAGE << 12);
        regs[usize::from(RESULTS)] = u64::from(RESULTS_PAGE << 12);
        // Some chains store a little before or behind their places.
        let result_pages = (ROWS * ROW_OF_RESULTS).div_ceil(4096) as u32 + 2;
        let pages = vec![
            Pages { first: FIRST_PAGE, count: 1, writable: true, contents: self.numbers.clone() },
            Pages { first: RESULTS_PAGE - 1, count: result_pages, writable: true, contents: Vec::new() },
        ];
        let version = self.version.name().to_owned();
        Case { version, blob: self.blob(), outer: self.outer, entry: 0, regs, pages, gas: GAS }
    }

    /// The chains one behind the other, in a loop over the rows.
    fn blob(&self) -> Vec<u8> {
        let (mut asm, mut table) = (Assembler::new(self.version), Vec::new());
        let row = asm.here();
        for chain in &self.chains {
            chain.write(&mut asm, &mut table);
            if !self.joined {
                asm.op(Op::Fallthrough);
            }
        }
        asm.push(Inst::two(Op::AddImm64, RESULTS, RESULTS, ROW_OF_RESULTS as i64));
        asm.push(Inst::two(Op::AddImm64, ROW, ROW, WORDS as i64 * 8));
        let end = i64::from(FIRST_PAGE << 12) + self.numbers.len() as i64;
        asm.push(Inst::imm(Op::BranchLtUImm, ROW, end).to(row));
        asm.op(Op::Trap);
        asm.jump_table(&table);
        asm.blob()
    }

    /// Whether it comes to its end with so much gas as a chain may use.
    fn ends(&self) -> anyhow::Result<bool> {
        let stops = run(&self.case(), self.version, &InterpreterEngine, GAS_OF_CHAIN)?;
        Ok(stops.last().is_some_and(|last| last.exit == GuestExit::Panic))
    }
}
