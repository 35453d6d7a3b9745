//! Engines and modules for tests that look at more than [`crate::machine`] shows.

use std::path::Path;

use tvm_cache::hash;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{
    Backend, Engine, EngineConfig, Guest, GuestExit, HostAction, HostCalls, HostError, Instance, Module,
};

/// An engine that compiles, without a cache.
///
/// # Panics
/// When TVM cannot be set up.
#[must_use]
pub fn compiled() -> Engine {
    Engine::new(EngineConfig::default()).expect("an engine without cache")
}

/// An engine that interprets.
///
/// # Panics
/// When TVM cannot be set up.
#[must_use]
pub fn interpreted() -> Engine {
    let config = EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() };
    Engine::new(config).expect("an engine without cache")
}

/// An engine that compiles and keeps objects in `directory`.
///
/// # Panics
/// When the directory cannot be used.
#[must_use]
pub fn cached(directory: &Path) -> Engine {
    let config = EngineConfig { cache: Some(directory.to_owned()), ..EngineConfig::default() };
    Engine::new(config).expect("the cache directory can be used")
}

/// Loads a program.
///
/// # Panics
/// When the engine does not take it.
#[must_use]
pub fn load(engine: &Engine, version: GpVersion, container: Container, bytes: &[u8]) -> Module {
    engine.load(version, container, hash(bytes), || Ok(bytes)).expect("a valid program")
}

/// The output of a run that halted (GP A.8): the bytes at register 7, as many as register 8 says.
#[must_use]
pub fn output(instance: &Instance) -> Option<Vec<u8>> {
    let regs = &instance.state().regs;
    instance.memory().read(regs[7], regs[8]).ok()
}

/// Serves host calls with a function.
pub struct Calls<F>(pub F);

impl<F: FnMut(u64, Guest<'_>) -> HostAction> HostCalls for Calls<F> {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok((self.0)(id, guest))
    }
}

/// Host calls where none are expected.
///
/// # Panics
/// At a host call.
pub fn no_calls() -> impl HostCalls {
    Calls(|id, guest: Guest<'_>| panic!("unexpected host call {id} at {}", guest.pc))
}

/// Runs to an exit without host calls.
///
/// # Panics
/// At a host call, and when TVM fails.
pub fn run(instance: &mut Instance) -> GuestExit {
    instance.run(&mut no_calls()).expect("TVM runs")
}
