//! Looking after a cache: listing, counting, verifying, removing, rebuilding the index.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::boot::BootId;
use crate::cache::Cache;
use crate::clock::UnixSecs;
use crate::dir::{Root, object_name, open_object};
use crate::error::CacheError;
use crate::fault::Fault;
use crate::gc::unlink_object;
use crate::index::INDEX;
use crate::key::{Key, KeyParts};
use crate::lookup::{Checked, MAX_ATTEMPTS, check_digest, still_named};
use crate::row::Row;
use crate::scan::{self, Item, Kind};
use crate::stats::Stats;
use crate::{quarantine, sys};

/// An object, as [`Cache::ls`] shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What it is filed under.
    pub key: Key,
    /// What the key was made from.
    pub parts: KeyParts,
    /// Length of the object in bytes.
    pub object_len: u64,
    /// When it was last used, to within ten minutes.
    pub last_use: UnixSecs,
    /// Whether the next lookup will do without computing a digest.
    pub verified: bool,
}

/// What [`Cache::verify`] does with a bad file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repair {
    /// Report it.
    No,
    /// Move it to quarantine, too.
    Quarantine,
}

/// The state of one file, as [`Cache::verify`] found it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// The key in its name, if there is one.
    pub key: Option<Key>,
    /// What is wrong with it; `None` for a good file.
    pub fault: Option<Fault>,
}

impl Cache {
    /// All objects, most recently used first. Files that hold none by the look of their trailers are left out:
    /// [`verify`](Self::verify) shows them.
    #[must_use]
    pub fn ls(&self) -> Vec<Entry> {
        let entry = |held: scan::Held| {
            let scan::Held { key, size: _, object_len, parts, last_use, vouched } = held;
            Some(Entry { key, parts: parts?, object_len, last_use, verified: vouched })
        };
        let mut entries: Vec<_> = self.inventory(&self.root()).into_iter().filter_map(entry).collect();
        entries.sort_unstable_by_key(|entry| (std::cmp::Reverse(entry.last_use), entry.key));
        entries
    }

    /// What is in the directory, and what this `Cache` has done so far.
    #[must_use]
    pub fn stat(&self) -> Stats {
        let root = self.root();
        let counters = &self.counters;
        let mut stats = Stats {
            hits: counters.hits.get(),
            misses: counters.misses.get(),
            digest_checks: counters.digest_checks.get(),
            rejected: counters.rejected.get(),
            published: counters.published.get(),
            publish_failures: counters.publish_failures.get(),
            index_unavailable: counters.index_unavailable.get(),
            index_resets: counters.index_resets.get(),
            ..Stats::default()
        };
        scan::for_each(&root, |item| match item.kind {
            Kind::Object(_) if item.metadata.is_file() => {
                stats.entries += 1;
                stats.bytes += item.metadata.len();
            }
            Kind::Temporary => stats.temporary += 1,
            Kind::Object(_) | Kind::Stray => {}
        });
        for file in quarantine::list(&root) {
            stats.quarantined += 1;
            stats.quarantined_bytes += file.size;
        }
        stats
    }

    /// Reads every file and compares its digest: finds what a lookup, which trusts unchanged files, cannot see.
    pub fn verify(&self, repair: Repair) -> Vec<Report> {
        self.check_all(repair).0
    }

