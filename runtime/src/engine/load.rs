//! Loading a program: which tier's code it gets, and what is asked for in the background.

use tvm_abi::Tier;
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};

use super::config::{Backend, Tiers};
use super::key::ModuleKey;
use super::{Engine, Inner};
use crate::error::{Error, LoadError};
use crate::host_call::HostError;
use crate::module::{Module, Origin};

/// Who a program is loaded for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    /// A program of the host.
    Outer,
    /// A program that a guest made up.
    Inner,
}

/// A program's bytes. Not a type parameter of everything that loads: so loading is compiled once and lies together, and the
/// first load of a process touches fewer pages of code.
trait Code {
    /// The bytes.
    fn bytes(&mut self) -> Result<&[u8], LoadError>;
}

/// A program's bytes, asked for when they are first needed.
enum Lazy<C, F> {
    Unread(Option<F>),
    Read(C),
}

impl<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>> Code for Lazy<C, F> {
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

impl Engine {
    /// The module of a program: the one loaded already, else its object from the cache, else compiled now. Which tier's
    /// code it has is up to [`Tiers`].
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
        self.load_for(Purpose::Outer, ModuleKey { version, container, code_hash }, &mut Lazy::Unread(Some(code)))
    }

    /// As [`load`](Self::load), for a program that a guest made up: best code is used if it is there, but not asked for.
    ///
    /// A guest can make as many programs as it has gas for, most of which run once. Compiling them in the background would
    /// take the node's time without gas, and push the services' programs out of the queue. So they have to earn it: see
    /// [`want_best`](Self::want_best).
    pub(crate) fn load_inner<C: AsRef<[u8]>>(
        &self,
        version: GpVersion,
        code_hash: [u8; 32],
        code: impl FnOnce() -> Result<C, HostError>,
    ) -> Result<Module, LoadError> {
        let container = Container::Raw;
        self.load_for(Purpose::Inner, ModuleKey { version, container, code_hash }, &mut Lazy::Unread(Some(code)))
    }

    /// Asks for best code of a program with fast code, where it is made in the background.
    pub(crate) fn want_best(&self, version: GpVersion, code_hash: [u8; 32], module: &Module) {
        let container = module.container();
        self.0.ask(ModuleKey { version, container, code_hash }, module);
    }

    /// Puts a program's object into the cache if it is not there, and onto the disk, without loading it: for service code that will be
    /// needed, such as all known services under the rules of the next version. The tier is the best one that the engine
    /// uses. Says whether it had to be compiled.
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
        let tier = match self.0.tiers {
            Tiers::Fast => Tier::Fast,
            Tiers::Best | Tiers::Cached | Tiers::Background => Tier::Best,
        };
        let key = ModuleKey { version, container, code_hash };
        self.0.objects.store(key, tier, |options| Ok(compile(code, code_hash, options)?))
    }

    fn load_for(&self, purpose: Purpose, key: ModuleKey, code: &mut dyn Code) -> Result<Module, LoadError> {
        let inner = &self.0;
        let (module, asks) = match inner.modules.get(&key) {
            Some(found) => found,
            None => inner.modules.get_or_load(key, || inner.load_now(purpose, key, code))?,
        };
        if asks {
            inner.ask(key, &module);
        }
        Ok(module)
    }
}

impl Inner {
    /// The module of a program that is not loaded, and whether best code is to be asked for.
    fn load_now(&self, purpose: Purpose, key: ModuleKey, code: &mut dyn Code) -> Result<(Module, bool), LoadError> {
        let loaded = match self.backend {
            Backend::Interpreter => None,
            Backend::Compiled => self.load_compiled(key, code)?,
        };
        match loaded {
            Some(module) => {
                let asks = purpose == Purpose::Outer && self.tiers == Tiers::Background;
                let asks = asks && module.tier() == Some(Tier::Fast);
                Ok((module, asks))
            }
            None => Ok((Module::interpreted(code.bytes()?, key.version, key.container)?, false)),
        }
    }

    /// The program's compiled code; `None` if it is too large for the compiler, or what that made is not safe.
    fn load_compiled(&self, key: ModuleKey, code: &mut dyn Code) -> Result<Option<Module>, LoadError> {
        let tier = match self.tiers {
            Tiers::Fast => Tier::Fast,
            Tiers::Best => Tier::Best,
            Tiers::Cached | Tiers::Background => {
                if let Some(module) = self.objects.find(key, Tier::Best)? {
                    return Ok(Some(module));
                }
                Tier::Fast
            }
        };
        let compile = |options: CompileOptions| Ok(compile(code.bytes()?, key.code_hash, options)?);
        let made = match self.objects.cache {
            Some(_) => self.objects.make(key, tier, compile),
            None => self.objects.make_uncached(key, tier, code.bytes()?),
        };
        or_interpreted(made)
    }

    /// Asks for best code of a program that is loaded with this module.
    fn ask(&self, key: ModuleKey, module: &Module) {
        if let (Some(background), Some(native)) = (&self.background, module.native_code()) {
            background.ask(key, native);
        }
    }
}

/// `None` where the program is to be interpreted: what the compiler does not take, and code that is not safe, which was counted and is gone.
pub(super) fn or_interpreted(made: Result<Module, LoadError>) -> Result<Option<Module>, LoadError> {
    match made {
        Ok(module) => Ok(Some(module)),
        Err(LoadError::TooLarge(_) | LoadError::Machine(Error::Unsafe(_))) => Ok(None),
        Err(error) => Err(error),
    }
}
