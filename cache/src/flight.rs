//! One compilation per key: whoever asks for an object that is just being compiled waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::cache::Cache;
use crate::error::CacheError;
use crate::key::{Key, KeyParts};
use crate::lookup::Hit;

/// Where an object can be had.
#[derive(Debug)]
pub enum Source {
    /// In the cache.
    Cached(Hit),
    /// In memory only, for the reason given. The object is good; only the next process will have to compile it again.
    Fresh(Arc<Vec<u8>>, Arc<CacheError>),
}

/// Whether a call of [`Cache::get_or_publish`] compiled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It did not: the object was in the cache, or another thread compiled it.
    Hit,
    /// It did.
    Miss,
}

/// The compilations under way in this process.
#[derive(Default)]
pub(crate) struct Flights {
    running: Mutex<BTreeMap<Key, Arc<Flight>>>,
}

struct Flight {
    leader: ThreadId,
    end: Mutex<Option<End>>,
    ended: Condvar,
}

/// What the leader leaves to those who waited.
#[derive(Clone)]
enum End {
    /// Look again: the object is in the cache, or else it is the next one's turn to compile.
    LookAgain,
    /// Compiled, but not stored.
    Fresh(Arc<Vec<u8>>, Arc<CacheError>),
}

enum Role<'a> {
    Leader(Leader<'a>),
    Follower(Arc<Flight>),
    /// This very thread is compiling this very key: waiting would be for ever.
    Reentrant,
}

/// The right and duty to compile. However it is lost, by an error or by a panic, those who wait are woken.
struct Leader<'a> {
    flights: &'a Flights,
    key: Key,
    flight: Arc<Flight>,
}

impl Cache {
    /// The object of `parts`, compiled by `compile` if it is not in the cache. Of several threads that ask for the same
    /// object at the same time, one compiles and the others wait. If it fails or panics, the next one tries itself.
    ///
    /// # Errors
    /// Those of `compile`; the cache has none here.
    pub fn get_or_publish<E>(
        &self,
        parts: &KeyParts,
        compile: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<(Source, Outcome), E> {
        let key = parts.key();
        loop {
            if let Some(hit) = self.find(&key) {
                return Ok(self.found(Source::Cached(hit)));
            }
            match self.flights.join(key) {
                Role::Leader(leader) => {
                    // The previous leader may have finished between the lookup and here.
                    if let Some(hit) = self.find(&key) {
                        return Ok(self.found(Source::Cached(hit)));
                    }
                    let source = self.compile_and_publish(parts, compile)?;
                    if let Source::Fresh(object, why) = &source {
                        leader.end(End::Fresh(Arc::clone(object), Arc::clone(why)));
                    }
                    return Ok((source, Outcome::Miss));
                }
                Role::Follower(flight) => {
                    if let End::Fresh(object, why) = flight.wait() {
                        return Ok(self.found(Source::Fresh(object, why)));
                    }
                }
                Role::Reentrant => return Ok((self.compile_and_publish(parts, compile)?, Outcome::Miss)),
            }
        }
    }

    fn found(&self, source: Source) -> (Source, Outcome) {
        self.counters.hits.add_one();
        (source, Outcome::Hit)
    }

    fn compile_and_publish<E>(
        &self,
        parts: &KeyParts,
        compile: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Source, E> {
        self.counters.misses.add_one();
        let object = compile()?;
        Ok(match self.publish(parts, &object) {
            Ok(hit) => Source::Cached(hit),
            Err(why) => Source::Fresh(Arc::new(object), Arc::new(why)),
        })
    }
}

impl Flights {
    fn join(&self, key: Key) -> Role<'_> {
        let me = thread::current().id();
        let mut running = lock(&self.running);
        match running.get(&key) {
            Some(flight) if flight.leader == me => Role::Reentrant,
            Some(flight) => Role::Follower(Arc::clone(flight)),
            None => {
                let flight = Arc::new(Flight { leader: me, end: Mutex::new(None), ended: Condvar::new() });
                running.insert(key, Arc::clone(&flight));
                Role::Leader(Leader { flights: self, key, flight })
            }
        }
    }
}

impl Flight {
    fn wait(&self) -> End {
        let mut end = lock(&self.end);
        loop {
            if let Some(end) = &*end {
                return end.clone();
            }
            end = self.ended.wait(end).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Leader<'_> {
    fn end(&self, how: End) {
        // The first end counts: the drop that follows is no second one.
        lock(&self.flight.end).get_or_insert(how);
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        lock(&self.flights.running).remove(&self.key);
        self.end(End::LookAgain);
        self.flight.ended.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs while one of these is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