    /// Replaces the index by one that vouches for every good file, after reading them all; bad ones are moved to
    /// quarantine. Returns how many files it vouches for.
    ///
    /// # Errors
    /// When the cache is read-only, or the index cannot be written.
    pub fn rebuild_index(&self) -> Result<u64, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let failed = || CacheError::Index { path: root.path().join(INDEX) };
        // What was used when must survive: nothing else knows it.
        let known: BTreeMap<Key, UnixSecs> =
            self.inventory(&root).into_iter().map(|held| (held.key, held.last_use)).collect();
        let mut rows = self.check_all(Repair::Quarantine).1;
        for row in &mut rows {
            row.last_use = known.get(&row.parts.key()).copied().unwrap_or(row.last_use);
        }
        self.records.reset(&root);
        if !self.index.reset(&root, &self.counters) || !self.vouch(&root, rows.iter()) {
            return Err(failed());
        }
        Ok(rows.len() as u64)
    }

    /// Removes the object of `key`. Returns whether there was one.
    ///
    /// # Errors
    /// [`CacheError::ReadOnly`] in a read-only cache.
    pub fn remove(&self, key: &Key) -> Result<bool, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let removed = unlink_object(&root, key);
        self.disown(&root, &[*key]);
        Ok(removed)
    }

    /// Moves the object of `key` to quarantine: for who looked inside and found what must not be used. Returns whether there was one.
    ///
    /// # Errors
    /// [`CacheError::ReadOnly`] in a read-only cache.
    pub fn quarantine(&self, key: &Key) -> Result<bool, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let name = object_name(key);
        let Ok(Some(dir)) = root.object_dir(key) else { return Ok(false) };
        let is_there = sys::metadata_at(&dir, name.as_ref()).is_ok();
        quarantine::put(&root, &dir, name.as_ref());
        self.disown(&root, &[*key]);
        Ok(is_there)
    }

    /// Removes all objects compiled from the program with this hash. Returns how many there were.
    ///
    /// # Errors
    /// [`CacheError::ReadOnly`] in a read-only cache.
    pub fn remove_code(&self, code_hash: &[u8; 32]) -> Result<u64, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let of_code = |held: &scan::Held| held.parts.is_some_and(|parts| parts.code_hash == *code_hash);
        let keys: Vec<_> = self.inventory(&root).into_iter().filter(of_code).map(|held| held.key).collect();
        let removed = keys.iter().filter(|key| unlink_object(&root, key)).count();
        self.disown(&root, &keys);
        Ok(removed as u64)
    }

    /// Removes everything: objects, leftovers, quarantine, index. Returns how many objects there were.
    ///
    /// # Errors
    /// [`CacheError::ReadOnly`] in a read-only cache.
    pub fn clear(&self) -> Result<u64, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let mut removed = 0;
        scan::for_each(&root, |item| match item.kind {
            Kind::Object(_) if item.metadata.is_file() => {
                removed += u64::from(sys::unlink_at(item.dir, item.name).is_ok());
            }
            Kind::Temporary if item.metadata.is_file() => {
                let _gone = sys::unlink_at(item.dir, item.name);
            }
            // Possibly a directory: quarantine knows how to remove those.
            _ => quarantine::put(&root, item.dir, item.name),
        });
        quarantine::list(&root).iter().for_each(|file| quarantine::remove(&root, file));
        self.memo.take_uses();
        self.memo.forget_all();
        self.records.reset(&root);
        self.index.reset(&root, &self.counters);
        Ok(removed)
    }

    /// Checks every file that is not just being written; the second part has a row for each good one.
    fn check_all(&self, repair: Repair) -> (Vec<Report>, Vec<Row>) {
        let root = self.root();
        let (mut reports, mut rows) = (Vec::new(), Vec::new());
        scan::for_each(&root, |item| {
            let key = match item.kind {
                Kind::Temporary => return,
                Kind::Stray => None,
                Kind::Object(key) => Some(key),
            };
            let mut checked = check_item(&root, item, key, repair);
            for _ in 1..MAX_ATTEMPTS {
                if !matches!(checked, Err(Fault::Changed)) {
                    break;
                }
                checked = check_item(&root, item, key, repair);
            }
            let fault = match checked {
                Ok(Some(Checked { identity, parts, settled })) => {
                    if settled {
                        let last_use = UnixSecs(identity.modified_secs());
                        rows.push(Row { parts, identity, boot: BootId::current(), last_use });
                    }
                    None
                }
                // Evicted since the directory was listed.
                Ok(None) => return,
                Err(fault) => Some(fault),
            };
            reports.push(Report { path: item.path.clone(), key, fault });
        });
        // Whatever vouched for a bad file was wrong, or the disk is: it must not be believed once more.
        let bad: Vec<Key> = reports.iter().filter(|report| report.fault.is_some()).filter_map(|r| r.key).collect();
        if !bad.is_empty() {
            self.memo.forget_all();
            self.disown(&root, &bad);
        }
        reports.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        (reports, rows)
    }
}

fn check_item(root: &Root, item: &Item<'_>, key: Option<Key>, repair: Repair) -> Result<Option<Checked>, Fault> {
    let put_away = |fault: Fault, named: bool| {
        if repair == Repair::Quarantine && fault.blames_file() && named {
            quarantine::put(root, item.dir, item.name);
        }
        fault
    };
    let (Some(key), Some(name)) = (key, item.name.to_str()) else { return Err(put_away(Fault::Name, true)) };
    let opened = open_object(item.dir, name);
    let file = match opened.map_err(|fault| put_away(fault, still_named(item.dir, name, None)))? {
        Some(file) => file,
        None => return Ok(None),
    };
    let checked = check_digest(root, &file, &key);
    checked.map(Some).map_err(|fault| put_away(fault, still_named(item.dir, name, Some(&file))))
}
