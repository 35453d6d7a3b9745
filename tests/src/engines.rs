//! Engines and modules for tests that look at more than [`crate::machine`] shows.

use std::path::Path;

use tvm_abi::Tier;
use tvm_cache::hash;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{
    Backend, Engine, EngineConfig, Guest, GuestExit, HostAction, HostCalls, HostError, Instance, Module, Verification,
};

/// A way of executing programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// By interpretation: the reference.
    Interpreted,
    /// Compiled on this tier, and on no other.
    Compiled(Tier),
}

impl Way {
    /// Every way, the reference first.
    pub const ALL: [Self; 3] = [Self::Interpreted, Self::Compiled(Tier::Fast), Self::Compiled(Tier::Best)];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interpreted => "interpreter",
            Self::Compiled(Tier::Fast) => "compiled",
            Self::Compiled(Tier::Best) => "compiled-best",
        }
    }

    /// The configuration of an engine that goes this way and keeps objects in `cache`, if there is one.
    #[must_use]
    pub fn config(self, cache: Option<&Path>) -> EngineConfig {
        let config = EngineConfig { cache: cache.map(Path::to_owned), ..EngineConfig::default() };
        match self {
            Self::Interpreted => EngineConfig { backend: Backend::Interpreter, ..config },
            Self::Compiled(tier) => EngineConfig { tiers: tier.into(), ..config },
        }
    }

    /// The same, of an engine that verifies all of its code: for tests, which do not mind the time.
    #[must_use]
    pub fn verifying(self, cache: Option<&Path>) -> EngineConfig {
        EngineConfig { verification: Verification::Always, ..self.config(cache) }
    }

    /// An engine without a cache, which verifies all of its code.
    ///
    /// # Panics
    /// When TVM cannot be set up.
    #[must_use]
    pub fn engine(self) -> Engine {
        Engine::new(self.verifying(None)).expect("an engine without cache")
    }
}

/// An engine for each way of executing programs, the reference first.
#[must_use]
pub fn all() -> [Engine; 3] {
    Way::ALL.map(Way::engine)
}

/// An engine that compiles on this tier, without a cache.
#[must_use]
pub fn compiled(tier: Tier) -> Engine {
    Way::Compiled(tier).engine()
}

/// An engine that compiles for each tier.
#[must_use]
pub fn tiers() -> [Engine; 2] {
    Tier::ALL.map(compiled)
}

/// An engine that interprets.
#[must_use]
pub fn interpreted() -> Engine {
    Way::Interpreted.engine()
}

/// An engine that compiles on the fast tier and keeps objects in `directory`: for tests of the cache, to which objects of
/// all tiers are alike.
///
/// # Panics
/// When the directory cannot be used.
#[must_use]
pub fn cached(directory: &Path) -> Engine {
    Engine::new(Way::Compiled(Tier::Fast).verifying(Some(directory))).expect("the cache directory can be used")
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
    Calls(|id, guest: Guest<'_>| panic!("unexpected host call {id} at {}", guest.state.pc()))
}

/// Runs to an exit without host calls.
///
/// # Panics
/// At a host call, and when TVM fails.
pub fn run(instance: &mut Instance) -> GuestExit {
    instance.run(&mut no_calls()).expect("TVM runs")
}
