//! What the `wasmtime` crate takes to load precompiled modules, and what its instances and calls cost.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow, ensure};
use wasmtime::{Engine, Instance, InstancePre, Linker, Module, PoolingAllocationConfig, Store, TypedFunc};

use super::sources::Sources;
use super::wasm;
use super::wasmtime::{config, text};
use crate::start::warm::{Loader, NewProcess, Steps};
use crate::start::{CALLS, CallTimes, Calls, Counted, HOST_CALLS, arguments, check_sum};

/// Memory that a place in the pool keeps between instances, if it is to, in bytes: all that the modules here have.
const KEPT: usize = 1 << 20;

/// Stack of the guest `sum` in wasm, in bytes: the linker's own choice.
const STACK: u32 = 64 << 10;

/// An engine that takes instances from a pool, without fuel, which makes it faster. Either as the crate sets the pool
/// up, where an instance's memory goes back to the system, or so that memory is kept and cleared by hand.
fn pooling(kept: bool) -> anyhow::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    if kept {
        pool.linear_memory_keep_resident(KEPT);
    }
    let mut config = config(false);
    config.allocation_strategy(pool);
    Engine::new(&config).map_err(text)
}

/// Loads a precompiled module.
#[expect(unsafe_code, reason = "the crate offers this as unsafe only, because it trusts the file")]
fn deserialize(engine: &Engine, path: &Path) -> anyhow::Result<Module> {
    // SAFETY: the file was written by `WasmtimeLoader::prepare` with the crate's `Module::serialize`, in a folder that
    // only this benchmark has.
    unsafe { Module::deserialize_file(engine, path) }.map_err(text)
}

/// The crate's precompiled modules.
pub fn loader(folder: &Path) -> anyhow::Result<impl Loader + use<>> {
    let paths = ["first.cwasm", "second.cwasm"].map(|name| folder.join(name));
    Ok(WasmtimeLoader { engine: pooling(false)?, paths })
}

struct WasmtimeLoader {
    engine: Engine,
    paths: [PathBuf; 2],
}

impl Loader for WasmtimeLoader {
    fn name(&self) -> &str {
        "wasmtime"
    }

    fn prepare(&mut self, bytes: usize) -> anyhow::Result<u64> {
        let module = Module::new(&self.engine, wasm::of_size(bytes)).map_err(text)?;
        let serialized = module.serialize().map_err(text)?;
        self.paths.iter().try_for_each(|path| std::fs::write(path, &serialized))?;
        Ok(serialized.len() as u64)
    }

    fn new_process(&self, command: &mut Command) {
        command.arg("warm-load").arg("wasmtime").args(&self.paths);
    }

    fn load(&mut self) -> anyhow::Result<()> {
        deserialize(&self.engine, &self.paths[0]).map(drop)
    }
}

/// Loads in this process, which must be a new one.
pub fn in_new_process(paths: [&Path; 2]) -> anyhow::Result<NewProcess> {
    let mut steps = Steps::start()?;
    let loaded = pooling(false)?;
    let engine = steps.step()?;
    let module = deserialize(&loaded, paths[0])?;
    let first = steps.step()?;
    let other = deserialize(&loaded, paths[1])?;
    let next = steps.step()?;
    // The crate keeps no modules; who has one clones it.
    let same = module.clone();
    let again = steps.step()?;
    let mut store = Store::new(&loaded, ());
    let instance = Instance::new(&mut store, &same, &[]).map_err(text)?;
    let empty = instance.get_typed_func::<(), ()>(&mut store, "empty").map_err(text)?;
    empty.call(&mut store, ()).map_err(text)?;
    let call = steps.step()?;
    drop((module, other));
    Ok(NewProcess { engine, first, next, again, call })
}

