//! What loading a program from the cache costs in a process that has loaded nothing yet, step by step.
//!
//! `cargo run --release -p tvm-runtime --example warm_load [DIRECTORY]` fills a cache in a new folder of `DIRECTORY` with
//! programs of several sizes, and starts a process for each measurement: half of them use the engine, half take its
//! steps one by one. Shown are the medians and the tenth percentiles. `warm_load fill DIRECTORY` keeps the caches and
//! prints the arguments for such processes, to be run under `strace` or `perf`.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::{Cache, Hit, hash};
use tvm_isa::{Container, GpVersion};
use tvm_loader::Loaded;
use tvm_runtime::{Engine, EngineConfig, Module, Origin, Tiers, object_key};

/// Code sizes of the programs, in bytes.
const SIZES: [usize; 3] = [2 << 10, 128 << 10, 1 << 20];
/// Processes for each size.
const PROCESSES: usize = 101;
const VERSION: GpVersion = GpVersion::V0_7_2;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args[..] {
        [way, cache, hashes @ ..] if way == "steps" || way == "engine" => {
            let hashes: Vec<[u8; 32]> = hashes.iter().map(|text| from_hex(text)).collect();
            let steps = if way == "steps" { by_steps(Path::new(cache), &hashes) } else { by_engine(cache, &hashes) };
            steps?.iter().for_each(|(name, nanos)| println!("{nanos} {name}"));
            Ok(())
        }
        [way, directory] if way == "fill" => {
            for size in SIZES {
                let cache = Path::new(directory).join(size.to_string());
                let (hashes, _) = fill(&cache, size)?;
                println!("engine {} {}", cache.display(), hashes.join(" "));
            }
            Ok(())
        }
        [] => measure(&env::temp_dir()),
        [directory] => measure(Path::new(directory)),
        _ => Err("expected at most a directory".into()),
    }
}

fn measure(directory: &Path) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(directory)?;
    for size in SIZES {
        let cache = folder.path().join(size.to_string());
        let (hashes, object_kib) = fill(&cache, size)?;
        println!("\n{} KiB of code, object of {object_kib} KiB; µs: median, tenth percentile", size >> 10);
        for way in ["engine", "steps"] {
            // The first ones bring files and program into memory.
            let runs: Vec<_> = (0..PROCESSES + 5).map(|_| run(way, &cache, &hashes)).collect::<Result<_, _>>()?;
            report(&runs[5..]);
        }
    }
    Ok(())
}

/// Compiles programs of this size into the cache. Returns their hashes and the length of an object in KiB.
fn fill(cache: &Path, size: usize) -> Result<(Vec<String>, u64), Failure> {
    let engine =
        Engine::new(EngineConfig { cache: Some(cache.to_owned()), tiers: Tiers::Fast, ..EngineConfig::default() })?;
    let mut object_kib = 0;
    let hashes = (0..4).map(|variant| {
        let blob = program(size, variant);
        let code_hash = hash(&blob);
        engine.prewarm(VERSION, Container::Raw, code_hash, &blob)?;
        let key = engine.key_parts(VERSION, Container::Raw, code_hash, Tier::Fast).key();
        object_kib = engine.cache().and_then(|cache| cache.lookup(&key)).map_or(0, |hit| hit.object_len >> 10);
        Ok(to_hex(&code_hash))
    });
    Ok((hashes.collect::<Result<_, Failure>>()?, object_kib))
}

fn run(way: &str, cache: &Path, hashes: &[String]) -> Result<Vec<(String, u64)>, Failure> {
    let output = Command::new(env::current_exe()?).arg(way).arg(cache).args(hashes).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| {
            let (nanos, name) = line.split_once(' ').ok_or("a line without a name")?;
            Ok((name.to_owned(), nanos.parse()?))
        })
        .collect()
}

fn report(runs: &[Vec<(String, u64)>]) {
    for (step, (name, _)) in runs[0].iter().enumerate() {
        let mut nanos: Vec<u64> = runs.iter().map(|run| run[step].1).collect();
        nanos.sort_unstable();
        let micros = |at: usize| nanos[at] as f64 / 1000.0;
        println!("  {name:32} {:8.2} {:8.2}", micros(nanos.len() / 2), micros(nanos.len() / 10));
    }
}

