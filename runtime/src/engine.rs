//! The engine: loads programs, through the cache, and keeps what is loaded.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tvm_abi::{CpuFeatures, Tier, sections};
use tvm_cache::{Cache, Hit, KeyParts, Outcome, Source};
use tvm_compiler::{COMPILER_IDENTITY, CompileOptions, compile};
use tvm_isa::{Container, GpVersion};

use crate::error::{Error, LoadError};
use crate::host_call::HostError;
use crate::module::{Module, Origin};
use crate::sys::{NativeModule, Pool};

/// Most modules an engine keeps loaded beyond those in use.
pub const MAX_IDLE_MODULES: usize = 1024;

/// How programs are executed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Backend {
    /// Compiled to machine code.
    #[default]
    Compiled,
    /// Interpreted.
    Interpreter,
}

/// What an engine is made with.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EngineConfig {
    /// How programs are executed.
    pub backend: Backend,
    /// The cache directory; `None` compiles anew in every process.
    pub cache: Option<PathBuf>,
    /// CPU features to compile for; `None` means those of this machine. Objects that need more than this machine has
    /// are refused.
    pub cpu: Option<CpuFeatures>,
    /// How much work goes into compiling.
    pub tier: Tier,
}

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

/// What a loaded module is known by within an engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ModuleKey {
    version: GpVersion,
    container: Container,
    code_hash: [u8; 32],
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// When the cache directory cannot be used, or the CPU lacks features that were asked for.
    pub fn new(config: EngineConfig) -> Result<Self, Error> {
        let EngineConfig { backend, cache, cpu, tier } = config;
        let host = CpuFeatures::host();
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

    fn load_now<C: AsRef<[u8]>>(
        &self,
        key: ModuleKey,
        code: impl FnOnce() -> Result<C, HostError>,
    ) -> Result<Module, LoadError> {
        let ModuleKey { version, container, .. } = key;
        let mut code = Code::Unread(Some(code));
        if self.0.backend == Backend::Interpreter {
            return Module::interpreted(code.bytes()?, version, container);
        }
        match self.object(key, &mut code) {
            Ok((object, outcome)) => {
                let origin = if outcome == Outcome::Hit { Origin::CacheHit } else { Origin::Compiled };
                match self.link(key, object, origin)? {
                    Some(module) => Ok(module),
                    None => self.replace(key, &mut code),
                }
            }
            Err(LoadError::TooLarge(_)) => Module::interpreted(code.bytes()?, version, container),
            Err(error) => Err(error),
        }
    }

    /// The program's object from the cache, or compiled and stored there.
    fn object<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>>(
        &self,
        key: ModuleKey,
        code: &mut Code<C, F>,
    ) -> Result<(Object, Outcome), LoadError> {
        match &self.0.cache {
            Some(cache) => {
                let parts = self.key_parts(key.version, key.container, key.code_hash);
                let (source, outcome) = cache.get_or_publish(&parts, || self.compile(key, code))?;
                Ok(match source {
                    Source::Cached(hit) => (Object::Stored(hit), outcome),
                    // Whatever kept the cache from storing it, the object is good.
                    Source::Fresh(object, _) => (Object::Fresh(object), outcome),
                })
            }
            None => Ok((Object::Fresh(Arc::new(self.compile(key, code)?)), Outcome::Miss)),
        }
    }

    fn compile<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>>(
        &self,
        key: ModuleKey,
        code: &mut Code<C, F>,
    ) -> Result<Vec<u8>, LoadError> {
        let ModuleKey { version, container, code_hash } = key;
        let options = CompileOptions { version, container, cpu: self.0.cpu, tier: self.0.tier };
        Ok(compile(code.bytes()?, code_hash, options)?)
    }

    /// Compiles a program whose stored object cannot be used, and stores the new one in its place.
    fn replace<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>>(
        &self,
        key: ModuleKey,
        code: &mut Code<C, F>,
    ) -> Result<Module, LoadError> {
        if let Some(cache) = &self.0.cache {
            // If it cannot be removed, the program is compiled again next time: that costs time and nothing else.
            let _ = cache.remove(&self.key_parts(key.version, key.container, key.code_hash).key());
        }
        let object = Arc::new(self.compile(key, code)?);
        if let Some(cache) = &self.0.cache {
            let _ = cache.publish(&self.key_parts(key.version, key.container, key.code_hash), &object);
        }
        self.link(key, Object::Fresh(object), Origin::Compiled)?
            .ok_or_else(|| Error::Internal("an object just made cannot be used".to_owned()).into())
    }

    /// Maps and links an object. `None` when a stored one turns out to be unusable.
    fn link(&self, key: ModuleKey, object: Object, origin: Origin) -> Result<Option<Module>, LoadError> {
        let native = match object {
            Object::Stored(hit) => match NativeModule::from_file(hit.file, hit.object_len, self.0.cpu) {
                Ok(native) if is_of(&native, key) => native,
                Ok(_) => return Ok(None),
                Err(Error::Object(error)) if error.is_object_fault() => return Ok(None),
                Err(error) => return Err(error.into()),
            },
            Object::Fresh(object) => NativeModule::from_bytes(&object, self.0.cpu)?,
        };
        Module::native(native, origin).map(Some)
    }
}

/// An object to be linked.
enum Object {
    /// In the cache.
    Stored(Hit),
    /// In memory only.
    Fresh(Arc<Vec<u8>>),
}

/// What the object of a program is filed under when it is compiled for a CPU with these features, on this tier.
#[must_use]
pub fn object_key(
    version: GpVersion,
    container: Container,
    code_hash: [u8; 32],
    cpu: CpuFeatures,
    tier: Tier,
) -> KeyParts {
    KeyParts {
        code_hash,
        format_version: sections::FORMAT_VERSION,
        compiler: COMPILER_IDENTITY,
        gp_version: version as u8,
        gas_model: version.rules().gas as u8,
        container: container as u8,
        cpu_features: cpu.bits(),
        options: tier as u64,
    }
}

/// Whether a loaded object is what its key says.
fn is_of(native: &NativeModule, key: ModuleKey) -> bool {
    let note = native.note();
    note.compiler == COMPILER_IDENTITY
        && (note.gp_version, note.container, note.code_hash) == (key.version, key.container, key.code_hash)
}

/// A program's bytes, asked for when they are first needed.
enum Code<C, F> {
    Unread(Option<F>),
    Read(C),
}

impl<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>> Code<C, F> {
    fn bytes(&mut self) -> Result<&[u8], LoadError> {
        if let Self::Unread(source) = self {
            let read = source.take().ok_or_else(|| Error::Internal("a program was asked for twice".to_owned()))?;
            *self = Self::Read(read().map_err(Error::Host)?);
        }
        match self {
            Self::Read(bytes) => Ok(C::as_ref(bytes)),
            Self::Unread(_) => Err(Error::Internal("a program was read and is not there".to_owned()).into()),
        }
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
