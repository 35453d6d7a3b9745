//! The cache directory itself: made, checked, and held open.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::CacheError;
use crate::fault::Fault;
use crate::key::Key;
use crate::sys;

/// Holds the object files.
pub(crate) const OBJECTS: &str = "objects";

/// A cache directory that has passed its checks. Everything in it is reached from the open descriptor.
#[derive(Debug)]
pub(crate) struct Root {
    /// Canonical path: for messages, and for SQLite, which cannot open relative to a descriptor.
    pub path: PathBuf,
    /// The directory.
    pub dir: File,
    /// Who owns the directory, and must own everything in it.
    pub owner: u32,
    /// Whether this process can only look.
    pub read_only: bool,
}

impl Root {
    /// Opens the cache directory at `path`, creating it with mode 0700 if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        // Rebuilding from components drops a trailing slash, behind which O_NOFOLLOW would follow a link.
        let path: PathBuf = path.components().collect();
        let dir = match sys::open_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path)?,
            other => other,
        };
        let dir = dir.map_err(|source| match source.raw_os_error() {
            Some(libc::ENOTDIR | libc::ELOOP) => CacheError::NotADirectory { path: path.clone() },
            _ => CacheError::io("opening", &path, source),
        })?;
        let metadata = dir.metadata().map_err(|source| CacheError::io("examining", &path, source))?;
        let (owner, user) = (metadata.uid(), sys::effective_user());
        // Root can put anything anywhere; what it made and nobody else can write is as good as a system library.
        if owner != user && owner != 0 {
            return Err(CacheError::ForeignOwner { path, found: owner, expected: user });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(CacheError::Writable { path, found: metadata.mode() & 0o7777 });
        }
        let read_only = owner != user || !sys::is_writable(&dir);
        let path = fs::canonicalize(&path).map_err(|source| CacheError::io("resolving", &path, source))?;
        Ok(Self { path, dir, owner, read_only })
    }

    /// Fails unless files can be added and removed.
    pub(crate) fn require_writable(&self) -> Result<(), CacheError> {
        if self.read_only { Err(CacheError::ReadOnly { path: self.path.clone() }) } else { Ok(()) }
    }

    /// The full name of the object file of `key`, for messages and debuggers.
    pub(crate) fn object_path(&self, key: &Key) -> PathBuf {
        let name = object_name(key);
        self.path.join(OBJECTS).join(&name[..2]).join(name)
    }

    /// Opens the directory that the object file of `key` is in, if it is there and as it should be.
    pub(crate) fn object_dir(&self, key: &Key) -> Result<Option<File>, Fault> {
        let Some(objects) = self.sub_dir(&self.dir, OBJECTS)? else { return Ok(None) };
        self.sub_dir(&objects, &object_name(key)[..2])
    }

    /// Opens directory `name` in `parent`, with the same demands as on the cache directory itself.
    pub(crate) fn sub_dir(&self, parent: &File, name: &str) -> Result<Option<File>, Fault> {
        let dir = match sys::open_dir_at(parent, name) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP)) => {
                return Err(Fault::NotRegular);
            }
            Err(_) => return Err(Fault::Unreadable),
        };
        let metadata = dir.metadata().map_err(|_| Fault::Unreadable)?;
        if metadata.uid() != self.owner {
            return Err(Fault::ForeignOwner { found: metadata.uid(), expected: self.owner });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(Fault::Writable { found: metadata.mode() & 0o7777 });
        }
        Ok(Some(dir))
    }
}

/// The file name of an object.
pub(crate) fn object_name(key: &Key) -> String {
    format!("{key}.o")
}

/// Creates the directory, and what is missing above it, for the user alone.
fn create(path: &Path) -> Result<io::Result<File>, CacheError> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        builder.recursive(true).create(parent).map_err(|source| CacheError::io("creating", parent, source))?;
    }
    match builder.recursive(false).create(path) {
        // Another process may have been faster.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(CacheError::io("creating", path, error)),
        _ => Ok(sys::open_dir(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn missing_directories_are_made_for_the_user_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/c");
        let root = Root::open(&path).unwrap();
        assert!(!root.read_only);
        for made in ["a", "a/b", "a/b/c"] {
            assert_eq!(fs::metadata(temp.path().join(made)).unwrap().mode() & 0o7777, 0o700, "{made}");
        }
        assert!(Root::open(&path).is_ok());
    }

    #[test]
    fn links_and_files_are_refused_with_and_without_a_trailing_slash() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        fs::write(temp.path().join("f"), b"").unwrap();
        symlink("d", temp.path().join("link")).unwrap();
        symlink("nowhere", temp.path().join("dangling")).unwrap();
        for name in ["link", "link/", "link/.", "f", "dangling"] {
            let error = Root::open(&temp.path().join(name)).unwrap_err();
            assert!(matches!(error, CacheError::NotADirectory { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn directories_that_others_can_write_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        for (mode, accepted) in [(0o700, true), (0o755, true), (0o720, false), (0o702, false), (0o777, false)] {
            fs::set_permissions(temp.path(), Permissions::from_mode(mode)).unwrap();
            match Root::open(temp.path()) {
                Ok(_) => assert!(accepted, "{mode:o}"),
                Err(CacheError::Writable { found, .. }) => assert!(!accepted && found == mode, "{mode:o}"),
                Err(other) => panic!("{mode:o}: {other}"),
            }
        }
    }

    #[test]
    fn directories_of_others_are_refused() {
        if sys::effective_user() != 0 {
            return; // Only root can give a directory away.
        }
        let temp = tempfile::tempdir().unwrap();
        chown(temp.path(), Some(1), None).unwrap();
        let error = Root::open(temp.path()).unwrap_err();
        assert!(matches!(error, CacheError::ForeignOwner { found: 1, expected: 0, .. }), "{error}");
    }
}
