//! What an engine has compiled, and what it is compiling.

use std::sync::atomic::{AtomicU64, Ordering};

use tvm_abi::Tier;
use tvm_isa::{Container, GpVersion};

/// Events since the engine was made, and what is going on now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct EngineStats {
    /// Programs compiled on the fast tier.
    pub compiled_fast: u64,
    /// Programs compiled on the best tier, in the background or not.
    pub compiled_best: u64,
    /// Loaded programs whose fast code was replaced by best code.
    pub swapped: u64,
    /// Requests for best code that were dropped because too many others waited, or no thread could be started.
    pub dropped: u64,
    /// Jobs in the background that failed; [`Engine::background_failures`](super::Engine::background_failures) says why.
    pub failed: u64,
    /// Code that did not pass verification ([`Verification`](super::Verification)): anything but 0 is an error of TVM that should be reported.
    pub refused: u64,
    /// Programs that wait to be compiled in the background.
    pub queued: u64,
    /// Programs that are being compiled in the background.
    pub running: u64,
}

/// A program that could not be compiled in the background. It keeps its fast code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BackgroundFailure {
    /// The rules it was compiled under.
    pub version: GpVersion,
    /// The container it came in.
    pub container: Container,
    /// Its BLAKE2b-256.
    pub code_hash: [u8; 32],
    /// Whether it will be tried again when it is loaded again.
    pub is_final: bool,
    /// What went wrong, in words.
    pub reason: String,
}

/// Events, counted from any thread. Nothing depends on their order.
#[derive(Default, Debug)]
pub(super) struct Counters {
    compiled: [AtomicU64; Tier::ALL.len()],
    pub swapped: AtomicU64,
    pub dropped: AtomicU64,
    pub failed: AtomicU64,
    pub refused: AtomicU64,
}

impl Counters {
    /// Counts a program compiled on a tier.
    pub fn count_compiled(&self, tier: Tier) {
        add_one(&self.compiled[tier as usize]);
    }

    /// All events; nothing is going on.
    pub fn snapshot(&self) -> EngineStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Self { compiled, swapped, dropped, failed, refused } = self;
        EngineStats {
            compiled_fast: get(&compiled[Tier::Fast as usize]),
            compiled_best: get(&compiled[Tier::Best as usize]),
            swapped: get(swapped),
            dropped: get(dropped),
            failed: get(failed),
            refused: get(refused),
            queued: 0,
            running: 0,
        }
    }
}

/// Counts one more.
pub(super) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
