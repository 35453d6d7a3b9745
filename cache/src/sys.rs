//! The few system calls the standard library has no safe form of: those relative to an open directory.
//!
//! A path can be changed between two uses of it; an open directory cannot. No call here follows a symbolic link in the
//! name it is given.

#![expect(unsafe_code, reason = "the only file that calls libc")]

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The user whose rights this process has.
#[inline]
pub(crate) fn effective_user() -> u32 {
    // SAFETY: geteuid takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() }
}

/// Opens the directory at `path`, whose last component must not be a symbolic link.
#[inline]
pub(crate) fn open_dir(path: &Path) -> io::Result<File> {
    open_raw(libc::AT_FDCWD, path.as_os_str(), libc::O_RDONLY | libc::O_DIRECTORY, 0)
}

/// Opens the directory `name` in `dir`.
pub(crate) fn open_dir_at(dir: &File, name: &str) -> io::Result<File> {
    open_raw(dir.as_raw_fd(), name.as_ref(), libc::O_RDONLY | libc::O_DIRECTORY, 0)
}

/// Opens `name` in `dir` for reading. Does not wait for the other end of a pipe.
#[inline]
pub(crate) fn open_file_at(dir: &File, name: &str) -> io::Result<File> {
    open_raw(dir.as_raw_fd(), name.as_ref(), libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY, 0)
}

/// Creates `name` in `dir` for writing, readable and writable by its owner only. Fails if the name is taken.
pub(crate) fn create_file_at(dir: &File, name: &str) -> io::Result<File> {
    open_raw(dir.as_raw_fd(), name.as_ref(), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o600)
}

/// Opens `name` in `dir` for reading and writing, creating it if need be, then for its owner only.
pub(crate) fn open_or_create_at(dir: &File, name: &str) -> io::Result<File> {
    open_raw(dir.as_raw_fd(), name.as_ref(), libc::O_RDWR | libc::O_CREAT | libc::O_NONBLOCK, 0o600)
}

/// What `name` in `dir` is; of a symbolic link, the link itself.
///
/// Opens nothing that could be waited for, and in particular drops no POSIX lock when done (O_PATH descriptors do not),
/// so that it can be used on a database that SQLite has open.
pub(crate) fn metadata_at(dir: &File, name: &OsStr) -> io::Result<Metadata> {
    open_raw(dir.as_raw_fd(), name, libc::O_PATH, 0)?.metadata()
}

/// Kind and rights of what has a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    /// `st_mode`.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
}

/// Kind and rights of `path` in `dir`; of a symbolic link at its end, those of the link itself.
#[inline]
pub(crate) fn rights_at(dir: &File, path: &str) -> io::Result<Rights> {
    let path = c_string(path.as_ref())?;
    // SAFETY: all zero is a valid stat.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is NUL-terminated and lives until the call returns, which writes to `stat` only; the descriptor is
    // borrowed from an open File.
    check(unsafe { libc::fstatat(dir.as_raw_fd(), path.as_ptr(), &raw mut stat, libc::AT_SYMLINK_NOFOLLOW) })?;
    Ok(Rights { mode: stat.st_mode, owner: stat.st_uid })
}

/// Whether `dir` has something called `name`.
pub(crate) fn exists_at(dir: &File, name: &str) -> bool {
    rights_at(dir, name).is_ok()
}

/// Creates the directory `name` in `dir`, for its owner only.
pub(crate) fn make_dir_at(dir: &File, name: &str) -> io::Result<()> {
    let name = c_string(name.as_ref())?;
    // SAFETY: `name` is NUL-terminated and lives until the call returns; the descriptor is borrowed from an open File.
    check(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), 0o700) })
}

/// Moves `old` in `old_dir` to `new` in `new_dir`, replacing what is there.
pub(crate) fn rename_at(old_dir: &File, old: &OsStr, new_dir: &File, new: &str) -> io::Result<()> {
    let (old, new) = (c_string(old)?, c_string(new.as_ref())?);
    // SAFETY: both names are NUL-terminated and live until the call returns; both descriptors are borrowed from open
    // Files.
    check(unsafe { libc::renameat(old_dir.as_raw_fd(), old.as_ptr(), new_dir.as_raw_fd(), new.as_ptr()) })
}

