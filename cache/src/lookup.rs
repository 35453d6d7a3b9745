//! Finding an object, and deciding whether to believe the file.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::boot::BootId;
use crate::cache::Cache;
use crate::dir::{Root, object_name};
use crate::fault::Fault;
use crate::identity::{FileIdentity, check, now_ns};
use crate::key::{Key, KeyParts};
use crate::row::Row;
use crate::trailer::Trailer;
use crate::{quarantine, sys};

/// How often a file is looked at before giving up because it was replaced meanwhile. Others replace a file only to publish
/// the same object again, so once is rare.
pub(crate) const MAX_ATTEMPTS: usize = 4;

/// How the bytes of a [`Hit`] are known to be right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verified {
    /// They were checked before, and the file has not changed since. None of them was read now.
    ByIndex,
    /// They were written or read, and their digest compared, just now.
    ByDigest,
}

/// An object in the cache.
#[derive(Debug)]
pub struct Hit {
    /// The file, open for reading only. It stays valid when the object is evicted or replaced.
    pub file: File,
    /// Length of the object, which starts at offset 0. What follows it in the file is the cache's own.
    pub object_len: u64,
    /// The file's name, for messages and debuggers; to be read through [`file`](Self::file) only.
    pub path: PathBuf,
    /// How the bytes are known to be right.
    pub verified: Verified,
}

/// What reading a whole file has shown.
pub(crate) struct Checked {
    pub identity: FileIdentity,
    pub parts: KeyParts,
    /// Whether the identity can be remembered: a later change is sure to show.
    pub settled: bool,
}

impl Cache {
    /// Finds the object of `key`. Whatever is wrong with its file makes it a miss, and moves the file to quarantine.
    #[must_use]
    #[inline]
    pub fn lookup(&self, key: &Key) -> Option<Hit> {
        let hit = self.find(key);
        if hit.is_some() {
            self.counters.hits.add_one()
        } else {
            self.counters.misses.add_one()
        }
        hit
    }

    /// [`lookup`](Self::lookup), not counted.
    #[inline]
    pub(crate) fn find(&self, key: &Key) -> Option<Hit> {
        let root = self.root();
        for _ in 0..MAX_ATTEMPTS {
            match self.examine(&root, key) {
                Err(Fault::Changed) => {}
                found => return found.ok().flatten(),
            }
        }
        None
    }

    #[inline]
    fn examine(&self, root: &Root, key: &Key) -> Result<Option<Hit>, Fault> {
        let opened = root.open_object(key).inspect_err(|fault| self.reject(root, key, None, *fault))?;
        let Some((file, path)) = opened else { return Ok(None) };
        let (identity, verified) =
            self.believe(root, &file, key).inspect_err(|fault| self.reject(root, key, Some(&file), *fault))?;
        if self.memo.note_use(*key, self.options.clock.now()) {
            self.flush();
        }
        Ok(Some(Hit { file, object_len: identity.object_len(), path, verified }))
    }

    /// The file's identity and how it is known to hold the object of `key`.
    #[inline]
    fn believe(&self, root: &Root, file: &File, key: &Key) -> Result<(FileIdentity, Verified), Fault> {
        let metadata = file.metadata().map_err(|_| Fault::Unreadable)?;
        let identity = check(&metadata, root.owner)?;
        if self.is_vouched(root, key, &identity) {
            return Ok((identity, Verified::ByIndex));
        }
        root.check_way(key)?;
        self.counters.digest_checks.add_one();
        let checked = check_digest(root, file, key)?;
        if checked.settled {
            let last_use = self.options.clock.now();
            let row = Row { parts: checked.parts, identity: checked.identity, boot: BootId::current(), last_use };
            self.vouch(root, [&row].into_iter());
        }
        Ok((checked.identity, Verified::ByDigest))
    }

    /// Counts a file that failed its checks and puts it away, unless a good one has taken its name meanwhile. If it is
    /// the directory around it that failed, it stays.
    fn reject(&self, root: &Root, key: &Key, file: Option<&File>, fault: Fault) {
        if fault == Fault::Changed {
            return;
        }
        self.counters.rejected.add_one();
        let name = object_name(key);
        if let Ok(Some(dir)) = root.object_dir(key)
            && fault.blames_file()
            && still_named(&dir, &name, file)
        {
            quarantine::put(root, &dir, name.as_ref());
        }
    }
}

/// Reads all of a file and compares its digest.
pub(crate) fn check_digest(root: &Root, file: &File, key: &Key) -> Result<Checked, Fault> {
    let look = || check(&file.metadata().map_err(|_| Fault::Unreadable)?, root.owner);
    let started = now_ns();
    let identity = look()?;
    let verdict =
        Trailer::read(file, identity.size, key).and_then(|trailer| trailer.verify(file).map(|()| trailer.parts));
    // Before the verdict: of a file that changed while it was read, neither a good nor a bad one means anything.
    if look()? != identity {
        return Err(Fault::Changed);
    }
    Ok(Checked { identity, parts: verdict?, settled: identity.is_settled(started) })
}

/// Whether `name` still means `file`, or still cannot be opened if there is none.
pub(crate) fn still_named(dir: &File, name: &str, file: Option<&File>) -> bool {
    let Ok(named) = sys::metadata_at(dir, name.as_ref()) else { return false };
    match file.map(File::metadata) {
        Some(Ok(opened)) => (named.dev(), named.ino()) == (opened.dev(), opened.ino()),
        Some(Err(_)) => false,
        None => !named.is_file(),
    }
}