/// Takes the time between steps.
struct Watch {
    last: Instant,
    steps: Vec<(String, u64)>,
}

impl Watch {
    fn start() -> Self {
        // Reading the clock the first time costs more than later.
        std::hint::black_box(Instant::now());
        Self { steps: Vec::with_capacity(32), last: Instant::now() }
    }

    fn step(&mut self, name: &str) {
        let nanos = self.last.elapsed().as_nanos() as u64;
        self.steps.push((name.to_owned(), nanos));
        self.last = Instant::now();
    }
}

fn by_engine(cache: &str, hashes: &[[u8; 32]]) -> Result<Vec<(String, u64)>, Failure> {
    let config = EngineConfig { cache: Some(cache.into()), tiers: Tiers::Fast, ..EngineConfig::default() };
    let load = |engine: &Engine, code_hash: &[u8; 32]| -> Result<Module, Failure> {
        let module = engine.load(VERSION, Container::Raw, *code_hash, || Ok(Vec::new()))?;
        if module.origin() == Origin::CacheHit { Ok(module) } else { Err("not from the cache".into()) }
    };
    let mut watch = Watch::start();
    let engine = Engine::new(config)?;
    watch.step("engine");
    let first = load(&engine, &hashes[0])?;
    watch.step("first load");
    let mut modules = vec![first];
    for (number, code_hash) in (2..).zip(&hashes[1..]) {
        watch.last = Instant::now();
        modules.push(load(&engine, code_hash)?);
        watch.step(&format!("load of program {number}"));
    }
    watch.last = Instant::now();
    load(&engine, &hashes[0])?;
    watch.step("load of the first again");
    let sum = watch.steps[..2].iter().map(|(_, nanos)| nanos).sum();
    watch.steps.insert(2, ("engine and first load".to_owned(), sum));
    Ok(watch.steps)
}

fn by_steps(cache: &Path, hashes: &[[u8; 32]]) -> Result<Vec<(String, u64)>, Failure> {
    let find = |cache: &Cache, key| -> Result<Hit, Failure> { Ok(cache.lookup(&key).ok_or("not in the cache")?) };
    let mut watch = Watch::start();
    let cpu = CpuFeatures::host();
    watch.step("CPU features");
    let cache = Cache::open(cache)?;
    watch.step("Cache::open");
    let mut loaded = Vec::with_capacity(hashes.len());
    for (number, code_hash) in (1..).zip(hashes) {
        watch.last = Instant::now();
        let key = object_key(VERSION, Container::Raw, *code_hash, cpu, Tier::Fast).key();
        watch.step(&format!("program {number}: key"));
        let hit = find(&cache, key)?;
        watch.step(&format!("program {number}: Cache::lookup"));
        loaded.push(Loaded::from_file(hit.file, hit.object_len, cpu)?);
        watch.step(&format!("program {number}: Loaded::from_file"));
    }
    Ok(watch.steps)
}

/// A raw program of about `bytes` code bytes: blocks of two additions. Variants differ in a constant.
fn program(bytes: usize, variant: u8) -> Vec<u8> {
    // add_imm_64 a0, a0, variant; add_imm_64 a0, a0, 1; fallthrough
    let block = [149, 0x77, variant, 149, 0x77, 1, 1];
    let code: Vec<u8> = block.iter().copied().cycle().take(bytes / 56 * 56).collect();
    let mut blob = vec![0, 0];
    tvm_isa::codec::encode_natural(code.len() as u64, &mut blob);
    blob.extend(&code);
    // Starts at 0, 3 and 6 of every 7 bytes; the pattern repeats after 7 bytes of mask.
    let starts = |at: usize| [0, 3, 6].contains(&(at % 7));
    let mask = |byte: usize| (0..8).filter(|bit| starts(byte * 8 + bit)).fold(0, |mask, bit| mask | 1 << bit);
    blob.extend((0..code.len() / 8).map(mask));
    blob
}

fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
    }
    bytes
}
