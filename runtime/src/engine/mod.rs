//! The engine: loads programs, through the cache, and keeps what is loaded.

mod config;
mod key;
mod load;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::{Cache, KeyParts, Outcome, Source};
use tvm_isa::{Container, GpVersion};

pub use config::{Backend, EngineConfig};
use key::ModuleKey;
pub use key::object_key;
use load::Code;

use crate::error::{Error, LoadError};
use crate::host_call::HostError;
use crate::module::{Module, Origin};
use crate::sys::{Pool, host_features};

/// Most modules an engine keeps loaded beyond those in use.
pub const MAX_IDLE_MODULES: usize = 1024;

/// Loads and runs programs. Cloning is cheap and shares everything; an engine may be used from many threads at once.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

struct Inner {
    backend: Backend,
    cpu: CpuFeatures,
    tier: Tier,
    cache: Option<Cache>,
    modules: RwLock<HashMap<ModuleKey, Module>>,
    /// One lock for each program being loaded, so that it is loaded once.
    loading: Mutex<HashMap<ModuleKey, Arc<Mutex<()>>>>,
    pool: Arc<Pool>,
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// When the cache directory cannot be used, or the CPU lacks features that were asked for.
    pub fn new(config: EngineConfig) -> Result<Self, Error> {
        let EngineConfig { backend, cache, cpu, tier } = config;
        let host = host_features();
        let cpu = cpu.unwrap_or(host);
        if !host.contains(cpu) {
            return Err(Error::Cpu { wanted: cpu, found: host });
        }
        let cache = cache.map(Cache::open).transpose()?;
        Ok(Self(Arc::new(Inner {
            backend,
            cpu,
            tier,
            cache,
            modules: RwLock::default(),
            loading: Mutex::default(),
            pool: Arc::default(),
        })))
    }

    /// The module of a program: the one loaded already, else its object from the cache, else compiled now.
    ///
    /// `code_hash` is the BLAKE2b-256 of the program, container included; the engine takes it on trust. `code` is only
    /// called when the program has to be compiled or interpreted.
    ///
    /// # Errors
    /// [`LoadError::Malformed`] when the bytes are no program under this version: the guest's fault. Everything else
    /// says nothing about the guest.
    pub fn load<C: AsRef<[u8]>>(
        &self,
        version: GpVersion,
        container: Container,
        code_hash: [u8; 32],
        code: impl FnOnce() -> Result<C, HostError>,
    ) -> Result<Module, LoadError> {
        let key = ModuleKey { version, container, code_hash };
        if let Some(module) = self.loaded(&key) {
            return Ok(module);
        }
        let turn = Arc::clone(lock(&self.0.loading).entry(key).or_default());
        let guard = lock(&turn);
        let result = match self.loaded(&key) {
            Some(module) => Ok(module),
            None => self.load_now(key, code).inspect(|module| self.keep(key, module)),
        };
        drop(guard);
        let mut loading = lock(&self.0.loading);
        if loading.get(&key).is_some_and(|other| Arc::ptr_eq(other, &turn)) && Arc::strong_count(&turn) == 2 {
            loading.remove(&key);
        }
        result
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
        self.0.cache.as_ref()
    }

    /// How this engine executes programs.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.0.backend
    }

    /// Forgets the modules that no instance uses.
    pub fn unload_idle(&self) {
        self.0.modules.write().unwrap_or_else(PoisonError::into_inner).retain(|_, module| !module.is_sole());
    }

    /// The key parts under which this engine caches a program's object.
    #[must_use]
    pub fn key_parts(&self, version: GpVersion, container: Container, code_hash: [u8; 32]) -> KeyParts {
        object_key(version, container, code_hash, self.0.cpu, self.0.tier)
    }

    /// Puts a program's object into the cache if it is not there, without loading it: for service code that will be
    /// needed, such as all known services under the rules of the next version. Says whether it had to be compiled.
    ///
    /// # Errors
    /// [`LoadError::Malformed`] when the bytes are no program under that version, [`LoadError::TooLarge`] when it will be
    /// interpreted, and otherwise when there is no cache or it does not store.
    pub fn prewarm(
        &self,
        version: GpVersion,
        container: Container,
        code_hash: [u8; 32],
        code: &[u8],
    ) -> Result<Origin, LoadError> {
        let cache = self.0.cache.as_ref().ok_or(Error::NoCache)?;
        let key = ModuleKey { version, container, code_hash };
        let mut source = Code::Unread(Some(|| Ok(code)));
        let parts = self.key_parts(version, container, code_hash);
        match cache.get_or_publish(&parts, || self.compile(key, &mut source))? {
            (Source::Cached(_), Outcome::Hit) => Ok(Origin::CacheHit),
            (Source::Cached(_), Outcome::Miss) => Ok(Origin::Compiled),
            (Source::Fresh(_, why), _) => Err(Error::NotStored(why).into()),
        }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }

    fn loaded(&self, key: &ModuleKey) -> Option<Module> {
        self.0.modules.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: ModuleKey, module: &Module) {
        let mut modules = self.0.modules.write().unwrap_or_else(PoisonError::into_inner);
        if modules.len() >= MAX_IDLE_MODULES {
            modules.retain(|_, module| !module.is_sole());
        }
        modules.insert(key, module.clone());
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("backend", &self.backend).field("cpu", &self.cpu).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
