//! Storing an object, so that nobody ever sees a part of it.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::boot::BootId;
use crate::cache::{Cache, Durability};
use crate::dir::{OBJECTS, Root, object_name};
use crate::error::CacheError;
use crate::fault::Fault;
use crate::identity::{FileIdentity, check, now_ns};
use crate::key::{Key, KeyParts};
use crate::lookup::{Hit, Verified};
use crate::row::Row;
use crate::trailer::{MAX_OBJECT_LEN, Trailer};
use crate::{quarantine, sys};

/// Starts the names of files that are being written.
pub(crate) const TEMP_PREFIX: &str = ".tmp-";

/// How often a step is tried again after another process was in the way.
const MAX_ATTEMPTS: usize = 4;

impl Cache {
    /// Stores `object` under the key of `parts` and returns it as a lookup would.
    ///
    /// The object appears under its name at once and whole. When several processes store the same key, the last one
    /// wins; objects of equal keys are interchangeable, and files already open stay as they are.
    ///
    /// # Errors
    /// When the cache is read-only, the object too large, or the system refuses. The object is as good as before: the
    /// caller runs it without the cache.
    pub fn publish(&self, parts: &KeyParts, object: &[u8]) -> Result<Hit, CacheError> {
        let root = self.root();
        let hit = match self.publish_in(&root, parts, object) {
            // Somebody has cleared away the directory itself: that must not end caching until the next restart.
            Err(error) if error.is_gone() => self.reopen(&root).and_then(|root| self.publish_in(&root, parts, object)),
            other => other,
        };
        if hit.is_ok() {
            self.counters.published.add_one()
        } else {
            self.counters.publish_failures.add_one()
        }
        hit
    }

    fn publish_in(&self, root: &Root, parts: &KeyParts, object: &[u8]) -> Result<Hit, CacheError> {
        root.require_writable()?;
        check_len(object.len() as u64)?;
        let key = parts.key();
        let stored = store(root, &key, &[object, &Trailer::seal(parts, object)], self.options.durability)?;
        if stored.settled {
            let boot = match self.options.durability {
                Durability::Buffered => BootId::current(),
                Durability::Synced => BootId::ANY,
            };
            let row = Row { parts: *parts, identity: stored.identity, boot, last_use: self.options.clock.now() };
            self.vouch(root, [&row].into_iter());
        }
        let path = root.object_path(&key);
        Ok(Hit { file: stored.file, object_len: object.len() as u64, path, verified: Verified::ByDigest })
    }

    /// Makes a stored object what [`Durability::Synced`] makes it, for one that was published as [`Durability::Buffered`]:
    /// waits until it is on the disk. Does nothing if it is already known to be there. Returns whether there is such an object.
    ///
    /// # Errors
    /// When the cache is read-only or the system refuses. The object is as good as before.
    pub fn sync(&self, parts: &KeyParts) -> Result<bool, CacheError> {
        let root = self.root();
        root.require_writable()?;
        let key = parts.key();
        let path = root.object_path(&key);
        let failed = |source| CacheError::io("syncing", &path, source);
        let Some(Hit { file, .. }) = self.find(&key) else { return Ok(false) };
        let before = FileIdentity::of(&file.metadata().map_err(failed)?);
        // Its bytes were checked, now or earlier in this boot. As long as it stays this file, they are what is synced.
        if !self.is_vouched(&root, &key, &before) {
            return Ok(true);
        }
        if self.records.find(&root, &key, &before).is_some_and(|record| record.boot == BootId::ANY) {
            return Ok(true);
        }
        file.sync_all().map_err(failed)?;
        for dir in [root.object_dir(&key), root.sub_dir(&root.dir, OBJECTS)] {
            let dir = dir.map_err(|fault| failed(io::Error::other(fault)))?;
            dir.map_or(Ok(()), |dir| dir.sync_all()).map_err(failed)?;
        }
        if FileIdentity::of(&file.metadata().map_err(failed)?) == before {
            let row = Row { parts: *parts, identity: before, boot: BootId::ANY, last_use: self.options.clock.now() };
            self.vouch(&root, [&row].into_iter());
        }
        Ok(true)
    }
}

fn check_len(found: u64) -> Result<(), CacheError> {
    if found <= MAX_OBJECT_LEN { Ok(()) } else { Err(CacheError::ObjectTooLarge { found, limit: MAX_OBJECT_LEN }) }
}

struct Stored {
    file: File,
    identity: FileIdentity,
    /// Whether a later change is sure to show in the identity.
    settled: bool,
}

