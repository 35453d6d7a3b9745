//! From a key to a module: looked up, compiled, linked.

use std::sync::Arc;

use tvm_cache::{Hit, Outcome, Source};
use tvm_compiler::{CompileOptions, compile};

use super::key::{ModuleKey, is_of};
use super::{Backend, Engine};
use crate::error::{Error, LoadError};
use crate::host_call::HostError;
use crate::module::{Module, Origin};
use crate::sys::NativeModule;

/// A program's bytes, asked for when they are first needed.
pub(super) enum Code<C, F> {
    Unread(Option<F>),
    Read(C),
}

impl<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>> Code<C, F> {
    /// The bytes.
    pub fn bytes(&mut self) -> Result<&[u8], LoadError> {
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

/// An object to be linked.
enum Object {
    /// In the cache.
    Stored(Hit),
    /// In memory only.
    Fresh(Arc<Vec<u8>>),
}

impl Engine {
    /// The module of a program that is not loaded.
    pub(super) fn load_now<C: AsRef<[u8]>>(
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

    pub(super) fn compile<C: AsRef<[u8]>, F: FnOnce() -> Result<C, HostError>>(
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
