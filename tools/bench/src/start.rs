//! The way to the first result.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::hash;
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, Gas, GpVersion, Pc};
use tvm_runtime::{
    Engine, EngineConfig, Guest, GuestExit, HostAction, HostCalls, HostError, Instance, Module, Origin,
    StopAtHostCalls, Tiers,
};

use crate::programs;
use crate::stats::{Samples, duration};
use crate::table::Table;

const VERSION: GpVersion = GpVersion::V0_7_2;

/// Code sizes of the programs, in bytes.
const SIZES: [usize; 4] = [2 << 10, 32 << 10, 256 << 10, 1 << 20];

/// Times of one warm load in a process of its own, in nanoseconds.
#[derive(Serialize, Deserialize)]
pub struct WarmLoad {
    /// Making the engine, which opens the cache directory.
    engine: f64,
    /// The first load: opens the index, finds, maps and links the object.
    first: f64,
    /// The same with the index open: of another program's object of the same size, where there is one.
    load: f64,
    /// Loading the same program again.
    again: f64,
    /// Instance, arguments and first call of the guest, which returns at once.
    call: f64,
}

/// Everything about starting.
pub fn measure(_guests: &Path, rounds: usize) -> anyhow::Result<Vec<Table>> {
    Ok(vec![by_size(rounds)?, fixed(rounds)?])
}

fn by_size(rounds: usize) -> anyhow::Result<Table> {
    let columns = [
        "code",
        "object",
        "compile",
        "warm: engine",
        "first load",
        "next load",
        "load again",
        "instance and first call",
    ];
    let mut table = Table::new("Start, by program size; warm loads in new processes", &columns);
    let folder = tempfile::tempdir()?;
    for size in SIZES {
        let blob = programs::service(size);
        let options =
            CompileOptions { version: VERSION, container: Container::Jam, cpu: CpuFeatures::host(), tier: Tier::Fast };
        let mut compiled = Samples::default();
        let mut object_len = 0;
        for _ in 0..rounds.min(9) {
            object_len = compiled.time(|| compile(&blob, hash(&blob), options))?.len();
        }
        let (cache, path) = (folder.path().join(format!("cache-{size}")), folder.path().join(format!("{size}.jam")));
        std::fs::write(&path, &blob)?;
        std::fs::write(sibling(&path), sibling_blob(&blob))?;
        // The first process compiles both programs, all others must find them.
        warm_load_in_child(&cache, &path)?;
        let mut samples = vec![Vec::new(); 5];
        for _ in 0..rounds {
            let WarmLoad { engine, first, load, again, call } = warm_load_in_child(&cache, &path)?;
            for (all, one) in samples.iter_mut().zip([engine, first, load, again, call]) {
                all.push(one);
            }
        }
        let mut row = vec![format!("{} KB", size >> 10), format!("{} KB", object_len >> 10), compiled.describe()];
        row.extend(samples.into_iter().map(|mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            duration(all[all.len() / 2])
        }));
        table.rows.push(row);
    }
    Ok(table)
}

fn warm_load_in_child(cache: &Path, blob: &Path) -> anyhow::Result<WarmLoad> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).arg("warm-load").arg(cache).arg(blob).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the child's answer")
}

/// The same program behind one byte of metadata: another code hash.
fn sibling_blob(blob: &[u8]) -> Vec<u8> {
    let mut other = vec![1, b'b'];
    other.extend(&blob[1..]);
    other
}

fn sibling(path: &Path) -> std::path::PathBuf {
    path.with_extension("sibling.jam")
}

