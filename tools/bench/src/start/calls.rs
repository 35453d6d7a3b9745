//! Instances, and what crosses between them and their host: times that do not depend on a program's size.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;
use tvm_abi::Tier;
use tvm_cache::hash;
use tvm_isa::layout::HALT_ADDRESS;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{
    Engine, EngineConfig, Guest, GuestExit, HostAction, HostCalls, HostError, Instance, Module, Origin, StopAtHostCalls,
};

use super::SIZES;
use crate::Options;
use crate::goals::{Figure, Figures};
use crate::guests;
use crate::programs::{self, Pool};
use crate::stats::Samples;
use crate::table::Table;

/// Repetitions of what takes nanoseconds or microseconds, timed together.
pub const CALLS: u32 = 1000;

/// Host calls in a run of the guest that makes them.
pub const HOST_CALLS: u64 = 100_000;

/// Numbers that the guest `sum` adds up in a first call.
pub const NUMBERS: [u64; 3] = [1, 2, 3];

/// What is timed, with the goals that speak of it and the text shown. All engines fill in what they have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Counted {
    /// Loading a program that is loaded.
    LoadAgain,
    /// An instance from the pool, without arguments, and dropping it.
    Instantiate,
    /// The same with arguments in place.
    InstantiateWithArguments,
    /// The first call of a new instance: it reads its arguments, and writes a result.
    FirstCall,
    /// A new instance with arguments, its first call, reading the result, and dropping it.
    Whole,
    /// Back to the start.
    Reset,
    /// A call of a guest that returns at once.
    EmptyCall,
    /// A host call that does nothing, with the loop around it.
    HostCall,
}

const ROWS: [(Counted, &str, Option<Figure>); 8] = [
    (Counted::LoadAgain, "load within the process", Some(Figure::LoadAgain)),
    (Counted::Instantiate, "instantiate (pooled) and drop", Some(Figure::Instantiate)),
    (Counted::InstantiateWithArguments, "… with 24 bytes of arguments in place", None),
    (Counted::FirstCall, "first call of an instance (`sum`)", Some(Figure::FirstCall)),
    (Counted::Whole, "instantiate with arguments, call, read the result, drop", None),
    (Counted::Reset, "reset after a call, with arguments", None),
    (Counted::EmptyCall, "empty call", Some(Figure::EmptyCall)),
    (Counted::HostCall, "host call, there and back, in a loop", Some(Figure::HostCall)),
];

/// Times of one engine.
#[derive(Clone, Default)]
pub struct CallTimes(BTreeMap<Counted, Samples>);

impl CallTimes {
    /// Where the times of something go.
    pub fn of(&mut self, counted: Counted) -> &mut Samples {
        self.0.entry(counted).or_default()
    }

    fn get(&self, counted: Counted) -> Option<&Samples> {
        self.0.get(&counted)
    }
}

/// An engine whose calls are timed.
pub trait Calls {
    /// What people know it by.
    fn name(&self) -> &str;

    /// Times everything once.
    fn round(&mut self, times: &mut CallTimes) -> anyhow::Result<()>;
}

/// Measures TVM and the peers.
pub fn measure(pool: &Pool, options: &Options, figures: &mut Figures) -> anyhow::Result<Table> {
    let mut engines: Vec<Box<dyn Calls>> = vec![Box::new(Tvm::new(pool, options)?)];
    #[cfg(feature = "peers")]
    engines.extend(crate::peers::calls(&options.guests, &options.build, pool)?);
    let mut times = vec![CallTimes::default(); engines.len()];
    for round in 0..options.rounds() {
        for turn in 0..engines.len() {
            let index = (round + turn) % engines.len();
            engines[index].round(&mut times[index])?;
        }
    }
    let mut columns = vec!["what"];
    columns.extend(engines.iter().map(|engine| engine.name()));
    let mut table = Table::new("Instances and calls", &columns);
    for (counted, text, figure) in ROWS {
        let cells = times.iter().map(|times| times.get(counted).map_or_else(String::new, Samples::describe));
        table.rows.push([text.to_owned()].into_iter().chain(cells).collect());
        if let (Counted::LoadAgain, Some(ours)) = (counted, times[0].get(counted)) {
            figures.insert(Figure::LoadAgain, ours.median());
        }
        // The first peer is the one that the goals speak of.
        if let (Some(figure), [ours, peer, ..]) = (figure, times.as_slice())
            && let (Some(ours), Some(peer)) = (ours.get(counted), peer.get(counted))
        {
            figures.insert(figure, ours.ratio(peer));
        }
    }
    Ok(table)
}