/// Writes a file beside its final place, and renames it.
fn store(root: &Root, key: &Key, contents: &[&[u8]], durability: Durability) -> Result<Stored, CacheError> {
    let path = root.object_path(key);
    let name = object_name(key);
    let objects = ensure_dir(root, &root.dir, OBJECTS, &root.named.join(OBJECTS))?;
    let dir = ensure_dir(root, &objects, &name[..2], path.parent().unwrap_or(&path))?;
    let temp = TempFile::create(&dir, &path)?;
    let writing = |source| CacheError::io("writing", &path, source);
    contents.iter().try_for_each(|part| (&temp.writer).write_all(part)).map_err(writing)?;
    if durability == Durability::Synced {
        temp.writer.sync_data().map_err(writing)?;
    }
    // Opened before the rename: after it the name may already mean another process's file.
    let file = sys::open_file_at(&dir, &temp.name).map_err(writing)?;
    let before = file.metadata().map_err(writing)?;
    temp.writer.set_permissions(Permissions::from_mode(0o400)).map_err(writing)?;
    let between = file.metadata().map_err(writing)?;
    temp.rename(root, &name).map_err(|source| CacheError::io("naming", &path, source))?;
    if durability == Durability::Synced {
        dir.sync_all().and_then(|()| objects.sync_all()).map_err(writing)?;
    }
    let started = now_ns();
    let after = file.metadata().map_err(writing)?;
    let ctimes = [&before, &between, &after].map(|metadata| FileIdentity::of(metadata).ctime_ns);
    // Two changes within microseconds that got two times prove that this file system gives every change a time of its
    // own. Elsewhere one more change within the clock's tick would not show: then the next lookup looks for itself.
    let fine_clock = ctimes[0] < ctimes[1] && ctimes[1] < ctimes[2];
    let settled = check(&after, root.owner).is_ok_and(|identity| fine_clock || identity.is_settled(started));
    Ok(Stored { file, identity: FileIdentity::of(&after), settled })
}

/// Opens directory `name` in `parent`, creating it if need be. What stands in its place is put into quarantine.
fn ensure_dir(root: &Root, parent: &File, name: &str, path: &Path) -> Result<File, CacheError> {
    let mut fault = None;
    for _ in 0..MAX_ATTEMPTS {
        match root.sub_dir(parent, name) {
            Ok(Some(dir)) => return Ok(dir),
            Ok(None) => {}
            Err(Fault::NotRegular) => quarantine::put(root, parent, name.as_ref()),
            Err(other) => {
                fault = Some(other);
                break;
            }
        }
        match sys::make_dir_at(parent, name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CacheError::io("creating", path, error));
            }
            _ => {}
        }
    }
    Err(CacheError::io("opening", path, io::Error::other(fault.unwrap_or(Fault::Changed))))
}

/// A file being written. Removed on drop unless it was renamed; if the process is killed, eviction sweeps it up.
struct TempFile<'a> {
    dir: &'a File,
    name: String,
    writer: File,
    renamed: bool,
}

impl<'a> TempFile<'a> {
    fn create(dir: &'a File, path: &Path) -> Result<Self, CacheError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        for _ in 0..MAX_ATTEMPTS {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            // Containers share a directory and have the same process ids: hence the time.
            let name = format!("{TEMP_PREFIX}{}-{count}-{}", process::id(), now_ns());
            match sys::create_file_at(dir, &name) {
                Ok(writer) => return Ok(Self { dir, name, writer, renamed: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(CacheError::io("creating", path, error)),
            }
        }
        Err(CacheError::io("creating", path, io::ErrorKind::AlreadyExists.into()))
    }

    fn rename(mut self, root: &Root, name: &str) -> io::Result<()> {
        let mut result = sys::rename_at(self.dir, self.name.as_ref(), self.dir, name);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::IsADirectory) {
            quarantine::put(root, self.dir, name.as_ref());
            result = sys::rename_at(self.dir, self.name.as_ref(), self.dir, name);
        }
        self.renamed = result.is_ok();
        result
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            let _swept_later = sys::unlink_at(self.dir, self.name.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_taken_up_to_the_limit() {
        assert!(check_len(0).is_ok());
        assert!(check_len(MAX_OBJECT_LEN).is_ok());
        let error = check_len(MAX_OBJECT_LEN + 1).unwrap_err();
        assert!(matches!(error, CacheError::ObjectTooLarge { found, limit } if found == limit + 1));
    }

    #[test]
    fn an_abandoned_temporary_file_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::open_dir(temp.path()).unwrap();
        drop(TempFile::create(&dir, &temp.path().join("x")).unwrap());
        assert!(sys::list(&dir).unwrap().is_empty());
    }
}
