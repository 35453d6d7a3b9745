//! The engine as a node uses it: compiled code with the interpreter behind it.

use tvm_abi::CpuFeatures;
use tvm_cache::hash;
use tvm_isa::{Container, GpVersion, Pc};
use tvm_runtime::memory::GuestMemory;
use tvm_runtime::{Backend, EngineConfig, Error, GuestExit, GuestState, HostCalls, Instance, Module};

use super::{Engine, Machine};

/// Executes compiled code, each program compiled anew.
#[derive(Clone, Debug)]
pub struct CompiledEngine {
    engine: tvm_runtime::Engine,
    baseline: bool,
}

struct CompiledMachine(Instance);

impl CompiledEngine {
    /// An engine for this CPU, or for plain x86-64.
    ///
    /// # Errors
    /// When TVM cannot be set up.
    pub fn new(baseline: bool) -> anyhow::Result<Self> {
        let cpu = baseline.then_some(CpuFeatures::BASELINE);
        let engine = tvm_runtime::Engine::new(EngineConfig {
            backend: Backend::Compiled,
            cache: None,
            cpu,
            ..EngineConfig::default()
        })?;
        Ok(Self { engine, baseline })
    }

    fn load(&self, version: GpVersion, container: Container, bytes: &[u8]) -> anyhow::Result<Module> {
        // Nothing is kept: a million generated programs would fill the memory.
        self.engine.unload_idle();
        Ok(self.engine.load(version, container, hash(bytes), || Ok(bytes))?)
    }
}

impl Engine for CompiledEngine {
    fn name(&self) -> &'static str {
        if self.baseline { "compiled-baseline" } else { "compiled" }
    }

    fn bare<'a>(&self, version: GpVersion, blob: &'a [u8]) -> anyhow::Result<Box<dyn Machine + 'a>> {
        let module = self.load(version, Container::Raw, blob)?;
        Ok(Box::new(CompiledMachine(Instance::bare(&self.engine, &module)?)))
    }

    fn standard<'a>(
        &self,
        version: GpVersion,
        container: Container,
        bytes: &'a [u8],
        arguments: &[u8],
    ) -> anyhow::Result<Box<dyn Machine + 'a>> {
        let module = self.load(version, container, bytes)?;
        Ok(Box::new(CompiledMachine(Instance::standard(&self.engine, &module, arguments)?)))
    }
}

impl Machine for CompiledMachine {
    fn state_mut(&mut self) -> &mut GuestState {
        self.0.state_mut()
    }

    fn memory_mut(&mut self) -> &mut GuestMemory {
        self.0.memory_mut()
    }

    fn run(&mut self, hosts: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        self.0.run(hosts)
    }

    fn skip_host_call(&mut self) {
        self.0.skip_host_call();
    }

    fn may_start_at(&self, pc: u32) -> bool {
        self.0.module().may_start_at(Pc(pc))
    }
}
