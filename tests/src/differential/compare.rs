//! Runs a case on several engines and compares everything a guest or host can observe.

use std::fmt;

use tvm_isa::{Container, Gas, GpVersion};
use tvm_runtime::{GuestExit, GuestState, StopAtHostCalls};

use super::case::{Case, OUTER_PAGES};
use crate::machine::{Engine, Machine};

/// Host calls after which a run is given up: enough to see that resuming works.
const MAX_HOST_CALLS: usize = 24;

/// Arguments of standard programs.
const ARGUMENTS: &[u8] = b"arguments";

/// What could be seen when a machine stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// How it stopped.
    pub exit: GuestExit,
    /// Registers, gas, program counter.
    pub state: GuestState,
    /// Whether the engine promises that all registers are exact there.
    pub shows_registers: bool,
    /// Contents of pages, by the first of them; `None` if they are not all readable.
    pub memory: Vec<(u32, Option<Vec<u8>>)>,
}

/// A difference between the reference and another engine.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The engine's name.
    pub engine: &'static str,
    /// The gas the run was started with.
    pub gas: u64,
    /// Number of the stop that differs.
    pub stop: usize,
    /// What the reference did.
    pub expected: String,
    /// What the other engine did.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, gas, stop, expected, found } = self;
        write!(f, "{engine} with gas {gas}, at stop {stop}:\n  expected {expected}\n  found    {found}")
    }
}

/// What the engines agreed on.
pub struct Agreement {
    /// Every exit seen, at every gas limit.
    pub exits: Vec<GuestExit>,
}

/// Runs `case` with its own gas and with limits around what it really costs.
///
/// # Errors
/// When an engine itself fails.
pub fn compare(
    case: &Case,
    reference: &dyn Engine,
    others: &[impl Engine],
) -> anyhow::Result<Result<Agreement, Difference>> {
    let version = case.version()?;
    let mut exits = Vec::new();
    let expected = run(case, version, reference, case.gas)?;
    for gas in limits(case.gas, expected.last()) {
        let expected = if gas == case.gas { expected.clone() } else { run(case, version, reference, gas)? };
        if let Some(difference) = against(case, version, &expected, others, gas)? {
            return Ok(Err(difference));
        }
        exits.extend(expected.iter().map(|stop| stop.exit));
    }
    Ok(Ok(Agreement { exits }))
}

/// The same with the case's own gas only; gives the last stop, if the program is not malformed.
///
/// # Errors
/// When an engine itself fails.
pub fn compare_once(
    case: &Case,
    reference: &dyn Engine,
    others: &[impl Engine],
) -> anyhow::Result<Result<Option<Stop>, Difference>> {
    let version = case.version()?;
    let mut expected = run(case, version, reference, case.gas)?;
    Ok(match against(case, version, &expected, others, case.gas)? {
        Some(difference) => Err(difference),
        None => Ok(expected.pop()),
    })
}

