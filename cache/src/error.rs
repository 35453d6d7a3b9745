//! What can fail for good. Nothing that a lookup meets is among it: see [`Fault`](crate::Fault).

use std::io;
use std::path::{Path, PathBuf};

/// Why a cache cannot be opened, or an object not be stored.
///
/// None of these says anything about the program: the caller can always compile and run without the cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The environment names no place for the cache.
    #[error("no place for the cache: set TVM_CACHE, XDG_CACHE_HOME or HOME to an absolute path, or name a directory")]
    NoDefaultDir,
    /// The path is a file, or a symbolic link.
    #[error("{} is not a directory (a symbolic link is not followed): name the directory itself", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The directory belongs to somebody else, who could have put anything there.
    #[error(
        "{} is owned by user {found}, expected {expected}: name a directory of your own (one of root's can only be read)",
        path.display()
    )]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// The effective user.
        expected: u32,
    },
    /// Others can write the directory, and could have put anything there.
    #[error("{} has mode {found:04o}, expected 0700: clear the directory, then `chmod 700` it", path.display())]
    Writable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// The cache is read-only for this process.
    #[error("{} is read-only for this process: objects in it can be used, none can be added or removed", path.display())]
    ReadOnly {
        /// The cache directory.
        path: PathBuf,
    },
    /// The object is longer than a cache file may be.
    #[error("object of {found} bytes, the cache stores at most {limit}: run it uncached")]
    ObjectTooLarge {
        /// The object's length.
        found: u64,
        /// The limit, [`MAX_OBJECT_LEN`](crate::MAX_OBJECT_LEN).
        limit: u64,
    },
    /// The disk is full, or the user's quota is used up.
    #[error("no space left while {action} {}: free some, or lower the cache's size limit; run uncached meanwhile", path.display())]
    NoSpace {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused; a broken disk is reported as this, too.
    #[error("{action} {} failed: {source}; run uncached", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The index could not be replaced: another process holds it, or the disk is full.
    #[error("the index {} could not be replaced: another process holds it; objects are still found without it", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
    },
}

impl CacheError {
    /// Wraps what the system said while doing `action` to `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { action, path, source },
            _ => Self::Io { action, path, source },
        }
    }

    /// Whether something that must exist was gone, as when the whole directory was deleted under us.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        let error = |errno| CacheError::io("writing", Path::new("/c/x.o"), io::Error::from_raw_os_error(errno));
        assert!(matches!(error(libc::ENOSPC), CacheError::NoSpace { .. }));
        assert!(matches!(error(libc::EDQUOT), CacheError::NoSpace { .. }));
        assert!(matches!(error(libc::EIO), CacheError::Io { .. }));
        assert!(error(libc::EIO).to_string().starts_with("writing /c/x.o failed: "));
        assert!(error(libc::ENOENT).is_gone() && !error(libc::EIO).is_gone());
    }
}
