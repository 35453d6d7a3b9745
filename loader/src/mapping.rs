//! Mapping an object such that no page of it is ever writable.
//!
//! What is used in place, from the text to the program, is mapped once, privately and readable; then the text becomes
//! executable. The pages stay those of the file, which all processes share; none of them is touched before it is used.

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

use crate::LoadError;

/// A part of an object in memory, read-only.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Mmap,
    /// Where in the file it starts.
    start: usize,
}

impl Mapped {
    /// Maps this part of the file, which must have it. It must start with a page.
    #[inline]
    pub(crate) fn new(file: &File, part: Range<usize>) -> Result<Self, LoadError> {
        // SAFETY: nothing is written. Bytes may change under us when someone changes the file: the caller of
        // `Loaded::from_file` excludes that.
        let map = unsafe { MmapOptions::new().offset(part.start as u64).len(part.len()).map_copy_read_only(file) };
        Ok(Self { map: map.map_err(LoadError::system("mapping an object"))?, start: part.start })
    }

    /// A part of the file that is mapped.
    pub(crate) fn bytes(&self, part: &Range<usize>) -> &[u8] {
        &self.map[part.start - self.start..part.end - self.start]
    }

    /// A part of the file, if it is mapped.
    pub(crate) fn get(&self, part: &Range<usize>) -> Option<&[u8]> {
        self.map.get(part.start.checked_sub(self.start)?..part.end.checked_sub(self.start)?)
    }

    /// Makes the text executable. It must start with a page that nothing else is in, as its last one.
    #[inline]
    pub(crate) fn make_executable(&self, text: &Range<usize>) -> Result<(), LoadError> {
        let text = self.bytes(text);
        if text.is_empty() {
            return Ok(());
        }
        // No page was touched yet: as long as there are no page tables, changing rights is cheap.
        // SAFETY: the range is part of the mapping and stays readable.
        let done =
            unsafe { libc::mprotect(text.as_ptr().cast_mut().cast(), text.len(), libc::PROT_READ | libc::PROT_EXEC) };
        if done == 0 { Ok(()) } else { Err(LoadError::system(MAKING_EXECUTABLE)(io::Error::last_os_error())) }
    }
}

/// The operation that a file system mounted with `noexec` refuses.
pub(crate) const MAKING_EXECUTABLE: &str = "making an object's code executable";

/// Whether code cannot be executed from the file, though it may be from elsewhere.
pub(crate) fn is_not_executable_here(error: &LoadError) -> bool {
    matches!(error, LoadError::System { operation: MAKING_EXECUTABLE, source }
        if matches!(source.raw_os_error(), Some(libc::EACCES | libc::EPERM)))
}

#[cfg(test)]
mod tests;
