//! One and two threads in one process. Wall time: it is about what threads wait for.

use std::thread;
use std::time::Instant;

use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::hash;
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Engine, EngineConfig, Instance};

use crate::Options;
use crate::guests::{self, Guest};
use crate::programs::Pool;
use crate::stats::{Samples, duration};
use crate::table::Table;

const VERSION: GpVersion = GpVersion::V0_8_0;

/// The guest that is run, small and long.
const GUEST: &str = "sha256";

/// What is done: its name, how often in a thread, and the work.
type Work<'a> = (&'a str, u32, Box<dyn Fn() -> anyhow::Result<()> + Sync + 'a>);

/// Every thread does the same, so twice as much is done on two.
pub fn measure(options: &Options) -> anyhow::Result<Table> {
    let subject = Pool::of_guests(&options.guests)?.joined(128 << 10)?;
    let jam = subject.jam(VERSION);
    let engine = Engine::new(EngineConfig { tiers: Tier::Best.into(), ..EngineConfig::default() })?;
    let code_hash = hash(jam);
    let module = engine.load(VERSION, Container::Jam, code_hash, || Ok(jam))?;
    let guest = |case| -> anyhow::Result<Guest> {
        let found = guests::read(&options.guests, VERSION, case)?.into_iter().find(|guest| guest.name == GUEST);
        found.ok_or_else(|| anyhow::anyhow!("there is no guest {GUEST}"))
    };
    let (small, long) = (guest("small")?, guest("bench")?);
    let loaded = small.load(&engine, VERSION)?;
    let compiling = |tier| {
        let options = CompileOptions { version: VERSION, container: Container::Jam, cpu: CpuFeatures::host(), tier };
        move || {
            std::hint::black_box(compile(jam, [0; 32], options)?);
            Ok(())
        }
    };
    let run = |guest: &Guest| -> anyhow::Result<()> {
        let mut instance = Instance::standard(&engine, &loaded, &guest.args)?;
        guests::start(&mut instance);
        instance.run(&mut tvm_runtime::StopAtHostCalls)?;
        Ok(())
    };
    let all: [Work<'_>; 6] = [
        ("compile 128 KB, fast", 4, Box::new(compiling(Tier::Fast))),
        ("compile 128 KB, best", 4, Box::new(compiling(Tier::Best))),
        (
            "load within the process",
            10_000,
            Box::new(|| engine.load(VERSION, Container::Jam, code_hash, || Ok(jam)).map(drop).map_err(Into::into)),
        ),
        (
            "instantiate and drop",
            2000,
            Box::new(|| Instance::standard(&engine, &module, &[]).map(drop).map_err(Into::into)),
        ),
        ("instantiate, run a small guest, drop", 1000, Box::new(|| run(&small))),
        ("run a long guest", 2, Box::new(|| run(&long))),
    ];
    let columns = ["what", "1 thread", "2 threads, each", "throughput of 2"];
    let mut table = Table::new("Two threads in one process: time for each piece of work", &columns);
    for (name, count, work) in &all {
        let [mut one, mut two] = [(); 2].map(|()| Samples::default());
        for _ in 0..options.rounds() {
            one.push(on(1, *count, work.as_ref())?);
            two.push(on(2, *count, work.as_ref())?);
        }
        let scaling = 2.0 * one.median() / two.median();
        let shown = [duration(one.median()), duration(two.median()), format!("{scaling:.2}×")];
        table.rows.push([(*name).to_owned()].into_iter().chain(shown).collect());
    }
    Ok(table)
}

/// The time of one piece of work when so many threads do `count` each.
fn on(
    threads: usize,
    count: u32,
    work: &(dyn Fn() -> anyhow::Result<()> + Sync),
) -> anyhow::Result<std::time::Duration> {
    let all = || (0..count).try_for_each(|_| work());
    let start = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(all)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
    })?;
    Ok(start.elapsed() / count)
}
