//! From a key and a tier to a module: looked up, compiled, linked.

use std::sync::Arc;

use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::{Cache, Hit, KeyParts, Outcome, Source};
use tvm_compiler::CompileOptions;
use tvm_loader::VerifyError;

use super::config::Verification;
use super::key::{ModuleKey, is_of, object_key};
use super::stats::{Counters, add_one};
use super::workshop::Workshop;
use crate::error::{Error, LoadError};
use crate::module::{Module, Origin};
use crate::sys::NativeModule;

/// Where compiled code comes from: the cache, if there is one, and the compiler.
pub(super) struct Objects {
    pub cpu: CpuFeatures,
    pub cache: Option<Cache>,
    pub verification: Verification,
    pub counters: Counters,
    pub workshop: Workshop,
}

/// An object to be linked.
enum Object {
    /// In the cache.
    Stored(Hit),
    /// In memory only.
    Fresh(Arc<Vec<u8>>),
}

impl Objects {
    /// Nothing is compiled yet.
    pub fn new(cpu: CpuFeatures, cache: Option<Cache>, verification: Verification) -> Self {
        let (counters, workshop) = Default::default();
        Self { cpu, cache, verification, counters, workshop }
    }

    /// The module of a program whose object is in the cache.
    pub fn find(&self, key: ModuleKey, tier: Tier) -> Result<Option<Module>, LoadError> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let Some(hit) = cache.lookup(&self.parts(key, tier).key()) else { return Ok(None) };
        let found = self.link(key, tier, Object::Stored(hit), Origin::CacheHit)?;
        if found.is_none() {
            self.remove(key, tier);
        }
        Ok(found)
    }

    /// The module of a program, compiled now, for an engine without a cache.
    pub fn make_uncached(&self, key: ModuleKey, tier: Tier, code: &[u8]) -> Result<Module, LoadError> {
        let ModuleKey { version, container, .. } = key;
        let native = self.workshop.make(key, code, CompileOptions { version, container, cpu: self.cpu, tier })?;
        self.counters.count_compiled(tier);
        self.verify(tier, || native.verify())?;
        Module::native(native, Origin::Compiled)
    }

    /// The module of a program, compiled by `compile` if its object is not in the cache, and stored there.
    pub fn make(
        &self,
        key: ModuleKey,
        tier: Tier,
        mut compile: impl FnMut(CompileOptions) -> Result<Vec<u8>, LoadError>,
    ) -> Result<Module, LoadError> {
        let mut compile = || self.compile(key, tier, &mut compile);
        let Some(cache) = &self.cache else { return self.link_fresh(key, tier, Arc::new(compile()?)) };
        let (source, outcome) = cache.get_or_publish(&self.parts(key, tier), &mut compile)?;
        let hit = match source {
            Source::Cached(hit) => hit,
            // Whatever kept the cache from storing it, the object is good.
            Source::Fresh(object, _) => return self.link_fresh(key, tier, object),
        };
        let origin = if outcome == Outcome::Hit { Origin::CacheHit } else { Origin::Compiled };
        if let Some(module) = self.link(key, tier, Object::Stored(hit), origin)? {
            return Ok(module);
        }
        // The stored object cannot be used: a new one takes its place.
        self.remove(key, tier);
        let object = Arc::new(compile()?);
        let _ = cache.publish(&self.parts(key, tier), &object);
        self.link_fresh(key, tier, object)
    }

    /// Puts a program's object into the cache if it is not there, without loading it.
    pub fn store(
        &self,
        key: ModuleKey,
        tier: Tier,
        mut compile: impl FnMut(CompileOptions) -> Result<Vec<u8>, LoadError>,
    ) -> Result<Origin, LoadError> {
        let cache = self.cache.as_ref().ok_or(Error::NoCache)?;
        let origin = match cache.get_or_publish(&self.parts(key, tier), || self.compile(key, tier, &mut compile))? {
            (Source::Cached(_), Outcome::Hit) => Origin::CacheHit,
            (Source::Cached(_), Outcome::Miss) => Origin::Compiled,
            (Source::Fresh(_, why), _) => return Err(Error::NotStored(why).into()),
        };
        self.sync(key, tier);
        Ok(origin)
    }

    /// Waits until a stored object is on the disk, so that its first load needs not ask which boot this is, nor read all
    /// of it after a restart. If that fails, it does: it costs time and nothing else.
    pub fn sync(&self, key: ModuleKey, tier: Tier) {
        if let Some(cache) = &self.cache {
            let _ = cache.sync(&self.parts(key, tier));
        }
    }

    /// What the program's object is filed under.
    pub fn parts(&self, key: ModuleKey, tier: Tier) -> KeyParts {
        object_key(key.version, key.container, key.code_hash, self.cpu, tier)
    }

    fn compile(
        &self,
        key: ModuleKey,
        tier: Tier,
        compile: impl FnOnce(CompileOptions) -> Result<Vec<u8>, LoadError>,
    ) -> Result<Vec<u8>, LoadError> {
        let ModuleKey { version, container, .. } = key;
        let object = compile(CompileOptions { version, container, cpu: self.cpu, tier })?;
        self.counters.count_compiled(tier);
        self.verify(tier, || match tvm_loader::verify(&object) {
            Ok(_) => Ok(()),
            Err(VerifyError::Code(violation)) => Err(Error::Unsafe(violation)),
            Err(VerifyError::Object(error)) => Err(error.into()),
        })?;
        Ok(object)
    }

    /// Verifies code just made, if code of its tier is to be.
    fn verify(&self, tier: Tier, verify: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        if !self.verification.covers(tier) {
            return Ok(());
        }
        verify().inspect_err(|_| add_one(&self.counters.refused))
    }

    /// Removes an object. If that fails, the program is compiled again next time: it costs time and nothing else.
    fn remove(&self, key: ModuleKey, tier: Tier) {
        if let Some(cache) = &self.cache {
            let _ = cache.remove(&self.parts(key, tier).key());
        }
    }

    fn link_fresh(&self, key: ModuleKey, tier: Tier, object: Arc<Vec<u8>>) -> Result<Module, LoadError> {
        self.link(key, tier, Object::Fresh(object), Origin::Compiled)?
            .ok_or_else(|| Error::Internal("an object just made cannot be used".to_owned()).into())
    }

    /// Maps and links an object. `None` when a stored one turns out to be unusable.
    fn link(&self, key: ModuleKey, tier: Tier, object: Object, origin: Origin) -> Result<Option<Module>, LoadError> {
        let native = match object {
            Object::Stored(hit) => match NativeModule::from_file(hit.file, hit.object_len, self.cpu) {
                Ok(native) if is_of(&native, key, tier) => native,
                Ok(_) => return Ok(None),
                Err(Error::Object(error)) if error.is_object_fault() => return Ok(None),
                Err(error) => return Err(error.into()),
            },
            Object::Fresh(object) => NativeModule::from_bytes(&object, self.cpu)?,
        };
        Module::native(native, origin).map(Some)
    }
}

#[cfg(test)]
mod tests;
