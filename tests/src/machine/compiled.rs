//! The engine as a node uses it: compiled code with the interpreter behind it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::hash;
use tvm_isa::{Container, GpVersion, Pc};
use tvm_runtime::memory::GuestMemory;
use tvm_runtime::{EngineConfig, Error, GuestExit, GuestState, HostCalls, Instance, Module};

use super::{Engine, Machine};
use crate::engines::Way;

/// Loads after which programs that nobody runs are forgotten: a million generated ones would fill the memory.
const LOADS_BETWEEN_CLEANUPS: usize = 64;

/// Executes compiled code of one tier.
#[derive(Debug)]
pub struct CompiledEngine {
    engine: tvm_runtime::Engine,
    baseline: bool,
    tier: Tier,
    loads: AtomicUsize,
}

impl CompiledEngine {
    /// An engine for this CPU, or for plain x86-64.
    ///
    /// # Errors
    /// When TVM cannot be set up.
    pub fn new(tier: Tier, baseline: bool) -> anyhow::Result<Self> {
        let cpu = baseline.then_some(CpuFeatures::BASELINE);
        let config = EngineConfig { cpu, ..Way::Compiled(tier).verifying(None) };
        Ok(Self { engine: tvm_runtime::Engine::new(config)?, baseline, tier, loads: AtomicUsize::new(0) })
    }

    fn load(&self, version: GpVersion, container: Container, bytes: &[u8]) -> anyhow::Result<Module> {
        if self.loads.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOADS_BETWEEN_CLEANUPS) {
            self.engine.unload_idle();
        }
        let module = self.engine.load(version, container, hash(bytes), || Ok(bytes))?;
        // A program whose code is not safe would be interpreted, and agree with the interpreter.
        anyhow::ensure!(self.engine.stats().refused == 0, "expected compiled code to pass verification, it did not");
        Ok(module)
    }
}

impl Engine for CompiledEngine {
    fn name(&self) -> &'static str {
        match (self.tier, self.baseline) {
            (tier, false) => Way::Compiled(tier).name(),
            (Tier::Fast, true) => "compiled-baseline",
            (Tier::Best, true) => "compiled-best-baseline",
        }
    }

    fn bare<'a>(&self, version: GpVersion, blob: &'a [u8]) -> anyhow::Result<Box<dyn Machine + 'a>> {
        let module = self.load(version, Container::Raw, blob)?;
        Ok(Box::new(Instance::bare(&self.engine, &module)?))
    }

    fn standard<'a>(
        &self,
        version: GpVersion,
        container: Container,
        bytes: &'a [u8],
        arguments: &[u8],
    ) -> anyhow::Result<Box<dyn Machine + 'a>> {
        let module = self.load(version, container, bytes)?;
        Ok(Box::new(Instance::standard(&self.engine, &module, arguments)?))
    }
}

impl Machine for Instance {
    fn state_mut(&mut self) -> &mut GuestState {
        Self::state_mut(self)
    }

    fn memory_mut(&mut self) -> &mut GuestMemory {
        Self::memory_mut(self)
    }

    fn run(&mut self, hosts: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        Self::run(self, hosts)
    }

    fn skip_host_call(&mut self) {
        Self::skip_host_call(self);
    }

    fn shows_registers_at(&self, exit: GuestExit) -> bool {
        self.module().shows_registers_at(exit)
    }

    fn may_start_at(&self, pc: u32) -> bool {
        self.module().may_start_at(Pc(pc))
    }
}
