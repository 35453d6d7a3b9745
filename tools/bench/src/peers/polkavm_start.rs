//! What the `polkavm` crate takes to compile, and what its instances and calls cost.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use polkavm::{InterruptKind, Module, RawInstance, Reg};
use tvm_isa::GpVersion;
use tvm_isa::layout::MAX_ARGUMENT_BYTES;

use super::polkavm::{Costs, Polkavm, Sandbox, instantiate, place_arguments, run, start};
use crate::programs::{self, Pool, Subject};
use crate::start::{CallTimes, Calls, Compiler, Counted, HOST_CALLS, arguments, check_sum, sum};
use crate::stats::Samples;

/// The version whose opcode numbers the crate takes.
const VERSION: GpVersion = GpVersion::V0_8_0;

/// Room for arguments where instances are made: a page. With all that the Gray Paper allows, 16 MiB, an instance in the
/// process takes this crate a millisecond.
const ARGUMENT_BYTES: u64 = 4096;

/// Repetitions timed together: its instances take far longer than those of others.
const CALLS: u32 = 50;

impl Compiler for Polkavm {
    fn name(&self) -> String {
        "polkavm".to_owned()
    }

    fn compile(&mut self, subject: &Subject, gas: GpVersion, times: &mut Samples) -> anyhow::Result<()> {
        let costs = if gas == VERSION { Costs::Full } else { Costs::Naive };
        let jam = subject.jam(VERSION);
        times.time(|| Polkavm::compile(self, jam, Some(costs), MAX_ARGUMENT_BYTES))?;
        Ok(())
    }
}

/// The crate's calls in one of its sandboxes.
pub fn calls(sandbox: Sandbox, guests: &Path, pool: &Pool) -> anyhow::Result<impl Calls + use<>> {
    let engine = Polkavm::new(sandbox)?;
    let compile = |jam: &[u8]| engine.compile(jam, Some(Costs::Full), ARGUMENT_BYTES);
    let sum = compile(&sum(guests)?)?;
    let [empty, calls] = [pool.joined(2 << 10)?.jam(VERSION), &programs::host_calls()].map(compile);
    let name = if sandbox == Sandbox::Process { "polkavm, process (wall time)" } else { "polkavm, in-process" };
    Ok(PolkavmCalls {
        name,
        wall: sandbox == Sandbox::Process,
        reused: instantiate(&sum, &arguments())?,
        empty: instantiate(&empty?, &[])?,
        calls: instantiate(&calls?, &[])?,
        sum,
    })
}

struct PolkavmCalls {
    name: &'static str,
    /// Whether wall time is taken.
    wall: bool,
    sum: Module,
    reused: RawInstance,
    empty: RawInstance,
    calls: RawInstance,
}

/// Calls a guest that halts.
fn call(instance: &mut RawInstance, arguments: u64) -> anyhow::Result<()> {
    start(instance, arguments);
    let stop = run(instance)?;
    ensure!(matches!(stop, InterruptKind::Finished), "expected a halt, found {stop:?}");
    Ok(())
}

impl Calls for PolkavmCalls {
    fn name(&self) -> &str {
        self.name
    }

    fn round(&mut self, times: &mut CallTimes) -> anyhow::Result<()> {
        let Self { name: _, wall, sum, reused, empty, calls } = self;
        let arguments = arguments();
        let count = arguments.len() as u64;

        // Another process's work does not show in this thread's processor time.
        let wall = *wall;
        let many = |samples: &mut Samples, work: &mut dyn FnMut() -> anyhow::Result<()>| {
            if wall { samples.median_of(CALLS, |lap| lap.time(&mut *work)) } else { samples.time_many(CALLS, work) }
        };
        many(times.of(Counted::Instantiate), &mut || instantiate(sum, &[]).map(drop))?;
        many(times.of(Counted::InstantiateWithArguments), &mut || instantiate(sum, &arguments).map(drop))?;
        times.of(Counted::FirstCall).median_of(CALLS, |lap| {
            let mut instance = instantiate(sum, &arguments)?;
            lap.time(|| call(&mut instance, count))
        })?;
        many(times.of(Counted::Whole), &mut || {
            let mut instance = instantiate(sum, &arguments)?;
            call(&mut instance, count)?;
            let mut result = [0; 8];
            instance.read_memory_into(u32::try_from(instance.reg(Reg::A0))?, &mut result)?;
            check_sum(result)
        })?;
        times.of(Counted::Reset).median_of(CALLS, |lap| {
            call(reused, count)?;
            lap.time(|| {
                reused.reset_memory()?;
                place_arguments(reused, &arguments)
            })
        })?;
        many(times.of(Counted::EmptyCall), &mut || call(empty, 0))?;
        start(calls, 0);
        calls.set_reg(Reg::A0, HOST_CALLS);
        let mut calling = || loop {
            match run(calls)? {
                InterruptKind::Ecalli(_) => {}
                other => return Ok(other),
            }
        };
        let samples = times.of(Counted::HostCall);
        let stop = if wall {
            let start = Instant::now();
            let stop = calling();
            samples.push(start.elapsed() / HOST_CALLS as u32);
            stop
        } else {
            samples.time_shared(HOST_CALLS, calling)
        }?;
        let left = calls.reg(Reg::A0);
        ensure!(left == 0, "expected the trap at the end, found {stop:?} with {left} calls left");
        Ok(())
    }
}