/// The crate's calls, with memory kept in the pool or not.
pub fn calls(sources: &Sources, kept: bool) -> anyhow::Result<impl Calls + use<>> {
    let engine = pooling(kept)?;
    let sum = Module::new(&engine, sources.wasm_with_stack("sum", STACK)?).map_err(text)?;
    let sum = Linker::new(&engine).instantiate_pre(&sum).map_err(text)?;
    let module = Module::new(&engine, wasm::calls()).map_err(text)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "call", || {}).map_err(text)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).map_err(text)?;
    let empty = instance.get_typed_func(&mut store, "empty").map_err(text)?;
    let calls = instance.get_typed_func(&mut store, "calls").map_err(text)?;
    let name = if kept { "wasmtime, pooling, memory kept" } else { "wasmtime, pooling" };
    Ok(WasmtimeCalls { name, engine, sum, store, empty, calls })
}

struct WasmtimeCalls {
    name: &'static str,
    engine: Engine,
    sum: InstancePre<()>,
    store: Store<()>,
    empty: TypedFunc<(), ()>,
    calls: TypedFunc<u32, ()>,
}

/// An instance of `sum` with what is needed to call it.
struct Sum {
    store: Store<()>,
    instance: Instance,
    run: TypedFunc<u32, u32>,
    output: usize,
}

impl WasmtimeCalls {
    fn instance(&self) -> anyhow::Result<(Store<()>, Instance)> {
        let mut store = Store::new(&self.engine, ());
        let instance = self.sum.instantiate(&mut store).map_err(text)?;
        Ok((store, instance))
    }

    fn with_arguments(&self, arguments: &[u8]) -> anyhow::Result<Sum> {
        let (mut store, instance) = self.instance()?;
        let mut address = |name| -> anyhow::Result<usize> {
            let function = instance.get_typed_func::<(), u32>(&mut store, name).map_err(text)?;
            Ok(function.call(&mut store, ()).map_err(text)? as usize)
        };
        let (input, output) = (address("args_buffer")?, address("out_buffer")?);
        let memory = instance.get_memory(&mut store, "memory").context("the module has no memory")?;
        memory.write(&mut store, input, arguments).map_err(|error| anyhow!("wasmtime: {error}"))?;
        let run = instance.get_typed_func(&mut store, "run").map_err(text)?;
        Ok(Sum { store, instance, run, output })
    }
}

impl Sum {
    fn call(&mut self, arguments: &[u8]) -> anyhow::Result<()> {
        let len = self.run.call(&mut self.store, arguments.len() as u32).map_err(text)?;
        ensure!(len == 8, "expected 8 bytes, found {len}");
        Ok(())
    }

    fn result(&mut self) -> anyhow::Result<()> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("the module has no memory")?;
        let mut result = [0; 8];
        memory.read(&self.store, self.output, &mut result).map_err(|error| anyhow!("wasmtime: {error}"))?;
        check_sum(result)
    }
}

impl Calls for WasmtimeCalls {
    fn name(&self) -> &str {
        self.name
    }

    fn round(&mut self, times: &mut CallTimes) -> anyhow::Result<()> {
        let arguments = arguments();
        times.of(Counted::Instantiate).time_many(CALLS, || self.instance().map(drop))?;
        times.of(Counted::InstantiateWithArguments).time_many(CALLS, || self.with_arguments(&arguments).map(drop))?;
        times.of(Counted::FirstCall).median_of(CALLS, |lap| {
            let mut sum = self.with_arguments(&arguments)?;
            lap.time(|| sum.call(&arguments))
        })?;
        times.of(Counted::Whole).time_many(CALLS, || {
            let mut sum = self.with_arguments(&arguments)?;
            sum.call(&arguments)?;
            sum.result()
        })?;
        times.of(Counted::EmptyCall).time_many(CALLS, || self.empty.call(&mut self.store, ()).map_err(text))?;
        let count = HOST_CALLS as u32;
        times.of(Counted::HostCall).time_shared(HOST_CALLS, || self.calls.call(&mut self.store, count).map_err(text))
    }
}
