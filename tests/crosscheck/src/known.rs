//! Where the two engines are known to differ, and why. docs/gas-crosscheck.md has the rules that decide.
//!
//! A disagreement is accepted only in the situation it belongs to, and only when each engine does exactly what its own
//! rule says there; everything else fails.

use std::fmt;

use tvm_isa::{Format, GuestAddr, Instruction, Op, Pc, Program};
use tvm_runtime::GuestExit;
use tvm_runtime::memory::Access;

use crate::machine::Snapshot;
use crate::ours::VERSION;

/// A way in which the engines differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Disagreement {
    /// A program whose last instruction may run on is refused by polkavm. Both get a `trap` behind it.
    OpenEnd,
    /// polkavm takes the low four bits of a third register's byte. It gets the byte that says what the Gray Paper does.
    ThirdRegister,
    /// An access that ends exactly at 2^32 traps in polkavm. The run ends there.
    TopOfMemory,
    /// A store from a read-only page into a page that is not there: polkavm names the second page. The run goes on, with
    /// the first page made writable.
    ReadOnlyBeforeMissing,
    /// polkavm stops at accesses to nothing with a trap, as standard programs do: the Gray Paper's machine faults first,
    /// and the invocation makes a panic of that.
    FaultOfStandardProgram,
}

/// What there is to know about a run.
pub struct Situation<'a> {
    /// The program, as TVM has it.
    pub program: Program<'a>,
    /// The rights of a page at the start of the run, by its first address.
    pub access: &'a dyn Fn(u32) -> Access,
    /// Whether the program is a standard program, for which polkavm does not report faults.
    pub standard: bool,
}

/// The disagreement that explains two different stops, and whether the machines are in the same state all the same.
pub fn explain(situation: &Situation<'_>, ours: &Snapshot, theirs: &Snapshot) -> Option<(Disagreement, bool)> {
    let otherwise_same = Snapshot { exit: theirs.exit, ..ours.clone() } == *theirs;
    match (ours.exit, theirs.exit) {
        (GuestExit::PageFault(first), GuestExit::PageFault(second)) if otherwise_same => {
            let spans_both = second.0 == first.0 + GuestAddr::PAGE_SIZE
                && (situation.access)(first.0) == Access::Read
                && (situation.access)(second.0) == Access::None
                && accessed(situation, theirs)?.store;
            spans_both.then_some((Disagreement::ReadOnlyBeforeMissing, true))
        }
        (GuestExit::PageFault(_), GuestExit::Panic) if situation.standard && otherwise_same => {
            Some((Disagreement::FaultOfStandardProgram, false))
        }
        (_, GuestExit::Panic) => {
            let AccessedBytes { start, len, .. } = accessed(situation, theirs)?;
            (u64::from(start) + u64::from(len) == 1 << 32).then_some((Disagreement::TopOfMemory, false))
        }
        _ => None,
    }
}

/// The memory that an instruction accesses.
struct AccessedBytes {
    start: u32,
    len: u32,
    store: bool,
}

/// What the instruction accesses that stopped a machine, if it is a load or store.
fn accessed(situation: &Situation<'_>, stop: &Snapshot) -> Option<AccessedBytes> {
    let Instruction { op, a, b, x, .. } = Instruction::decode(&situation.program, VERSION.rules(), Pc(stop.pc?));
    let (len, store) = width(op)?;
    let start = match op.info().format {
        Format::RegImmImm => stop.regs[a.index()].wrapping_add(x),
        Format::RegRegImm => stop.regs[b.index()].wrapping_add(x),
        _ => x,
    };
    Some(AccessedBytes { start: start as u32, len, store })
}

/// Bytes that a load or store accesses, and whether it is a store.
fn width(op: Op) -> Option<(u32, bool)> {
    let name = op.name();
    let store = name.starts_with("store_");
    let bits = name.rsplit(['u', 'i']).next()?;
    let is_access = store || name.starts_with("load_") && op.info().format != Format::RegImm64;
    if !is_access || op == Op::LoadImm || op.terminates_block() {
        return None;
    }
    Some((bits.parse::<u32>().ok()? / 8, store))
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenEnd => "last instruction may run on",
            Self::ThirdRegister => "third register of 16 or more",
            Self::TopOfMemory => "access that ends at 2^32",
            Self::ReadOnlyBeforeMissing => "store from a read-only page into a missing one",
            Self::FaultOfStandardProgram => "fault of a standard program",
        })
    }
}