/// Loads two programs of the same size through the cache, and calls the first. Run in a process of its own.
pub fn warm_load(cache: &Path, path: &Path) -> anyhow::Result<WarmLoad> {
    let blob = std::fs::read(path)?;
    let other = std::fs::read(sibling(path))?;
    let (code_hash, other_hash) = (hash(&blob), hash(&other));
    let mut last = Instant::now();
    let mut lap = || {
        let now = Instant::now();
        let elapsed = now - last;
        last = now;
        elapsed.as_nanos() as f64
    };
    let engine =
        Engine::new(EngineConfig { cache: Some(cache.to_owned()), tiers: Tiers::Fast, ..EngineConfig::default() })?;
    let engine_time = lap();
    let module = load(&engine, code_hash, &blob)?;
    let first = lap();
    let second = load(&engine, other_hash, &other)?;
    let load_time = lap();
    let again = load(&engine, code_hash, &blob)?;
    let again_time = lap();
    let mut instance = Instance::standard(&engine, &again, &[1, 2, 3])?;
    call(&mut instance)?;
    let call_time = lap();
    drop((module, second));
    Ok(WarmLoad { engine: engine_time, first, load: load_time, again: again_time, call: call_time })
}

fn load(engine: &Engine, code_hash: [u8; 32], blob: &[u8]) -> anyhow::Result<Module> {
    Ok(engine.load(VERSION, Container::Jam, code_hash, || Ok(blob))?)
}

fn call(instance: &mut Instance) -> anyhow::Result<()> {
    let state = instance.state_mut();
    (state.pc, state.gas, state.regs[0]) = (Pc(0), Gas(1000), 0xffff_0000);
    let exit = instance.run(&mut StopAtHostCalls)?;
    ensure!(exit == GuestExit::Halt, "expected a halt, found {exit:?}");
    Ok(())
}

/// Resumes after every host call.
struct Resume;

impl HostCalls for Resume {
    fn host_call(&mut self, _id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok(HostAction::Resume)
    }
}

/// Calls made in the guest that measures host calls.
const HOST_CALLS: u64 = 100_000;

fn fixed(rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new("Start, independent of size", &["what", "time"]);
    let engine = Engine::new(EngineConfig { tiers: Tiers::Fast, ..EngineConfig::default() })?;
    let blob = programs::service(2 << 10);
    let code_hash = hash(&blob);
    let module = load(&engine, code_hash, &blob)?;
    let [mut in_process, mut instantiate, mut reset, mut empty] = [(); 4].map(|()| Samples::default());
    let mut instance = Instance::standard(&engine, &module, &[1, 2, 3])?;
    for _ in 0..rounds {
        in_process.time_many(1000, || drop(load(&engine, code_hash, &blob)));
        instantiate.time_many(1000, || drop(Instance::standard(&engine, &module, &[1, 2, 3])));
        reset.time_many(1000, || instance.reset(&[1, 2, 3]).expect("resets"));
        empty.time_many(1000, || call(&mut instance).expect("halts"));
    }
    for (what, samples) in [
        ("load within the process", in_process),
        ("instantiate (pooled) and drop", instantiate),
        ("reset", reset),
        ("empty call", empty),
        ("host call round trip", host_calls(&engine, rounds)?),
    ] {
        table.rows.push(vec![what.to_owned(), samples.describe()]);
    }
    ensure!(module.origin() == Origin::Compiled, "expected compiled code, found {:?}", module.origin());
    Ok(table)
}

/// A loop around `ecalli`; the time of one round, the loop's own instructions included.
fn host_calls(engine: &Engine, rounds: usize) -> anyhow::Result<Samples> {
    // ecalli 0; add_imm_64 a0, a0, -1; branch_ne_imm a0, 0, to the start; trap
    let blob = [&[0, 0, 8][..], &[10, 149, 0x77, 0xff, 82, 0x07, 0xfc, 0], &[0b1001_0011]].concat();
    let module = engine.load(VERSION, Container::Raw, hash(&blob), || Ok(&blob))?;
    let mut instance = Instance::bare(engine, &module)?;
    let mut samples = Samples::default();
    for _ in 0..rounds {
        let state = instance.state_mut();
        (state.pc, state.gas, state.regs[7]) = (Pc(0), Gas(1 << 40), HOST_CALLS);
        let start = Instant::now();
        let exit = instance.run(&mut Resume)?;
        samples.push(start.elapsed() / HOST_CALLS as u32);
        ensure!(
            exit == GuestExit::Panic && instance.state().regs[7] == 0,
            "expected the trap at the end, found {exit:?}"
        );
    }
    Ok(samples)
}