/// Removes the file, link or socket `name` from `dir`; not a directory.
pub(crate) fn unlink_at(dir: &File, name: &OsStr) -> io::Result<()> {
    let name = c_string(name)?;
    // SAFETY: `name` is NUL-terminated and lives until the call returns; the descriptor is borrowed from an open File.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) })
}

/// Whether this process may create and remove files in `dir`; false on a read-only mount.
pub(crate) fn is_writable(dir: &File) -> bool {
    // SAFETY: the name is a NUL-terminated constant; the descriptor is borrowed from an open File.
    check(unsafe { libc::faccessat(dir.as_raw_fd(), c".".as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) }).is_ok()
}

/// The names in `dir`, without `.` and `..`, in no order.
pub(crate) fn list(dir: &File) -> io::Result<Vec<OsString>> {
    // A description of its own: reading through a duplicate would move the position of `dir` itself.
    let fd = open_dir_at(dir, ".")?.into_raw_fd();
    // SAFETY: `fd` is an open directory that nothing else owns; on success the stream owns it.
    let stream = unsafe { libc::fdopendir(fd) };
    if stream.is_null() {
        let error = io::Error::last_os_error();
        // SAFETY: fdopendir failed, so `fd` is still ours; the File closes it.
        drop(unsafe { File::from_raw_fd(fd) });
        return Err(error);
    }
    let mut names = Vec::new();
    loop {
        // SAFETY: `stream` is open until the closedir below and used by this thread only.
        let entry = unsafe { libc::readdir(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: readdir returned an entry, valid until the next call on this stream; d_name is NUL-terminated.
        let name = unsafe { CStr::from_ptr((*entry).d_name.as_ptr()) };
        if name != c"." && name != c".." {
            names.push(OsString::from_vec(name.to_bytes().to_vec()));
        }
    }
    // SAFETY: `stream` came from fdopendir and is not used after this.
    unsafe { libc::closedir(stream) };
    Ok(names)
}

/// `openat` without following a link in the last component, closed on exec.
#[inline]
fn open_raw(dir: i32, name: &OsStr, flags: i32, mode: libc::mode_t) -> io::Result<File> {
    let name = c_string(name)?;
    loop {
        // SAFETY: `name` is NUL-terminated and lives until the call returns; `dir` is AT_FDCWD or borrowed from an open
        // File by the caller.
        let fd = unsafe { libc::openat(dir, name.as_ptr(), flags | libc::O_NOFOLLOW | libc::O_CLOEXEC, mode) };
        if fd >= 0 {
            // SAFETY: openat returned a new descriptor that nothing else owns.
            return Ok(unsafe { File::from_raw_fd(fd) });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[inline]
fn c_string(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "name contains a zero byte"))
}

#[inline]
fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_dir(temp.path()).unwrap();
        make_dir_at(&dir, "d").unwrap();
        drop(create_file_at(&dir, "f").unwrap());
        std::os::unix::fs::symlink("d", temp.path().join("to_d")).unwrap();
        std::os::unix::fs::symlink("f", temp.path().join("to_f")).unwrap();
        assert!(open_dir(&temp.path().join("to_d")).is_err());
        assert!(open_dir_at(&dir, "to_d").is_err());
        assert_eq!(open_file_at(&dir, "to_f").unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert!(open_or_create_at(&dir, "to_f").is_err());
        assert!(metadata_at(&dir, "to_f".as_ref()).unwrap().is_symlink());
        assert!(create_file_at(&dir, "to_f").is_err());
        unlink_at(&dir, "to_f".as_ref()).unwrap();
        assert!(temp.path().join("f").exists());
    }

    #[test]
    fn lists_twice_and_moves() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_dir(temp.path()).unwrap();
        fs::write(temp.path().join("a"), b"").unwrap();
        assert_eq!(list(&dir).unwrap(), ["a"]);
        rename_at(&dir, "a".as_ref(), &dir, "b").unwrap();
        assert_eq!(list(&dir).unwrap(), ["b"]);
        assert!(is_writable(&dir));
        assert!(open_file_at(&dir, "x\0y").is_err());
        assert!(unlink_at(&dir, "gone".as_ref()).is_err());
    }
}
