//! Mapping an object and linking it, such that no page is ever writable and executable.
//!
//! What is used in place, from the first page to the program, is mapped once, privately, readable and writable
//! ([`Mapped`]). The text becomes executable and what lies behind it read-only; the stubs' addresses are written to the
//! first page, which copies it; then that is read-only, too ([`Linked`]). The other pages stay those of the file, which
//! all processes share; none of them is touched before it is used.

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::{MmapMut, MmapOptions};
use tvm_abi::sections::PAGE;

use crate::{LoadError, StubAddresses};

/// An object in memory, writable, nothing executable.
pub(crate) struct Mapped(MmapMut);

/// An object in memory, read-only, its text executable. Nobody is given access by which to write.
#[derive(Debug)]
pub(crate) struct Linked(MmapMut);

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

    /// Writes the stubs' addresses to their slots and makes the text executable, all else read-only. `stubs` and `text`
    /// are the sections' checked places: the slots lie in the first page, the text starts with the second.
    pub(crate) fn link(
        mut self,
        stubs: &Range<usize>,
        text: &Range<usize>,
        to: &StubAddresses,
    ) -> Result<Linked, LoadError> {
        let read_only = |map: &MmapMut, part: Range<usize>| {
            protect(map, &part, libc::PROT_READ).map_err(LoadError::system("making an object read-only"))
        };
        // Rights are changed before a page is touched: as long as there are no page tables, that is cheap.
        protect(&self.0, text, libc::PROT_READ | libc::PROT_EXEC).map_err(LoadError::system(MAKING_EXECUTABLE))?;
        let behind_text = text.end.next_multiple_of(PAGE as usize).min(self.0.len());
        read_only(&self.0, behind_text..self.0.len())?;
        for (slot, address) in self.0[stubs.clone()].chunks_exact_mut(8).zip(to.0) {
            slot.copy_from_slice(&(address as u64).to_le_bytes());
        }
        read_only(&self.0, 0..text.start)?;
        Ok(Linked(self.0))
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

/// Changes the rights of the pages of a part of the mapping that starts with a page.
fn protect(map: &MmapMut, part: &Range<usize>, rights: libc::c_int) -> io::Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    let start = map[part.clone()].as_ptr();
    // SAFETY: the range is part of the mapping and stays readable; what was written to it is not written to again.
    let done = unsafe { libc::mprotect(start.cast_mut().cast(), part.len(), rights) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
