//! Mapping an object and linking it, such that no page is ever writable and executable.
//!
//! The object is mapped once, privately, readable and writable ([`Mapped`]); the stubs' addresses are written, which
//! copies one page; then all becomes read-only, and after that the text executable ([`Linked`]). The other pages stay
//! those of the file, which all processes share.

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::{Mmap, MmapMut, MmapOptions};

use crate::{LoadError, StubAddresses};

/// An object in memory, writable, nothing executable.
pub(crate) struct Mapped(MmapMut);

/// An object in memory, read-only, its text executable.
#[derive(Debug)]
pub(crate) struct Linked(Mmap);

impl Mapped {
    /// Maps the first `len` bytes of the file, which must be that long.
    pub(crate) fn new(file: &File, len: usize) -> Result<Self, LoadError> {
        // SAFETY: the mapping is private, so that nobody sees our writes. Bytes may change under us when someone
        // changes the file: the caller of `Loaded::from_file` excludes that.
        let map = unsafe { MmapOptions::new().len(len).map_copy(file) };
        Ok(Self(map.map_err(LoadError::system("mapping an object"))?))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Writes the stubs' addresses to their slots and makes the text executable. `stubs` and `text` are the sections'
    /// checked places; the text starts with a page.
    pub(crate) fn link(
        mut self,
        stubs: &Range<usize>,
        text: &Range<usize>,
        to: &StubAddresses,
    ) -> Result<Linked, LoadError> {
        for (slot, address) in self.0[stubs.clone()].chunks_exact_mut(8).zip(to.0) {
            slot.copy_from_slice(&(address as u64).to_le_bytes());
        }
        let map = self.0.make_read_only().map_err(LoadError::system("making an object read-only"))?;
        make_executable(&map, text).map_err(LoadError::system(MAKING_EXECUTABLE))?;
        Ok(Linked(map))
    }
}

/// The operation that a file system mounted with `noexec` refuses.
pub(crate) const MAKING_EXECUTABLE: &str = "making an object's code executable";

impl Linked {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether code cannot be executed from the file, though it may be from elsewhere.
pub(crate) fn is_not_executable_here(error: &LoadError) -> bool {
    matches!(error, LoadError::System { operation: MAKING_EXECUTABLE, source }
        if matches!(source.raw_os_error(), Some(libc::EACCES | libc::EPERM)))
}

fn make_executable(map: &Mmap, text: &Range<usize>) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let start = map[text.clone()].as_ptr();
    // SAFETY: the range is part of the mapping, which is read-only and stays readable.
    let done = unsafe { libc::mprotect(start.cast_mut().cast(), text.len(), libc::PROT_READ | libc::PROT_EXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
