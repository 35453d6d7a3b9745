//! What generated programs reached: operations that executed, and exits.

use std::collections::BTreeMap;
use std::fmt;

use tvm_isa::{Format, Gas, GpVersion, Instruction, OPERATIONS, Op, Pc, Program};
use tvm_runtime::interpreter::{Interpreter, StepObserver};
use tvm_runtime::memory::{GuestMemory, PagedMemory};
use tvm_runtime::{GuestExit, GuestState};

use super::case::Case;
use super::generate::Kind;

/// Instructions of a case that are looked at for coverage.
const MAX_STEPS: u64 = 2000;

/// Counts over many cases.
#[derive(Clone, Default, Debug)]
pub struct Coverage {
    /// Cases by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Executions of each operation, by its discriminant.
    pub operations: BTreeMap<u8, u64>,
    /// Exits by name.
    pub exits: BTreeMap<&'static str, u64>,
    /// Cases that no engine runs, because they are malformed.
    pub refused: u64,
    /// Instructions in which operands are the same register: (d = a), (d = b), (a = b), all three.
    pub aliased: [u64; 4],
}

impl Coverage {
    /// Counts a case's exits.
    pub fn exits(&mut self, kind: Kind, exits: &[GuestExit]) {
        *self.kinds.entry(kind).or_default() += 1;
        self.refused += u64::from(exits.is_empty());
        for exit in exits {
            *self.exits.entry(exit_name(*exit)).or_default() += 1;
        }
    }

    /// Counts the operations that a case executes.
    ///
    /// # Errors
    /// When the machine fails.
    pub fn operations(&mut self, case: &Case) -> anyhow::Result<()> {
        let rules = case.version()?.rules();
        let Ok(program) = Program::parse(&case.blob) else { return Ok(()) };
        if program.validate(rules).is_err() {
            return Ok(());
        }
        let mut interpreter = Interpreter::new(program, rules);
        let mut state = GuestState::new(Pc(case.entry), Gas(case.gas));
        state.regs = case.regs;
        let mut memory = GuestMemory::Paged(PagedMemory::new());
        for pages in &case.pages {
            memory.set_access(pages.first, pages.count, tvm_runtime::memory::Access::Write)?;
            memory.initialise(tvm_isa::GuestAddr(pages.first << 12), &pages.contents)?;
        }
        interpreter.run_observed(&mut state, &mut memory, Some(MAX_STEPS), self)?;
        Ok(())
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: Self) {
        let Self { kinds, operations, exits, refused, aliased } = other;
        kinds.into_iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
        operations.into_iter().for_each(|(op, count)| *self.operations.entry(op).or_default() += count);
        exits.into_iter().for_each(|(exit, count)| *self.exits.entry(exit).or_default() += count);
        self.refused += refused;
        self.aliased.iter_mut().zip(aliased).for_each(|(sum, count)| *sum += count);
    }

    /// Operations of a version that were never executed.
    #[must_use]
    pub fn missing(&self, version: GpVersion) -> Vec<&'static str> {
        let defined = |op: Op| version.rules().opcodes.contains(&Some(op));
        OPERATIONS
            .iter()
            .filter(|operation| defined(operation.op) && !self.operations.contains_key(&(operation.op as u8)))
            .map(|operation| operation.name)
            .collect()
    }

    /// Kinds of exit that were never reached.
    #[must_use]
    pub fn missing_exits(&self) -> Vec<&'static str> {
        EXITS.into_iter().filter(|name| !self.exits.contains_key(name)).collect()
    }
}

const EXITS: [&str; 5] = ["halt", "panic", "out-of-gas", "page-fault", "host-call"];

fn exit_name(exit: GuestExit) -> &'static str {
    match exit {
        GuestExit::Halt => EXITS[0],
        GuestExit::Panic => EXITS[1],
        GuestExit::OutOfGas => EXITS[2],
        GuestExit::PageFault(_) => EXITS[3],
        GuestExit::HostCall(_) => EXITS[4],
    }
}

impl StepObserver for Coverage {
    fn before_step(&mut self, instruction: &Instruction, _state: &GuestState) {
        *self.operations.entry(instruction.op as u8).or_default() += 1;
        let Instruction { a, b, d, .. } = *instruction;
        if instruction.op.info().format == Format::RegRegReg {
            let same = [d == a, d == b, a == b, d == a && a == b];
            for (count, same) in self.aliased.iter_mut().zip(same) {
                *count += u64::from(same);
            }
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: Vec<(String, u64)>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        let kinds = self.kinds.iter().map(|(kind, count)| (format!("{kind:?}").to_lowercase(), *count)).collect();
        writeln!(f, "programs: {}, of which malformed {}", list(kinds), self.refused)?;
        let exits = self.exits.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        writeln!(f, "exits: {}", list(exits))?;
        let [da, db, ab, all] = self.aliased;
        writeln!(f, "three-register instructions with equal operands: d=a {da}, d=b {db}, a=b {ab}, d=a=b {all}")?;
        let operations = OPERATIONS
            .iter()
            .filter_map(|row| Some((row.name.to_owned(), *self.operations.get(&(row.op as u8))?)))
            .collect();
        writeln!(f, "instructions executed: {}", list(operations))
    }
}
