//! Eviction: the least recently used objects go first.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::UnixSecs;
use crate::dir::{Root, object_name};
use crate::error::CacheError;
use crate::key::Key;
use crate::scan::{self, Held, Kind};
use crate::{quarantine, sys};

/// Age at which a temporary file has lost its writer for certain: writing one takes milliseconds.
pub(crate) const MAX_TEMP_AGE: Duration = Duration::from_secs(3600);

/// What [`Cache::gc`] is to keep. A limit that is `None` does not limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Most bytes that files may take up in total, quarantine included.
    pub max_bytes: Option<u64>,
    /// Longest time an object may have been out of use, and a bad file in quarantine.
    pub max_age: Option<Duration>,
    /// Keep only what this compiler made: after an upgrade nothing asks for the rest any more.
    pub only_compiler: Option<[u8; 32]>,
    /// The time from which ages are counted.
    pub now: UnixSecs,
}

impl Policy {
    /// A policy that evicts nothing, to set limits on; it still sweeps up after killed writers.
    #[must_use]
    pub const fn keep_all(now: UnixSecs) -> Self {
        Self { max_bytes: None, max_age: None, only_compiler: None, now }
    }
}

/// What [`Cache::gc`] did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct GcReport {
    /// Objects removed.
    pub removed: u64,
    /// Their bytes, trailers included.
    pub removed_bytes: u64,
    /// Objects left.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Files removed from quarantine.
    pub quarantine_removed: u64,
    /// Leftovers of killed writers removed.
    pub temporary_removed: u64,
}

impl Cache {
    /// Removes what `policy` does not keep. An object that is in use stays valid for those who have it open; its space
    /// is free when they close it.
    ///
    /// # Errors
    /// [`CacheError::ReadOnly`] in a read-only cache.
    pub fn gc(&self, policy: &Policy) -> Result<GcReport, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let temporary_removed = sweep(&root, policy.now);
        let mut held = self.inventory(&root);
        let present: BTreeSet<Key> = held.iter().map(|held| held.key).collect();
        // Least recently used first; by key where the times are equal, so that every process decides alike.
        held.sort_unstable_by_key(|held| (held.last_use, held.key));
        let (expired, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| policy.expires(held));
        let mut bytes: u64 = kept.iter().map(|held| held.size).sum();
        let quarantine_removed = shrink_quarantine(&root, policy, bytes);
        let max_bytes = policy.max_bytes.unwrap_or(u64::MAX);
        let excess = kept.iter().take_while(|held| {
            let over = bytes > max_bytes;
            bytes -= if over { held.size } else { 0 };
            over
        });
        let evicted = excess.count();
        let (mut report, mut gone) =
            (GcReport { quarantine_removed, temporary_removed, ..GcReport::default() }, vec![]);
        for held in expired.iter().chain(&kept[..evicted]) {
            if unlink_object(&root, &held.key) {
                gone.push(held.key);
                report.removed += 1;
                report.removed_bytes += held.size;
            }
        }
        report.kept = present.len() as u64 - report.removed;
        report.kept_bytes = kept[evicted..].iter().map(|held| held.size).sum();
        let rows = self.index.all(&root, &self.counters);
        gone.extend(rows.into_keys().filter(|key| !present.contains(key)));
        self.disown(&root, &gone);
        Ok(report)
    }
}

impl Policy {
    fn expires(&self, held: &Held) -> bool {
        let foreign = self.only_compiler.is_some_and(|kept| held.parts.is_none_or(|parts| parts.compiler != kept));
        foreign || self.is_too_old(held.last_use)
    }

    fn is_too_old(&self, time: UnixSecs) -> bool {
        self.max_age.is_some_and(|max| self.now.since(time) > max.as_secs())
    }
}

/// Removes an object file. A directory or link in its place is left to [`Cache::verify`].
pub(crate) fn unlink_object(root: &Root, key: &Key) -> bool {
    let dir = root.object_dir(key).ok().flatten();
    dir.is_some_and(|dir| sys::unlink_at(&dir, object_name(key).as_ref()).is_ok())
}

/// Removes what killed writers have left.
fn sweep(root: &Root, now: UnixSecs) -> u64 {
    let mut removed = 0;
    scan::for_each(root, |item| {
        let written = UnixSecs(u64::try_from(item.metadata.mtime()).unwrap_or(0));
        let old = now.since(written) > MAX_TEMP_AGE.as_secs();
        if item.kind == Kind::Temporary && old && sys::unlink_at(item.dir, item.name).is_ok() {
            removed += 1;
        }
    });
    removed
}

/// Removes old files from quarantine, and all of them if they do not fit beside `object_bytes` of objects: a good
/// object is worth more than a bad one.
fn shrink_quarantine(root: &Root, policy: &Policy, object_bytes: u64) -> u64 {
    let files = quarantine::list(root);
    let total = files.iter().map(|file| file.size).sum::<u64>().saturating_add(object_bytes);
    let no_room = policy.max_bytes.is_some_and(|max| total > max);
    let doomed = files.iter().filter(|file| no_room || policy.is_too_old(file.since));
    doomed.map(|file| quarantine::remove(root, file)).count() as u64
}
