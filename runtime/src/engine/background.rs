//! Compiling on the best tier in the background: a bounded queue, few threads of low priority, and an end.
//!
//! A job is made from the fast code's object, which holds the program: the host is not asked for it again, and a
//! program that waits takes no memory but the mapping it has. There is at most one job for each program. Nothing that goes
//! wrong here reaches who loads or runs a program: it is counted, noted, and the fast code stays.
//!
//! Locks are taken in the order: this one's state, then the loaded modules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use tvm_abi::Tier;
use tvm_compiler::compile_unpacked;

use super::config::BackgroundLimits;
use super::key::ModuleKey;
use super::modules::Modules;
use super::objects::Objects;
use super::stats::{BackgroundFailure, add_one};
use crate::error::{Error, LoadError};
use crate::module::Module;
use crate::sys::{self, NativeModule};

/// How often a program is tried when the machine fails (no memory, no file descriptors). What the compiler refuses is
/// tried once.
pub const MAX_BACKGROUND_ATTEMPTS: u32 = 3;

/// Failures that are remembered. On overflow all are forgotten, and those programs may be tried again.
pub const MAX_BACKGROUND_FAILURES: usize = 256;

/// The background of one engine. Dropping it ends its threads.
pub(super) struct Background(Arc<Shared>);

/// Makes the module with best code.
type Make = fn(&Objects, &Job) -> Result<Module, LoadError>;

struct Shared {
    make: Make,
    limits: BackgroundLimits,
    objects: Arc<Objects>,
    modules: Arc<Modules>,
    state: Mutex<State>,
    /// There is work, or no more will come.
    work: Condvar,
    /// A job has ended, or the rest are held.
    rest: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Programs that wait or are being compiled.
    pending: BTreeSet<ModuleKey>,
    running: usize,
    threads: Vec<JoinHandle<()>>,
    failures: BTreeMap<ModuleKey, Failure>,
    is_held: bool,
    is_over: bool,
}

/// A program to be compiled.
struct Job {
    key: ModuleKey,
    /// Its fast code.
    native: NativeModule,
}

/// Why a program was not compiled.
struct Failure {
    attempts: u32,
    reason: String,
}

impl Background {
    /// No threads and no work yet.
    pub fn new(limits: BackgroundLimits, objects: Arc<Objects>, modules: Arc<Modules>) -> Self {
        Self::with(make, limits, objects, modules)
    }

    fn with(make: Make, limits: BackgroundLimits, objects: Arc<Objects>, modules: Arc<Modules>) -> Self {
        let (state, work, rest) = Default::default();
        Self(Arc::new(Shared { make, limits, objects, modules, state, work, rest }))
    }

    /// Asks for best code of a program. Unless there is no room, it need not be asked for again.
    pub fn ask(&self, key: ModuleKey, native: &NativeModule) {
        let shared = &self.0;
        let mut state = shared.state();
        let is_settled = state.pending.contains(&key)
            || state.is_hopeless(&key)
            || shared.modules.has_best(&key)
            || self.enqueue(&mut state, key, native);
        if !is_settled {
            add_one(&shared.objects.counters.dropped);
        }
        shared.modules.set_asks(&key, !is_settled);
    }

    /// Puts a program at the queue's end, if there is room and a thread.
    fn enqueue(&self, state: &mut State, key: ModuleKey, native: &NativeModule) -> bool {
        let limits = self.0.limits;
        if state.queue.len() >= limits.queue {
            return false;
        }
        // Those that wait and the one to come need more threads than are idle.
        let idle = state.threads.len() - state.running;
        if idle <= state.queue.len() && state.threads.len() < limits.threads {
            let shared = Arc::clone(&self.0);
            let thread = Builder::new().name("tvm-background".to_owned()).spawn(move || shared.work());
            // If the system has no thread to give, those that there are must do.
            state.threads.extend(thread);
        }
        if state.threads.is_empty() {
            return false;
        }
        state.queue.push_back(Job { key, native: native.clone() });
        state.pending.insert(key);
        self.0.work.notify_one();
        true
    }

    /// Programs that wait, and programs that are being compiled.
    pub fn load(&self) -> (u64, u64) {
        let state = self.0.state();
        (state.queue.len() as u64, state.running as u64)
    }