struct Tvm {
    engine: Engine,
    empty: Instance,
    calls: Instance,
    sum: Module,
    sum_hash: [u8; 32],
    reused: Instance,
}

const VERSION: GpVersion = GpVersion::V0_8_0;

impl Tvm {
    fn new(pool: &Pool, options: &Options) -> anyhow::Result<Self> {
        let engine = Engine::new(EngineConfig { tiers: Tier::Best.into(), ..EngineConfig::default() })?;
        let load = |blob: &[u8]| engine.load(VERSION, Container::Jam, hash(blob), || Ok(blob));
        let empty = load(pool.joined(SIZES[0])?.jam(VERSION))?;
        let sum = sum(&options.guests)?;
        let sum_hash = hash(&sum);
        let sum = load(&sum)?;
        ensure!(sum.origin() == Origin::Compiled, "expected compiled code, found {:?}", sum.origin());
        let calls = load(&programs::host_calls())?;
        let empty = Instance::standard(&engine, &empty, &[])?;
        let calls = Instance::standard(&engine, &calls, &[])?;
        let reused = Instance::standard(&engine, &sum, &arguments())?;
        Ok(Self { engine, empty, calls, sum, sum_hash, reused })
    }
}

impl Calls for Tvm {
    fn name(&self) -> &str {
        "TVM best"
    }

    fn round(&mut self, times: &mut CallTimes) -> anyhow::Result<()> {
        let Self { engine, empty, calls, sum, sum_hash, reused } = self;
        let arguments = arguments();
        let new = |arguments| -> anyhow::Result<Instance> { Ok(Instance::standard(engine, sum, arguments)?) };

        times.of(Counted::LoadAgain).time_many(CALLS, || {
            engine.load(VERSION, Container::Jam, *sum_hash, || Err::<[u8; 0], _>("it is loaded".into()))?;
            Ok(())
        })?;
        times.of(Counted::Instantiate).time_many(CALLS, || new(&[]).map(drop))?;
        times.of(Counted::InstantiateWithArguments).time_many(CALLS, || new(&arguments).map(drop))?;
        times.of(Counted::FirstCall).median_of(CALLS, |lap| {
            let mut instance = new(&arguments)?;
            lap.time(|| call(&mut instance))
        })?;
        times.of(Counted::Whole).time_many(CALLS, || {
            let mut instance = new(&arguments)?;
            call(&mut instance)?;
            result(&instance)
        })?;
        times.of(Counted::Reset).median_of(CALLS, |lap| {
            call(reused)?;
            lap.time(|| Ok(reused.reset(&arguments)?))
        })?;
        times.of(Counted::EmptyCall).time_many(CALLS, || {
            empty.state_mut().regs[0] = HALT_ADDRESS.into();
            call(empty)
        })?;
        guests::start(calls);
        calls.state_mut().regs[7] = HOST_CALLS;
        let exit = times.of(Counted::HostCall).time_shared(HOST_CALLS, || Ok(calls.run(&mut Resume)?))?;
        let left = calls.state().regs[7];
        ensure!((exit, left) == (GuestExit::Panic, 0), "expected the trap at the end, found {exit:?}");
        Ok(())
    }
}

/// Calls a guest that halts.
fn call(instance: &mut Instance) -> anyhow::Result<()> {
    guests::start(instance);
    let exit = instance.run(&mut StopAtHostCalls)?;
    ensure!(exit == GuestExit::Halt, "expected a halt, found {exit:?}");
    Ok(())
}

/// Reads what `sum` gave.
fn result(instance: &Instance) -> anyhow::Result<()> {
    let (address, len) = (instance.state().regs[7], instance.state().regs[8]);
    let mut result = [0; 8];
    ensure!(len == result.len() as u64, "expected 8 bytes, found {len}");
    instance.memory().read_into(address, &mut result)?;
    check_sum(result)
}

/// Checks what `sum` gave.
pub fn check_sum(result: [u8; 8]) -> anyhow::Result<()> {
    ensure!(u64::from_le_bytes(result) == NUMBERS.iter().sum::<u64>(), "the sum is wrong: {result:?}");
    Ok(())
}

/// Resumes after every host call.
struct Resume;

impl HostCalls for Resume {
    fn host_call(&mut self, _id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok(HostAction::Resume)
    }
}

/// The guest `sum`.
pub fn sum(guests: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(std::fs::read(guests.join("blobs").join(VERSION.name()).join("sum.jam"))?)
}

/// The arguments of the guest `sum`.
pub fn arguments() -> Vec<u8> {
    NUMBERS.iter().flat_map(|number| number.to_le_bytes()).collect()
}
