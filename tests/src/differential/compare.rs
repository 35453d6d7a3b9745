//! Runs a case on two engines and compares everything a guest or host can observe.

use std::fmt;

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::{GuestExit, GuestState, StopAtHostCalls};

use super::case::Case;
use crate::machine::{Engine, Machine};

/// Host calls after which a run is given up: enough to see that resuming works.
const MAX_HOST_CALLS: usize = 24;

/// What could be seen when a machine stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// How it stopped.
    pub exit: GuestExit,
    /// Registers, gas, program counter.
    pub state: GuestState,
    /// A checksum of each page that was mapped.
    pub memory: Vec<(u32, Vec<u8>)>,
}

/// A difference between two engines.
#[derive(Clone, Debug)]
pub struct Difference {
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
        let Self { gas, stop, expected, found } = self;
        write!(f, "with gas {gas}, at stop {stop}:\n  expected {expected}\n  found    {found}")
    }
}

/// What both engines agreed on.
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
    other: &dyn Engine,
) -> anyhow::Result<Result<Agreement, Difference>> {
    let version = case.version()?;
    let mut exits = Vec::new();
    let expected = run(case, version, reference, case.gas)?;
    for gas in limits(case.gas, expected.last()) {
        let expected = if gas == case.gas { expected.clone() } else { run(case, version, reference, gas)? };
        let found = run(case, version, other, gas)?;
        if let Some(difference) = first_difference(gas, &expected, &found) {
            return Ok(Err(difference));
        }
        exits.extend(expected.iter().map(|stop| stop.exit));
    }
    Ok(Ok(Agreement { exits }))
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
fn run(case: &Case, version: GpVersion, engine: &dyn Engine, gas: u64) -> anyhow::Result<Vec<Stop>> {
    let mut machine = match engine.bare(version, &case.blob) {
        Ok(machine) => machine,
        // Both engines must refuse the same programs; that the reason is the same is not asked.
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
        .map(|pages| {
            let start = u64::from(pages.first) << 12;
            let bytes = machine.memory_mut().read(start, u64::from(pages.count) << 12);
            (pages.first, bytes.expect("the case mapped these pages"))
        })
        .collect();
    Stop { exit, state, memory }
}

fn first_difference(gas: u64, expected: &[Stop], found: &[Stop]) -> Option<Difference> {
    let stop = (0..expected.len().max(found.len())).find(|&stop| expected.get(stop) != found.get(stop))?;
    let (expected, found) = (expected.get(stop), found.get(stop));
    Some(Difference { gas, stop, expected: describe(expected, found), found: describe(found, expected) })
}

/// A stop in words; of memory only the first byte that differs from `other`'s.
fn describe(stop: Option<&Stop>, other: Option<&Stop>) -> String {
    let Some(Stop { exit, state: GuestState { pc, gas, regs, charged }, memory }) = stop else {
        return "no further stop".to_owned();
    };
    let memory = other
        .and_then(|other| memory.iter().zip(&other.memory).find(|(mine, theirs)| mine != theirs))
        .and_then(|((page, mine), (_, theirs))| {
            let at = mine.iter().zip(theirs).position(|(mine, theirs)| mine != theirs)?;
            Some(format!(", memory at {:#x} is {:#04x}", (u64::from(*page) << 12) + at as u64, mine[at]))
        })
        .unwrap_or_default();
    format!("{exit:x?} at pc {pc}, gas {gas}, charged {charged}, registers {regs:x?}{memory}")
}
