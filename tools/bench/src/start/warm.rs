//! Loading what an earlier process compiled.
//!
//! In a new process: make the engine, load, load another program, load the first one again, call it; the processes of
//! all engines take turns. In this process: load again and again, forgetting the module in between, so that everything
//! but the engine has to be found and opened again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tvm_abi::Tier;
use tvm_cache::hash;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Engine, EngineConfig, GuestExit, HostError, Instance, Module, Origin, StopAtHostCalls};

use super::SIZES;
use crate::Options;
use crate::clock::CpuClock;
use crate::goals::{Figure, Figures};
use crate::guests;
use crate::programs::Pool;
use crate::stats::{Samples, duration};
use crate::table::Table;

const VERSION: GpVersion = GpVersion::V0_8_0;

/// Loads in one process that runs already, timed together.
const LOADS: u32 = 100;

/// Processor times in a new process, in nanoseconds.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub struct NewProcess {
    /// Making the engine.
    pub engine: f64,
    /// The first load.
    pub first: f64,
    /// Loading another program of the same size.
    pub next: f64,
    /// Loading the first program again, while it is loaded.
    pub again: f64,
    /// An instance and its first call, which returns at once.
    pub call: f64,
}

/// Takes the times between steps.
pub struct Steps {
    clock: CpuClock,
    last: std::time::Duration,
}

impl Steps {
    /// Starts now.
    pub fn start() -> anyhow::Result<Self> {
        let clock = CpuClock::this_thread();
        let last = clock.now()?;
        Ok(Self { clock, last })
    }

    /// The time since the start or the step before, in nanoseconds.
    pub fn step(&mut self) -> anyhow::Result<f64> {
        let now = self.clock.now()?;
        let took = now.saturating_sub(self.last);
        self.last = now;
        Ok(took.as_nanos() as f64)
    }
}

/// An engine that loads what it compiled before.
pub trait Loader {
    /// What people know it by.
    fn name(&self) -> &str;

    /// Compiles two programs of about this size and stores them for later loads. Gives the size of one stored file.
    fn prepare(&mut self, bytes: usize) -> anyhow::Result<u64>;

    /// What to run for loads in a new process, which prints [`NewProcess`].
    fn new_process(&self, command: &mut Command);

    /// Loads the first of the two, and forgets it.
    fn load(&mut self) -> anyhow::Result<()>;
}

/// TVM's objects.
struct Tvm<'a> {
    pool: &'a Pool,
    folder: PathBuf,
    engine: Option<Engine>,
    /// The programs' hashes, which a node knows from the services' accounts.
    hashes: [[u8; 32]; 2],
}

impl Tvm<'_> {
    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }
}

impl Loader for Tvm<'_> {
    fn name(&self) -> &str {
        "TVM"
    }

    fn prepare(&mut self, bytes: usize) -> anyhow::Result<u64> {
        let first = self.pool.joined(bytes)?.jam(VERSION).to_vec();
        // The same program behind a byte of metadata has another hash.
        let second = [&[1, b'b'], &first[1..]].concat();
        let engine = open(&self.cache())?;
        self.hashes = [&first, &second].map(|blob| hash(blob));
        for (code_hash, blob) in self.hashes.iter().zip([&first, &second]) {
            engine.prewarm(VERSION, Container::Jam, *code_hash, blob)?;
        }
        let key = engine.key_parts(VERSION, Container::Jam, self.hashes[0], Tier::Best).key();
        let hit = engine.cache().and_then(|cache| cache.lookup(&key)).context("the object is not in the cache")?;
        self.engine = Some(engine);
        Ok(hit.object_len)
    }

    fn new_process(&self, command: &mut Command) {
        command.arg("warm-load").arg("tvm").arg(self.cache()).args(self.hashes.map(hex::encode));
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let engine = self.engine.as_ref().context("nothing is prepared")?;
        let module = load(engine, self.hashes[0], not_asked_for)?;
        ensure!(module.origin() == Origin::CacheHit, "expected an object from the cache, found {:?}", module.origin());
        drop(module);
        engine.unload_idle();
        Ok(())
    }
}

/// An engine on this cache directory.
fn open(cache: &Path) -> anyhow::Result<Engine> {
    let config = EngineConfig { cache: Some(cache.to_owned()), tiers: Tier::Best.into(), ..EngineConfig::default() };
    Ok(Engine::new(config)?)
}

fn load<C: AsRef<[u8]>>(
    engine: &Engine,
    code_hash: [u8; 32],
    code: impl FnOnce() -> Result<C, HostError>,
) -> anyhow::Result<Module> {
    Ok(engine.load(VERSION, Container::Jam, code_hash, code)?)
}

/// A program's bytes, when its object is known to be in the cache.
fn not_asked_for() -> Result<[u8; 0], HostError> {
    Err("its object is in the cache".into())
}

