//! Objects in memory files that nobody can change any more.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};

use crate::LoadError;

/// Everything that could change the file's contents is forbidden, and so is allowing it again.
///
/// `F_SEAL_FUTURE_WRITE` forbids as much as `F_SEAL_WRITE` does for a file that nobody has mapped. The latter also waits
/// for others' references to the file's pages to go away, and fails with EBUSY when the kernel itself holds one a
/// little longer, as it does while it migrates pages: once in some millions of objects.
const SEALS: libc::c_int = libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// A sealed memory file with these contents, one after the other.
pub(crate) fn sealed(parts: &[&[u8]]) -> Result<File, LoadError> {
    let mut file = create()?;
    for part in parts {
        file.write_all(part).map_err(LoadError::system("copying an object to memory"))?;
    }
    // SAFETY: the descriptor is open; the call takes an integer.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) };
    if sealed == 0 { Ok(file) } else { Err(last("sealing an object in memory")) }
}

fn create() -> Result<File, LoadError> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // Linux 6.3 wants to be told that the file will be executed; older ones do not know the flag.
    match memfd_create(flags | libc::MFD_EXEC) {
        Err(LoadError::System { source, .. }) if source.raw_os_error() == Some(libc::EINVAL) => memfd_create(flags),
        done => done,
    }
}

fn memfd_create(flags: libc::c_uint) -> Result<File, LoadError> {
    // SAFETY: the name is a terminated string.
    let fd = unsafe { libc::memfd_create(c"tvm-object".as_ptr(), flags) };
    if fd < 0 {
        return Err(last("creating a memory file for an object (see sysctl vm.memfd_noexec)"));
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn last(operation: &'static str) -> LoadError {
    LoadError::System { operation, source: std::io::Error::last_os_error() }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_sealed_file_cannot_be_changed() {
        let file = sealed(&[b"obj", b"", b"ect"]).unwrap();
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(3).is_err());
        assert!(file.set_len(30).is_err());
        // SAFETY: reads an integer.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) } & SEALS, SEALS);
        // SAFETY: a new shared mapping; it is refused.
        let shared = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(std::ptr::null_mut(), 6, rights, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_eq!(shared, libc::MAP_FAILED);
        let mut contents = [0; 6];
        file.read_exact_at(&mut contents, 0).unwrap();
        assert_eq!(&contents, b"object");
        assert_eq!((&file).read(&mut contents).unwrap(), 0, "at the end");
    }

    #[test]
    fn it_is_not_inherited_by_programs() {
        let file = sealed(&[]).unwrap();
        // SAFETY: reads an integer.
        let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}
