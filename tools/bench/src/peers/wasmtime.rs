//! The `wasmtime` crate with Cranelift, given the guests as wasm32.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use wasmtime::{Config, Instance, Memory, Module, Store, TypedFunc};

use super::sources::Sources;
use crate::clock::CpuClock;
use crate::guests::Guest;
use crate::runner::{Contender, Runner};

/// Wasmtime with or without fuel.
pub struct Wasmtime {
    name: &'static str,
    engine: wasmtime::Engine,
    fuel: bool,
    sources: Rc<Sources>,
}

/// A guest in it.
struct WasmtimeRunner {
    store: Store<()>,
    memory: Memory,
    run: TypedFunc<u32, u32>,
    output_at: u32,
    output_len: u32,
    arguments: u32,
    fuel: bool,
}

/// The crate has an error type of its own.
pub fn text(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("wasmtime: {error:?}")
}

/// Wasmtime's settings. Everything else is as the crate has it: Cranelift optimises for speed, linear memories are
/// reserved whole, so that accesses need no checks.
pub fn config(fuel: bool) -> Config {
    let mut config = Config::new();
    config.consume_fuel(fuel);
    config
}

impl Wasmtime {
    pub fn new(fuel: bool, sources: Rc<Sources>) -> anyhow::Result<Self> {
        let name = if fuel { "wasmtime, fuel" } else { "wasmtime, no fuel" };
        Ok(Self { name, engine: wasmtime::Engine::new(&config(fuel)).map_err(text)?, fuel, sources })
    }
}

impl Contender for Wasmtime {
    fn name(&self) -> &str {
        self.name
    }

    fn set_up(&self, guest: &Guest) -> anyhow::Result<Box<dyn Runner>> {
        let module = Module::new(&self.engine, self.sources.wasm(&guest.name)?).map_err(text)?;
        let mut store = Store::new(&self.engine, ());
        refuel(&mut store, self.fuel)?;
        let instance = Instance::new(&mut store, &module, &[]).map_err(text)?;
        let memory = instance.get_memory(&mut store, "memory").context("the module has no memory")?;
        let address = |store: &mut Store<()>, name: &str| -> anyhow::Result<u32> {
            let function = instance.get_typed_func::<(), u32>(&mut *store, name).map_err(text)?;
            function.call(store, ()).map_err(text)
        };
        let arguments_at = address(&mut store, "args_buffer")?;
        let output_at = address(&mut store, "out_buffer")?;
        memory.write(&mut store, arguments_at as usize, &guest.args)?;
        let run = instance.get_typed_func(&mut store, "run").map_err(text)?;
        let arguments = u32::try_from(guest.args.len())?;
        Ok(Box::new(WasmtimeRunner { store, memory, run, output_at, output_len: 0, arguments, fuel: self.fuel }))
    }
}

/// Fills the tank, if there is one.
pub fn refuel<T>(store: &mut Store<T>, fuel: bool) -> anyhow::Result<()> {
    if fuel {
        store.set_fuel(u64::MAX).map_err(text)?;
    }
    Ok(())
}

impl Runner for WasmtimeRunner {
    fn run(&mut self) -> anyhow::Result<Duration> {
        refuel(&mut self.store, self.fuel)?;
        let start = CpuClock::this_thread().now()?;
        self.output_len = self.run.call(&mut self.store, self.arguments).map_err(text)?;
        CpuClock::this_thread().since(start)
    }

    fn output(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut output = vec![0; self.output_len as usize];
        self.memory.read(&self.store, self.output_at as usize, &mut output)?;
        Ok(output)
    }
}
