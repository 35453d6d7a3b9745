//! TVM's ways of running a guest.

use std::time::Duration;

use anyhow::bail;
use tvm_abi::Tier;
use tvm_isa::{Gas, GpVersion};
use tvm_runtime::{Backend, Engine, EngineConfig, GuestExit, GuestState, Instance, StopAtHostCalls};

use crate::clock::CpuClock;
use crate::guests::{self, Guest, PLENTY};
use crate::runner::{Contender, Runner};

/// TVM set up in one way.
pub struct Tvm {
    name: String,
    engine: Engine,
    version: GpVersion,
}

/// A guest in it.
struct TvmRunner {
    instance: Instance,
    start: GuestState,
    name: String,
}

impl Tvm {
    /// An engine that compiles on this tier.
    pub fn compiled(version: GpVersion, tier: Tier) -> anyhow::Result<Self> {
        let engine = Engine::new(EngineConfig { tiers: tier.into(), ..EngineConfig::default() })?;
        Ok(Self { name: format!("TVM {tier}, {version}"), engine, version })
    }

    /// An engine that interprets.
    pub fn interpreter(version: GpVersion) -> anyhow::Result<Self> {
        let config = EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() };
        Ok(Self { name: format!("TVM interpreter, {version}"), engine: Engine::new(config)?, version })
    }
}

impl Contender for Tvm {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> GpVersion {
        self.version
    }

    fn interprets(&self) -> bool {
        self.engine.backend() == Backend::Interpreter
    }

    fn set_up(&self, guest: &Guest) -> anyhow::Result<Box<dyn Runner>> {
        let module = guest.load(&self.engine, self.version)?;
        let mut instance = Instance::standard(&self.engine, &module, &guest.args)?;
        guests::start(&mut instance);
        let start = instance.state().clone();
        Ok(Box::new(TvmRunner { instance, start, name: guest.name.clone() }))
    }
}

impl Runner for TvmRunner {
    fn run(&mut self) -> anyhow::Result<Duration> {
        self.instance.state_mut().clone_from(&self.start);
        let start = CpuClock::this_thread().now()?;
        let exit = self.instance.run(&mut StopAtHostCalls)?;
        let took = CpuClock::this_thread().since(start)?;
        if exit != GuestExit::Halt {
            bail!("{}: expected a halt, found {exit:?} at pc {}", self.name, self.instance.state().pc);
        }
        Ok(took)
    }

    fn output(&mut self) -> anyhow::Result<Vec<u8>> {
        let regs = &self.instance.state().regs;
        Ok(self.instance.memory().read(regs[7], regs[8])?)
    }

    fn gas(&self) -> Option<u64> {
        let Gas(left) = self.instance.state().gas;
        Some(PLENTY.0 - left)
    }
}
