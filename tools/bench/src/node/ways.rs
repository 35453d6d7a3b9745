//! The ways of running a trace that are compared.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tempfile::TempDir;
use tvm_abi::Tier;
use tvm_runtime::{Backend, Engine, EngineConfig};
use tvm_tests::node::accumulate::Tvm;

use super::import::{Measured, Work, import, import_on};
use super::trace::Trace;
use crate::stats::{Samples, Sequence, duration};
use crate::table::Table;

/// A way of running a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A new engine on an empty cache directory: services are compiled and stored.
    Cold,
    /// A new engine on a cache directory that has the services' objects.
    Cached,
    /// An engine that has the services' modules loaded.
    Loaded,
    /// The same with best code, as a node has it that has run for a while.
    LoadedBest,
    /// As [`Self::Loaded`], with the blocks shared out to two threads.
    LoadedTwoThreads,
    /// An engine that interprets, with modules loaded.
    Interpreted,
}

impl Way {
    pub const ALL: [Self; 6] =
        [Self::Cold, Self::Cached, Self::Loaded, Self::LoadedBest, Self::LoadedTwoThreads, Self::Interpreted];

    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold cache",
            Self::Cached => "warm cache, new engine",
            Self::Loaded => "modules loaded",
            Self::LoadedBest => "modules loaded, best code",
            Self::LoadedTwoThreads => "modules loaded, 2 threads",
            Self::Interpreted => "interpreter",
        }
    }
}

/// What runs share: the engines and the cache that stay warm.
pub struct Engines {
    loaded: Tvm,
    pub best: Tvm,
    interpreter: Tvm,
    cache: TempDir,
}

/// One run of a whole trace.
pub struct Ran {
    /// What was done.
    pub work: Work,
    /// Time of the whole run, the engine's making included.
    whole: Duration,
    /// Time of the engine's making, then of each block; nothing when they ran at the same time.
    parts: Vec<Duration>,
    /// Time of each invocation.
    invocations: Vec<Duration>,
}

impl Engines {
    pub fn new() -> anyhow::Result<Self> {
        let cache = tempfile::tempdir()?;
        let [loaded, best] = [Tier::Fast, Tier::Best].map(|tier| engine(Backend::Compiled, tier, Some(cache.path())));
        let interpreter = engine(Backend::Interpreter, Tier::Fast, None)?;
        Ok(Self { loaded: loaded?, best: best?, interpreter, cache })
    }

    /// Runs the trace once. Nothing is removed or closed before the time is taken.
    pub fn run(&self, trace: &Trace, way: Way) -> anyhow::Result<Ran> {
        match way {
            Way::Cold => {
                let cache = tempfile::tempdir()?;
                run(trace, way, || engine(Backend::Compiled, Tier::Fast, Some(cache.path())))
            }
            Way::Cached => run(trace, way, || engine(Backend::Compiled, Tier::Fast, Some(self.cache.path()))),
            Way::Loaded | Way::LoadedTwoThreads => run(trace, way, || Ok(self.loaded.clone())),
            Way::LoadedBest => run(trace, way, || Ok(self.best.clone())),
            Way::Interpreted => run(trace, way, || Ok(self.interpreter.clone())),
        }
    }
}

fn engine(backend: Backend, tier: Tier, cache: Option<&Path>) -> anyhow::Result<Tvm> {
    let config =
        EngineConfig { backend, cache: cache.map(Path::to_owned), tiers: tier.into(), ..EngineConfig::default() };
    Ok(Tvm { engine: Engine::new(config)? })
}

fn run(trace: &Trace, way: Way, tvm: impl FnOnce() -> anyhow::Result<Tvm>) -> anyhow::Result<Ran> {
    let start = Instant::now();
    let tvm = tvm()?;
    let mut parts = vec![start.elapsed()];
    let measured = Measured::new(&tvm);
    if way == Way::LoadedTwoThreads {
        import_on(2, trace, &measured)?;
    } else {
        parts.extend(import(trace, &measured)?);
    }
    let whole = start.elapsed();
    let (work, invocations) = measured.finish();
    if let (Way::Cold | Way::Cached, Some(cache)) = (way, tvm.engine.cache()) {
        let stat = cache.stat();
        let (hit, published) = (stat.hits > 0, stat.published > 0);
        let expected = (way == Way::Cached, way == Way::Cold);
        ensure!((hit, published) == expected, "a run with a {} was none: {stat:?}", way.name());
    }
    Ok(Ran { work, whole, parts, invocations })
}

/// The times of one way of running.
pub struct WayTimes {
    pub way: Way,
    whole: Samples,
    parts: Sequence,
    invocations: Sequence,
}

/// What the rows have.
pub fn table() -> Table {
    let columns =
        ["trace", "how", "whole trace", "runs took", "invocations", "per second", "one invocation", "gas per second"];
    Table::new("Service invocations, by how services are loaded", &columns)
}

impl WayTimes {
    pub fn new(way: Way) -> Self {
        Self { way, whole: Samples::default(), parts: Sequence::default(), invocations: Sequence::default() }
    }

    /// Adds a run, which must have done `expected`.
    pub fn add(&mut self, ran: Ran, expected: Work) -> anyhow::Result<()> {
        let Ran { work, whole, parts, invocations } = ran;
        work.ensure(expected)?;
        self.whole.push(whole);
        self.parts.push(parts);
        self.invocations.push(invocations);
        Ok(())
    }

    pub fn row(&self, trace: &str, work: Work) -> Vec<String> {
        // Blocks that ran at the same time cannot be added up, and invocations not be told apart.
        let in_turn = self.way != Way::LoadedTwoThreads;
        let whole = if in_turn { self.parts.sum() } else { self.whole.median() };
        let per_second = |count: u64| count as f64 / whole * 1e9;
        vec![
            trace.to_owned(),
            self.way.name().to_owned(),
            duration(whole),
            self.whole.describe(),
            work.invocations.to_string(),
            format!("{:.0}", per_second(work.invocations)),
            if in_turn { duration(self.invocations.mean()) } else { String::new() },
            format!("{:.0} M", per_second(work.gas) / 1e6),
        ]
    }
}