/// TVM's loads in this process, which must be a new one. The programs are known by their hashes in hexadecimal digits, as a
/// node knows them; their bytes are nowhere.
pub fn in_new_process(cache: &Path, hashes: [&str; 2]) -> anyhow::Result<NewProcess> {
    let mut code_hashes = [[0; 32]; 2];
    for (bytes, digits) in code_hashes.iter_mut().zip(hashes) {
        hex::decode_to_slice(digits, bytes)?;
    }
    let mut steps = Steps::start()?;
    let loaded = open(cache)?;
    let engine = steps.step()?;
    let module = load(&loaded, code_hashes[0], not_asked_for)?;
    let first = steps.step()?;
    let other = load(&loaded, code_hashes[1], not_asked_for)?;
    let next = steps.step()?;
    let same = load(&loaded, code_hashes[0], not_asked_for)?;
    let again = steps.step()?;
    let mut instance = Instance::standard(&loaded, &same, &[1, 2, 3])?;
    guests::start(&mut instance);
    let exit = instance.run(&mut StopAtHostCalls)?;
    let call = steps.step()?;
    ensure!(exit == GuestExit::Halt, "expected a halt, found {exit:?}");
    for module in [module, other] {
        ensure!(module.origin() == Origin::CacheHit, "expected an object from the cache, found {:?}", module.origin());
    }
    Ok(NewProcess { engine, first, next, again, call })
}

/// Measures TVM and the peers. `compile` is what polkavm took to compile the largest program.
pub fn measure(
    pool: &Pool,
    options: &Options,
    compile: Option<f64>,
    figures: &mut Figures,
) -> anyhow::Result<Vec<Table>> {
    let folder = tempfile::tempdir()?;
    let mut loaders: Vec<Box<dyn Loader + '_>> =
        vec![Box::new(Tvm { pool, folder: folder.path().to_owned(), engine: None, hashes: [[0; 32]; 2] })];
    #[cfg(feature = "peers")]
    loaders.push(crate::peers::loader(folder.path())?);

    // A program that was installed is in other memory than one that a linker has just written page by page.
    let program = folder.path().join("tvm-bench");
    std::fs::copy(std::env::current_exe()?, &program)?;
    let columns = [
        "code",
        "engine",
        "stored",
        "engine made",
        "first load",
        "both",
        "next load",
        "load again",
        "instance and call",
    ];
    let mut processes = Table::new("Warm loads in new processes", &columns);
    let mut columns = vec!["code"];
    columns.extend(loaders.iter().map(|loader| loader.name()));
    columns.extend((1..loaders.len()).map(|_| "TVM ÷ it"));
    let mut here = Table::new("Warm loads in a process that runs already, from disk", &columns);
    let mut ratios = Vec::new();
    for bytes in SIZES {
        eprintln!("loading {} KB", bytes >> 10);
        let stored = loaders.iter_mut().map(|loader| loader.prepare(bytes)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut new: Vec<Vec<NewProcess>> = vec![Vec::new(); loaders.len()];
        let mut warm = vec![Samples::default(); loaders.len()];
        // One after the other: a process that follows hundreds of loads of another engine finds none of what it needs in the
        // processor's caches.
        for _ in 0..options.rounds() {
            for (loader, new) in loaders.iter().zip(&mut new) {
                new.push(in_child(loader.as_ref(), &program)?);
            }
        }
        for _ in 0..options.rounds() {
            for (loader, warm) in loaders.iter_mut().zip(&mut warm) {
                warm.time_many(LOADS, || loader.load())?;
            }
        }
        let size = format!("{} KB", bytes >> 10);
        for ((loader, new), stored) in loaders.iter().zip(&new).zip(&stored) {
            let of = |part: fn(&NewProcess) -> f64| new.iter().map(part).collect::<Samples>();
            let both = of(|it| it.engine + it.first);
            let mut row = vec![size.clone(), loader.name().to_owned(), format!("{} KB", stored >> 10)];
            row.extend([of(|it| it.engine), of(|it| it.first)].map(|times| duration(times.median())));
            row.push(both.describe());
            row.extend([of(|it| it.next), of(|it| it.again), of(|it| it.call)].map(|times| duration(times.median())));
            processes.rows.push(row);
            if loader.name() == "TVM" && bytes == SIZES[SIZES.len() - 1] {
                figures.insert(Figure::WarmLoad, both.median());
                compile.map(|compile| figures.insert(Figure::WarmLoadPolkavm, both.median() / compile));
            }
        }
        let mut row = vec![size];
        row.extend(warm.iter().map(Samples::describe));
        for other in &warm[1..] {
            let ratio = warm[0].ratio(other);
            row.push(format!("{ratio:.2}×"));
            ratios.push(ratio);
        }
        here.rows.push(row);
    }
    // The goal holds for every size.
    ratios.into_iter().reduce(f64::max).map(|worst| figures.insert(Figure::WarmLoadWasmtime, worst));
    Ok(vec![processes, here])
}

fn in_child(loader: &dyn Loader, program: &Path) -> anyhow::Result<NewProcess> {
    let mut command = Command::new(program);
    loader.new_process(&mut command);
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the child's answer")
}
