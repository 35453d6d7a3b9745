//! The engine: loads programs, through the cache, and keeps what is loaded.

mod background;
mod config;
mod key;
mod load;
mod modules;
mod objects;
mod stats;
mod workshop;

use std::sync::Arc;

use tvm_abi::Tier;
use tvm_cache::{Cache, KeyParts};
use tvm_isa::{Container, GpVersion};

pub use background::{MAX_BACKGROUND_ATTEMPTS, MAX_BACKGROUND_FAILURES};
pub use config::{
    Backend, BackgroundLimits, DEFAULT_BACKGROUND_QUEUE, DEFAULT_BACKGROUND_THREADS, EngineConfig, Tiers, Verification,
};
pub use key::object_key;
pub use modules::MAX_IDLE_MODULES;
pub use stats::{BackgroundFailure, EngineStats};

use background::Background;
use key::ModuleKey;
use modules::Modules;
use objects::Objects;

use crate::error::{Error, LoadError};
use crate::module::Module;
use crate::sys::{Pool, host_features};

/// Loads and runs programs. Cloning is cheap and shares everything; an engine may be used from many threads at once.
///
/// Dropping the last clone ends what is done in the background: programs that wait are given up, one that is being compiled is
/// finished and stored, which is waited for.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

struct Inner {
    backend: Backend,
    tiers: Tiers,
    objects: Arc<Objects>,
    modules: Arc<Modules>,
    /// Only with [`Tiers::Background`].
    background: Option<Background>,
    pool: Arc<Pool>,
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// When the cache directory cannot be used, or the CPU lacks features that were asked for.
    pub fn new(config: EngineConfig) -> Result<Self, Error> {
        let EngineConfig { backend, cache, cpu, tiers, background, verification } = config;
        let host = host_features();
        let cpu = cpu.unwrap_or(host);
        if !host.contains(cpu) {
            return Err(Error::Cpu { wanted: cpu, found: host });
        }
        let cache = cache.map(Cache::open).transpose()?;
        let objects = Arc::new(Objects::new(cpu, cache, verification));
        let modules = Arc::new(Modules::default());
        let in_background = backend == Backend::Compiled && tiers == Tiers::Background;
        let background = in_background.then(|| Background::new(background, Arc::clone(&objects), Arc::clone(&modules)));
        Ok(Self(Arc::new(Inner { backend, tiers, objects, modules, background, pool: Arc::default() })))
    }

    /// A module of `code` that is interpreted and kept by nobody: for programs not worth compiling.
    ///
    /// # Errors
    /// [`LoadError::Malformed`] when the bytes are no program under this version.
    pub fn load_interpreted(&self, version: GpVersion, container: Container, code: &[u8]) -> Result<Module, LoadError> {
        Module::interpreted(code, version, container)
    }

    /// The engine's cache, if it has one.
    #[must_use]
    pub fn cache(&self) -> Option<&Cache> {
        self.0.objects.cache.as_ref()
    }

    /// How this engine executes programs.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.0.backend
    }

    /// Forgets the modules that no instance uses.
    pub fn unload_idle(&self) {
        self.0.modules.unload_idle();
    }

    /// The key parts under which this engine caches a program's object of one tier.
    #[must_use]
    pub fn key_parts(&self, version: GpVersion, container: Container, code_hash: [u8; 32], tier: Tier) -> KeyParts {
        self.0.objects.parts(ModuleKey { version, container, code_hash }, tier)
    }

    /// What was compiled, and what is being compiled.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let stats = self.0.objects.counters.snapshot();
        let (queued, running) = self.0.background.as_ref().map_or((0, 0), Background::load);
        EngineStats { queued, running, ..stats }
    }

    /// Programs that could not be compiled in the background, at most [`MAX_BACKGROUND_FAILURES`]: for the host's log.
    /// Nothing else follows from them.
    #[must_use]
    pub fn background_failures(&self) -> Vec<BackgroundFailure> {
        self.0.background.as_ref().map_or(Vec::new(), Background::failures)
    }

    /// Waits until nothing is compiled in the background and nothing waits for it: so that a test or benchmark knows
    /// which code the next load gives, and that nothing else runs beside it. While compiling is
    /// [held](Self::hold_background), programs that wait are not waited for.
    pub fn wait_for_background(&self) {
        if let Some(background) = &self.0.background {
            background.wait();
        }
    }

    /// Holds compiling in the background back, or lets it go on: for times when the host needs the whole machine.
    /// Programs still queue up, and one that is being compiled is finished.
    pub fn hold_background(&self, hold: bool) {
        if let Some(background) = &self.0.background {
            background.hold(hold);
        }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { backend, tiers, objects, modules: _, background: _, pool: _ } = self;
        f.debug_struct("Engine")
            .field("backend", backend)
            .field("tiers", tiers)
            .field("cpu", &objects.cpu)
            .finish_non_exhaustive()
    }
}