    /// What failed.
    pub fn failures(&self) -> Vec<BackgroundFailure> {
        let of = |(key, failure): (&ModuleKey, &Failure)| {
            let ModuleKey { version, container, code_hash } = *key;
            let is_final = failure.attempts >= MAX_BACKGROUND_ATTEMPTS;
            BackgroundFailure { version, container, code_hash, is_final, reason: failure.reason.clone() }
        };
        self.0.state().failures.iter().map(of).collect()
    }

    /// Waits until nothing is being compiled and nothing waits that is not held.
    pub fn wait(&self) {
        let mut state = self.0.state();
        while state.running > 0 || !(state.queue.is_empty() || state.is_held) {
            state = self.0.rest.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets programs wait, or no longer.
    pub fn hold(&self, hold: bool) {
        self.0.state().is_held = hold;
        if hold { self.0.rest.notify_all() } else { self.0.work.notify_all() }
    }
}

fn make(objects: &Objects, job: &Job) -> Result<Module, LoadError> {
    let Job { key, native } = job;
    let module = objects.make(*key, Tier::Best, |options| {
        let (ro, rw) = native.initial_data()?;
        Ok(compile_unpacked(native.unpacked(&ro, &rw), key.code_hash, options)?)
    })?;
    objects.sync(*key, Tier::Best);
    Ok(module)
}

impl Drop for Background {
    fn drop(&mut self) {
        let (threads, given_up) = {
            let mut state = self.0.state();
            state.is_over = true;
            (std::mem::take(&mut state.threads), std::mem::take(&mut state.queue))
        };
        self.0.work.notify_all();
        drop(given_up);
        for thread in threads {
            // A job's panic is caught; there is nothing to learn from one elsewhere.
            let _ = thread.join();
        }
    }
}

impl State {
    fn is_hopeless(&self, key: &ModuleKey) -> bool {
        self.failures.get(key).is_some_and(|failure| failure.attempts >= MAX_BACKGROUND_ATTEMPTS)
    }

    fn note_failure(&mut self, key: ModuleKey, attempts: u32, reason: String) {
        if self.failures.len() >= MAX_BACKGROUND_FAILURES && !self.failures.contains_key(&key) {
            self.failures.clear();
        }
        let failure = self.failures.entry(key).or_insert(Failure { attempts: 0, reason: String::new() });
        failure.attempts = failure.attempts.saturating_add(attempts);
        failure.reason = reason;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does.
    fn work(&self) {
        sys::become_background_thread();
        while let Some(job) = self.next() {
            let made = self.compile(&job);
            self.finish(job.key, made);
        }
    }

    /// The next job; `None` when no more will come.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if !state.is_held
                && let Some(job) = state.queue.pop_front()
            {
                state.running += 1;
                return Some(job);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The module with best code; else how many attempts the failure counts for, and why.
    fn compile(&self, job: &Job) -> Result<Module, (u32, String)> {
        match catch_unwind(AssertUnwindSafe(|| (self.make)(&self.objects, job))) {
            Ok(Ok(module)) => Ok(module),
            // It would be made the same again.
            Ok(Err(LoadError::Machine(error @ Error::Unsafe(_)))) => Err((MAX_BACKGROUND_ATTEMPTS, error.to_string())),
            Ok(Err(LoadError::Machine(error))) => Err((1, error.to_string())),
            Ok(Err(error)) => Err((MAX_BACKGROUND_ATTEMPTS, error.to_string())),
            Err(_) => Err((MAX_BACKGROUND_ATTEMPTS, "the compiler panicked".to_owned())),
        }
    }

    /// Swaps the module in, or notes why there is none. All at once: whoever asks for the program finds it pending, or
    /// what came of it.
    fn finish(&self, key: ModuleKey, made: Result<Module, (u32, String)>) {
        let mut state = self.state();
        let counters = &self.objects.counters;
        // A module may be unmapped when it goes, which must not keep others waiting.
        let gone = match made {
            Ok(module) => {
                state.failures.remove(&key);
                let swapped = self.modules.swap(&key, module);
                if swapped.is_ok() {
                    add_one(&counters.swapped);
                }
                Some(swapped.unwrap_or_else(|unneeded| unneeded))
            }
            Err((attempts, reason)) => {
                add_one(&counters.failed);
                state.note_failure(key, attempts, reason);
                self.modules.set_asks(&key, !state.is_hopeless(&key));
                None
            }
        };
        state.pending.remove(&key);
        state.running -= 1;
        self.rest.notify_all();
        drop(state);
        drop(gone);
    }
}

#[cfg(test)]
mod tests;
