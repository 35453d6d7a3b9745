//! The cache directory itself: made, checked, and held open.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{self, Path, PathBuf};
use std::sync::OnceLock;

use crate::error::CacheError;
use crate::fault::Fault;
use crate::key::Key;
use crate::sys::{self, Rights};

/// Holds the object files.
pub(crate) const OBJECTS: &str = "objects";

/// Ends the name of an object's file.
const EXTENSION: &str = ".o";

/// Length of the path of an object's directory within the cache directory: [`OBJECTS`], and two digits of the key.
const DIR_LEN: usize = OBJECTS.len() + 3;

/// A cache directory that has passed its checks. Everything in it is reached from the open descriptor.
///
/// What a lookup does not need is found out when it is first asked for: opening the directory is part of the first load
/// of a process.
#[derive(Debug)]
pub(crate) struct Root {
    /// Absolute path as it was named: for messages, and to open the directory anew.
    pub named: PathBuf,
    /// The directory.
    pub dir: File,
    /// Who owns the directory, and must own everything in it.
    pub owner: u32,
    is_own: bool,
    resolved: OnceLock<PathBuf>,
    read_only: OnceLock<bool>,
}

impl Root {
    /// Opens the cache directory at `path`, creating it with mode 0700 if it is not there.
    #[inline]
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        // The components' path has no trailing slash, behind which O_NOFOLLOW would follow a link.
        let path = path.components().as_path();
        let dir = match sys::open_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            other => other,
        };
        let dir = dir.map_err(|source| match source.raw_os_error() {
            Some(libc::ENOTDIR | libc::ELOOP) => CacheError::NotADirectory { path: path.to_owned() },
            _ => CacheError::io("opening", path, source),
        })?;
        let metadata = dir.metadata().map_err(|source| CacheError::io("examining", path, source))?;
        let (owner, user) = (metadata.uid(), sys::effective_user());
        // Root can put anything anywhere; what it made and nobody else can write is as good as a system library.
        if owner != user && owner != 0 {
            return Err(CacheError::ForeignOwner { path: path.to_owned(), found: owner, expected: user });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(CacheError::Writable { path: path.to_owned(), found: metadata.mode() & 0o7777 });
        }
        let named = if path.is_absolute() {
            path.to_owned()
        } else {
            path::absolute(path).map_err(|source| CacheError::io("resolving", path, source))?
        };
        let (resolved, read_only) = Default::default();
        Ok(Self { named, dir, owner, is_own: owner == user, resolved, read_only })
    }

    /// Canonical path, for SQLite, which cannot open relative to a descriptor.
    pub(crate) fn path(&self) -> &Path {
        // Of a directory that is gone, only the name is left.
        self.resolved.get_or_init(|| fs::canonicalize(&self.named).unwrap_or_else(|_| self.named.clone()))
    }

    /// Whether this process can only look.
    pub(crate) fn is_read_only(&self) -> bool {
        *self.read_only.get_or_init(|| !self.is_own || !sys::is_writable(&self.dir))
    }

    /// Fails unless files can be added and removed.
    pub(crate) fn require_writable(&self) -> Result<(), CacheError> {
        if self.is_read_only() { Err(CacheError::ReadOnly { path: self.named.clone() }) } else { Ok(()) }
    }

    /// The full name of the object file of `key`, for messages and debuggers.
    pub(crate) fn object_path(&self, key: &Key) -> PathBuf {
        self.named.join(path_of(key))
    }

    /// Opens the object file of `key`; `None` if there is none. Also gives its full name, for messages and debuggers. Which way led
    /// to it is up to [`check_way`](Self::check_way).
    #[inline]
    pub(crate) fn open_object(&self, key: &Key) -> Result<Option<(File, PathBuf)>, Fault> {
        let path = path_of(key);
        match open_object(&self.dir, &path) {
            Ok(file) => Ok(file.map(|file| (file, self.named.join(path)))),
            Err(fault) => self.check_way(key).and(Err(fault)),
        }
    }

    /// Fails unless the directories on the way to the object file of `key` are ours, and others cannot write them.
    ///
    /// That is asked of a file that nobody has vouched for. One that was vouched for is known by its identity, however it
    /// is reached: what others could do in such a directory is to put another file in its place, or to give it another
    /// name, which changes its ctime.
    pub(crate) fn check_way(&self, key: &Key) -> Result<(), Fault> {
        // Looked at by name, instead of being opened one by one. That is as good: each is reached through one that nobody
        // but its owner can write, so that nobody else can put another in its place in between.
        for dir in [OBJECTS, &path_of(key)[..DIR_LEN]] {
            match sys::rights_at(&self.dir, dir) {
                Ok(rights) => self.check_dir(rights)?,
                // Gone meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::Changed),
                Err(_) => return Err(Fault::Unreadable),
            }
        }
        Ok(())
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
        self.check_dir(Rights { mode: metadata.mode(), owner: metadata.uid() })?;
        Ok(Some(dir))
    }

    /// Whether this is a file of ours that nobody else can write, and has no other name.
    #[inline]
    pub(crate) fn owns_file(&self, metadata: &Metadata) -> bool {
        metadata.is_file() && metadata.uid() == self.owner && metadata.mode() & 0o022 == 0 && metadata.nlink() == 1
    }

    /// Fails unless these are the rights of a directory of ours that others cannot write.
    fn check_dir(&self, Rights { mode, owner }: Rights) -> Result<(), Fault> {
        if mode & libc::S_IFMT != libc::S_IFDIR {
            return Err(Fault::NotRegular);
        }
        if owner != self.owner {
            return Err(Fault::ForeignOwner { found: owner, expected: self.owner });
        }
        if mode & 0o022 != 0 {
            return Err(Fault::Writable { found: mode & 0o7777 });
        }
        Ok(())
    }
}

/// Opens the object file `path` in `dir`; `None` if there is none.
#[inline]
pub(crate) fn open_object(dir: &File, path: &str) -> Result<Option<File>, Fault> {
    match sys::open_file_at(dir, path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A symbolic link and a socket, respectively.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => Err(Fault::NotRegular),
        Err(_) => Err(Fault::Unreadable),
    }
}

/// The file name of an object.
#[inline]
pub(crate) fn object_name(key: &Key) -> String {
    path_of(key).split_off(DIR_LEN + 1)
}

/// The path of an object's file within the cache directory.
fn path_of(key: &Key) -> String {
    let mut path = String::with_capacity(DIR_LEN + 1 + 64 + EXTENSION.len());
    path.push_str(OBJECTS);
    let digits = key.digits();
    for part in [&digits[..2], &digits] {
        path.push('/');
        for digit in part {
            path.push(*digit);
        }
    }
    path.push_str(EXTENSION);
    path
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
        assert!(!root.is_read_only());
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
