//! What the cache holds and what it has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Contents of the directory, and events since this [`Cache`](crate::Cache) was opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Object files in the directory.
    pub entries: u64,
    /// Their bytes, trailers included.
    pub bytes: u64,
    /// Files in quarantine.
    pub quarantined: u64,
    /// Their bytes.
    pub quarantined_bytes: u64,
    /// Files being written, or left over from writers that were killed.
    pub temporary: u64,
    /// Lookups that found an object.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Hits for which the whole file was read and its digest compared.
    pub digest_checks: u64,
    /// Files that failed a check.
    pub rejected: u64,
    /// Objects stored.
    pub published: u64,
    /// Objects that could not be stored.
    pub publish_failures: u64,
    /// Times the index was locked or unreadable, and was done without.
    pub index_unavailable: u64,
    /// Times the index was broken, and was replaced.
    pub index_resets: u64,
}

/// The events, counted from any thread. Nothing depends on their order.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub hits: Counter,
    pub misses: Counter,
    pub digest_checks: Counter,
    pub rejected: Counter,
    pub published: Counter,
    pub publish_failures: Counter,
    pub index_unavailable: Counter,
    pub index_resets: Counter,
}

#[derive(Default, Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
