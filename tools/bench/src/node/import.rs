//! Imports a trace's blocks, and takes the time of blocks and invocations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tvm_isa::Gas;
use tvm_runtime::Error;
use tvm_runtime::jam::types::DeferredTransfer;
use tvm_runtime::jam::{Accumulated, Transferred};
use tvm_tests::node::accumulate::{Invocation, Invoke, Tvm};
use tvm_tests::node::import::{ImportError, Importer};

use super::trace::{Trace, TraceBlock};

/// What running a trace comes to, however it is run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Work {
    /// Invocations of services.
    pub invocations: u64,
    /// Gas they used.
    pub gas: u64,
}

impl Work {
    /// Fails unless the run did what it had to do.
    pub fn ensure(self, expected: Self) -> anyhow::Result<()> {
        ensure!(self == expected, "expected {expected:?}, found {self:?}");
        Ok(())
    }

    /// `count` per invocation.
    pub fn each(self, count: u64) -> f64 {
        count as f64 / self.invocations as f64
    }
}

/// Imports all blocks one after the other, and gives the time of each.
pub fn import(trace: &Trace, invoke: &dyn Invoke) -> Result<Vec<Duration>, ImportError> {
    trace.blocks.iter().map(|block| import_block(trace, block, invoke)).collect()
}

/// Imports all blocks, shared out to several threads.
pub fn import_on(threads: usize, trace: &Trace, invoke: &dyn Invoke) -> Result<(), ImportError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), ImportError> {
        while let Some(block) = trace.blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            import_block(trace, block, invoke)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        threads
            .into_iter()
            .map(join)
            .try_for_each(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn import_block(trace: &Trace, block: &TraceBlock, invoke: &dyn Invoke) -> Result<Duration, ImportError> {
    let Trace { blocks: _, constants, spec } = trace;
    let TraceBlock { prior, block, entropy } = block;
    let start = Instant::now();
    let imported = Importer { invoke, threads: 1, constants, spec }.import(prior, block, *entropy)?;
    let time = start.elapsed();
    drop(imported);
    Ok(time)
}

/// Runs services, and measures each invocation as a whole.
pub struct Measured<'a> {
    tvm: &'a Tvm,
    done: Mutex<Vec<(Gas, Duration)>>,
}

impl<'a> Measured<'a> {
    pub fn new(tvm: &'a Tvm) -> Self {
        Self { tvm, done: Mutex::default() }
    }

    /// What was done, and the time of each invocation.
    pub fn finish(self) -> (Work, Vec<Duration>) {
        let done = self.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let gas = done.iter().map(|(gas, _)| gas.0).sum();
        (Work { invocations: done.len() as u64, gas }, done.into_iter().map(|(_, time)| time).collect())
    }

    fn add(&self, gas: Gas, time: Duration) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push((gas, time));
    }
}

impl Invoke for Measured<'_> {
    fn accumulate(&self, invocation: &Invocation<'_>) -> Result<Accumulated, Error> {
        let start = Instant::now();
        let accumulated = self.tvm.accumulate(invocation)?;
        self.add(accumulated.gas_used, start.elapsed());
        Ok(accumulated)
    }

    fn on_transfer(&self, invocation: &Invocation<'_>, transfers: &[DeferredTransfer]) -> Result<Transferred, Error> {
        let start = Instant::now();
        let transferred = self.tvm.on_transfer(invocation, transfers)?;
        self.add(transferred.gas_used, start.elapsed());
        Ok(transferred)
    }
}