/// The first difference of other engines to what is expected.
fn against(
    case: &Case,
    version: GpVersion,
    expected: &[Stop],
    others: &[impl Engine],
    gas: u64,
) -> anyhow::Result<Option<Difference>> {
    for other in others {
        let found = run(case, version, other, gas)?;
        if let Some(difference) = first_difference(other.name(), gas, expected, &found) {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

/// The gas limits to run with: the given one, and those around what was used.
fn limits(gas: u64, last: Option<&Stop>) -> Vec<u64> {
    let Some(last) = last else { return vec![gas] };
    let used = gas.saturating_sub(last.state.gas.0);
    let ends_by_itself = last.exit != GuestExit::OutOfGas;
    let mut limits = vec![gas, used, used.saturating_sub(1), used + 1, used / 2, 0, 1];
    if ends_by_itself {
        limits.extend([1 << 63, (1 << 63) - 1, u64::MAX]);
    }
    limits.sort_unstable();
    limits.dedup();
    limits
}

/// All stops of a run: host calls and, unless they were too many, the exit.
pub(super) fn run(case: &Case, version: GpVersion, engine: &dyn Engine, gas: u64) -> anyhow::Result<Vec<Stop>> {
    let standard = case.standard();
    let machine = match &standard {
        Some(bytes) => engine.standard(version, Container::Standard, bytes, ARGUMENTS),
        None => engine.bare(version, &case.blob),
    };
    let mut machine = match machine {
        Ok(machine) => machine,
        // All engines must refuse the same programs; that the reason is the same is not asked.
        Err(error) if engine.is_malformed(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if !machine.may_start_at(case.entry) {
        return Ok(Vec::new());
    }
    case.prepare(machine.as_mut(), Gas(gas))?;
    let mut stops = Vec::new();
    while stops.len() <= MAX_HOST_CALLS {
        let exit = machine.run(&mut StopAtHostCalls)?;
        stops.push(observe(case, exit, machine.as_mut()));
        if !matches!(exit, GuestExit::HostCall(_)) {
            break;
        }
        // As a host would: results in registers, some gas taken.
        let state = machine.state_mut();
        state.regs[7] = state.regs[7].rotate_left(7) ^ stops.len() as u64;
        state.gas = Gas(state.gas.0.saturating_sub(3));
        machine.skip_host_call();
    }
    Ok(stops)
}

fn observe(case: &Case, exit: GuestExit, machine: &mut dyn Machine) -> Stop {
    let state = machine.state_mut().clone();
    let memory = case
        .pages
        .iter()
        .filter(|pages| pages.writable)
        .map(|pages| (pages.first, pages.count))
        .chain(OUTER_PAGES.into_iter().filter(|_| case.outer))
        .map(|(first, count)| (first, machine.memory_mut().read(u64::from(first) << 12, u64::from(count) << 12).ok()))
        .collect();
    Stop { exit, state, shows_registers: machine.shows_registers_at(exit), memory }
}

fn first_difference(engine: &'static str, gas: u64, expected: &[Stop], found: &[Stop]) -> Option<Difference> {
    let same = |stop: &usize| match (expected.get(*stop), found.get(*stop)) {
        (Some(expected), Some(found)) => is_same(expected, found),
        _ => false,
    };
    let stop = (0..expected.len().max(found.len())).find(|stop| !same(stop))?;
    let (expected, found) = (expected.get(stop), found.get(stop));
    Some(Difference { engine, gas, stop, expected: describe(expected, found), found: describe(found, expected) })
}

/// Whether an engine did what was expected, as far as it promises.
fn is_same(expected: &Stop, found: &Stop) -> bool {
    let regs = if found.shows_registers { found.state.regs } else { expected.state.regs };
    let state = GuestState { regs, ..found.state.clone() };
    (found.exit, &state, &found.memory) == (expected.exit, &expected.state, &expected.memory)
}

/// A stop in words; of memory only the first byte that differs from `other`'s.
fn describe(stop: Option<&Stop>, other: Option<&Stop>) -> String {
    let Some(Stop { exit, state: GuestState { pc, gas, regs, charged }, memory, .. }) = stop else {
        return "no further stop".to_owned();
    };
    let memory = other
        .and_then(|other| memory.iter().zip(&other.memory).find(|(mine, theirs)| mine != theirs))
        .and_then(|((page, mine), (_, theirs))| {
            let (Some(mine), Some(theirs)) = (mine, theirs) else {
                return Some(format!(", pages from {page:#x} on readable: {}", mine.is_some()));
            };
            let at = mine.iter().zip(theirs).position(|(mine, theirs)| mine != theirs)?;
            Some(format!(", memory at {:#x} is {:#04x}", (u64::from(*page) << 12) + at as u64, mine[at]))
        })
        .unwrap_or_default();
    format!("{exit:x?} at pc {pc}, gas {gas}, charged {charged}, registers {regs:x?}{memory}")
}
