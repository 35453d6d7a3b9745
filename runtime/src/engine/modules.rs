//! The modules that an engine keeps loaded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tvm_abi::Tier;

use super::key::ModuleKey;
use crate::module::Module;

/// Most modules an engine keeps loaded beyond those in use.
pub const MAX_IDLE_MODULES: usize = 1024;

/// Loaded modules by program.
#[derive(Default)]
pub(super) struct Modules {
    loaded: RwLock<BTreeMap<ModuleKey, Loaded>>,
    /// One lock for each program being loaded, so that it is loaded once. They are as few as the threads that load.
    loading: Mutex<Vec<(ModuleKey, Arc<Mutex<()>>)>>,
}

struct Loaded {
    module: Module,
    /// Whether best code is still to be asked for.
    asks: AtomicBool,
}

impl Modules {
    /// A loaded module, and whether best code is still to be asked for.
    pub fn get(&self, key: &ModuleKey) -> Option<(Module, bool)> {
        self.read().get(key).map(|loaded| (loaded.module.clone(), loaded.asks.load(Ordering::Relaxed)))
    }

    /// Runs `load` unless the program is loaded. Of several threads that ask for the same program at the same time, one
    /// loads it and the others wait.
    pub fn get_or_load<E>(
        &self,
        key: ModuleKey,
        load: impl FnOnce() -> Result<(Module, bool), E>,
    ) -> Result<(Module, bool), E> {
        let turn = self.turn(key);
        let guard = lock(&turn);
        let result = match self.get(&key) {
            Some(found) => Ok(found),
            None => load().inspect(|(module, asks)| self.keep(key, module, *asks)),
        };
        drop(guard);
        let mut loading = lock(&self.loading);
        let at = loading.iter().position(|(_, other)| Arc::ptr_eq(other, &turn));
        if let Some(at) = at.filter(|_| Arc::strong_count(&turn) == 2) {
            loading.swap_remove(at);
        }
        result
    }

    /// The lock that whoever loads this program holds.
    fn turn(&self, key: ModuleKey) -> Arc<Mutex<()>> {
        let mut loading = lock(&self.loading);
        if let Some((_, turn)) = loading.iter().find(|(other, _)| *other == key) {
            return Arc::clone(turn);
        }
        let turn = Arc::default();
        loading.push((key, Arc::clone(&turn)));
        turn
    }

    /// Says whether best code is still to be asked for, if the program is loaded.
    pub fn set_asks(&self, key: &ModuleKey, asks: bool) {
        if let Some(loaded) = self.read().get(key) {
            loaded.asks.store(asks, Ordering::Relaxed);
        }
    }

    /// Whether the loaded module has best code.
    pub fn has_best(&self, key: &ModuleKey) -> bool {
        self.read().get(key).is_some_and(|loaded| loaded.module.tier() == Some(Tier::Best))
    }

    /// Puts a module with best code in the place of the loaded one, and gives that back. If the program is not loaded, or
    /// with best code already, the module itself comes back as an error.
    pub fn swap(&self, key: &ModuleKey, module: Module) -> Result<Module, Module> {
        match self.write().get_mut(key) {
            Some(loaded) if loaded.module.tier() != Some(Tier::Best) => {
                loaded.asks.store(false, Ordering::Relaxed);
                Ok(std::mem::replace(&mut loaded.module, module))
            }
            Some(_) | None => Err(module),
        }
    }

    /// Forgets the modules that nobody else holds.
    pub fn unload_idle(&self) {
        self.write().retain(|_, loaded| !loaded.module.is_sole());
    }

    fn keep(&self, key: ModuleKey, module: &Module, asks: bool) {
        let mut modules = self.write();
        if modules.len() >= MAX_IDLE_MODULES {
            modules.retain(|_, loaded| !loaded.module.is_sole());
        }
        modules.insert(key, Loaded { module: module.clone(), asks: AtomicBool::new(asks) });
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ModuleKey, Loaded>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ModuleKey, Loaded>> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
