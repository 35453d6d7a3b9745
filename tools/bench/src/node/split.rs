//! Where an invocation's time goes.
//!
//! An observer is told each change of phase, and takes the time; it asks for nothing else, so that nothing is copied
//! for it. Each interval holds the cost of taking the time once; that cost is measured beforehand and subtracted. What
//! the observer cannot see, entering and leaving compiled code, counts as guest code: some nanoseconds each.
//!
//! For comparison the whole is also measured without an observer, in the same rounds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tvm_runtime::Error;
use tvm_runtime::jam::observer::{Observer, Phase};
use tvm_runtime::jam::types::DeferredTransfer;
use tvm_runtime::jam::{Accumulated, Transferred};
use tvm_tests::node::accumulate::{Invocation, Invoke, Tvm};

use super::import::{Measured, Work, import};
use super::trace::Trace;
use crate::stats::{Sequence, duration};
use crate::table::Table;

/// What time is told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Prepare,
    Load,
    Instantiate,
    Guest,
    HostCalls,
    Release,
    Finish,
}

impl Part {
    const COUNT: usize = 7;

    const ALL: [Self; Self::COUNT] =
        [Self::Prepare, Self::Load, Self::Instantiate, Self::Guest, Self::HostCalls, Self::Release, Self::Finish];

    /// Set-up: all that is neither guest code nor host functions.
    const SET_UP: [Self; 5] = [Self::Prepare, Self::Load, Self::Instantiate, Self::Release, Self::Finish];
}

impl From<Phase> for Part {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Load => Self::Load,
            Phase::Instantiate => Self::Instantiate,
            Phase::Guest => Self::Guest,
            Phase::HostCall(_) => Self::HostCalls,
            Phase::Release => Self::Release,
            Phase::Finish => Self::Finish,
        }
    }
}

/// Times of one invocation by part, and how many intervals they are made of.
#[derive(Clone, Copy, Default, Debug)]
struct Times {
    total: [Duration; Part::COUNT],
    intervals: [u32; Part::COUNT],
}

/// Takes the time at each change of phase.
struct Clock {
    times: Times,
    part: Part,
    since: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { times: Times::default(), part: Part::Prepare, since: Instant::now() }
    }

    fn enter(&mut self, part: Part) {
        let now = Instant::now();
        self.times.total[self.part as usize] += now - self.since;
        self.times.intervals[self.part as usize] += 1;
        (self.part, self.since) = (part, now);
    }

    fn stop(mut self) -> Times {
        self.enter(Part::Finish);
        self.times
    }
}

impl Observer for Clock {
    fn wants_host_calls(&self) -> bool {
        false
    }

    fn phase(&mut self, phase: Phase) {
        self.enter(phase.into());
    }
}

impl Times {
    /// Time of some parts without that of taking the time.
    fn without(&self, clock: Duration, parts: &[Part]) -> Duration {
        let of = |&part: &Part| self.total[part as usize].saturating_sub(clock * self.intervals[part as usize]);
        parts.iter().map(of).sum()
    }
}

/// What taking the time once costs: how long an interval is in which nothing else happens.
fn cost_of_clock() -> Duration {
    const TIMES: u32 = 1000;
    let once = || {
        let mut clock = Clock::start();
        let observer: &mut dyn Observer = std::hint::black_box(&mut clock);
        (0..=TIMES).for_each(|_| observer.phase(Phase::Guest));
        clock.times.total[Part::Guest as usize] / TIMES
    };
    // The least is what it costs when nothing gets in between.
    (0..100).map(|_| once()).min().unwrap_or_default()
}

/// Runs services with a clock each.
struct Clocked<'a> {
    tvm: &'a Tvm,
    times: Mutex<Vec<Times>>,
}

impl Invoke for Clocked<'_> {
    fn accumulate(&self, invocation: &Invocation<'_>) -> Result<Accumulated, Error> {
        let mut clock = Clock::start();
        let accumulated = self.tvm.accumulate_observed(invocation, Some(&mut clock))?;
        let times = clock.stop();
        self.times.lock().unwrap_or_else(PoisonError::into_inner).push(times);
        Ok(accumulated)
    }

    /// The traces that are measured have no such calls.
    fn on_transfer(&self, invocation: &Invocation<'_>, transfers: &[DeferredTransfer]) -> Result<Transferred, Error> {
        self.tvm.on_transfer(invocation, transfers)
    }
}

/// Times of a trace's invocations.
pub struct Split {
    clock: Duration,
    parts: [Sequence; Part::COUNT],
    set_up: Sequence,
    /// The whole, without an observer.
    whole: Sequence,
    host_calls: u64,
}

/// What [`Split::row`] has.
pub fn table() -> Table {
    let columns = [
        "trace",
        "gas",
        "host calls",
        "set-up",
        "guest code",
        "host functions",
        "sum",
        "unobserved",
        "one host call",
        "gas per second of guest code",
    ];
    Table::new("Where the time of one invocation goes, modules loaded, best code", &columns)
}

/// What [`Split::set_up_row`] has.
pub fn set_up_table() -> Table {
    let columns = ["trace", "account and code", "module lookup", "instance", "clearing its memory", "changes"];
    Table::new("Set-up of one invocation", &columns)
}

impl Split {
    pub fn new() -> Self {
        let [set_up, whole] = Default::default();
        Self { clock: cost_of_clock(), parts: Default::default(), set_up, whole, host_calls: 0 }
    }

    /// Runs the trace twice, with and without the clock.
    pub fn measure(&mut self, trace: &Trace, tvm: &Tvm, expected: Work) -> anyhow::Result<()> {
        let measured = Measured::new(tvm);
        import(trace, &measured)?;
        let (work, whole) = measured.finish();
        work.ensure(expected)?;
        self.whole.push(whole);

        let clocked = Clocked { tvm, times: Mutex::default() };
        import(trace, &clocked)?;
        let times = clocked.times.into_inner().unwrap_or_else(PoisonError::into_inner);
        let of = |parts: &[Part]| -> Vec<Duration> { times.iter().map(|it| it.without(self.clock, parts)).collect() };
        for (part, sequence) in Part::ALL.into_iter().zip(&mut self.parts) {
            sequence.push(of(&[part]));
        }
        self.set_up.push(of(&Part::SET_UP));
        self.host_calls = times.iter().map(|it| u64::from(it.intervals[Part::HostCalls as usize])).sum();
        Ok(())
    }

    fn mean(&self, part: Part) -> f64 {
        self.parts[part as usize].mean()
    }

    pub fn row(&self, trace: &str, work: Work) -> Vec<String> {
        let (set_up, guest, host) = (self.set_up.mean(), self.mean(Part::Guest), self.mean(Part::HostCalls));
        vec![
            trace.to_owned(),
            format!("{:.0}", work.each(work.gas)),
            format!("{:.1}", work.each(self.host_calls)),
            duration(set_up),
            duration(guest),
            duration(host),
            duration(set_up + guest + host),
            duration(self.whole.mean()),
            duration(host * work.invocations as f64 / self.host_calls as f64),
            format!("{:.2} G", work.each(work.gas) / guest),
        ]
    }

    pub fn set_up_row(&self, trace: &str) -> Vec<String> {
        let parts = Part::SET_UP.map(|part| duration(self.mean(part)));
        [trace.to_owned()].into_iter().chain(parts).collect()
    }
}
