//! Guest memory: 2^32 bytes in pages of 4096, each inaccessible, readable or writable (GP 4.7, A.4).
//!
//! Two kinds answer alike: [`MappedMemory`] is address space that compiled code can use, [`PagedMemory`] keeps single
//! pages on the heap for machines that are only interpreted.

mod access;
mod mapped;
mod paged;

pub use access::{Access, Inaccessible, PageAccess};
#[cfg(test)]
pub(crate) use mapped::MAX_PROTECTED_RUNS;
pub use mapped::MappedMemory;
pub use paged::PagedMemory;

use tvm_isa::GuestAddr;

use crate::sys::SysError;

/// A guest's memory.
#[derive(Debug)]
pub enum GuestMemory {
    /// Mapped at fixed offsets of a reservation of address space.
    Mapped(MappedMemory),
    /// Single pages on the heap.
    Paged(PagedMemory),
}

impl GuestMemory {
    /// Which accesses the page at `page` (an index, below 2^20) allows.
    #[must_use]
    pub fn page_access(&self, page: u32) -> Access {
        self.table().get(page)
    }

    /// Whether all of `len` bytes at `start` are readable. No bytes always are; ranges past 2^32 never are.
    #[must_use]
    pub fn is_readable(&self, start: u64, len: u64) -> bool {
        self.table().allows(start, len, Access::Read)
    }

    /// Whether all of `len` bytes at `start` are writable. No bytes always are; ranges past 2^32 never are.
    #[must_use]
    pub fn is_writable(&self, start: u64, len: u64) -> bool {
        self.table().allows(start, len, Access::Write)
    }

    /// Fills `out` from `start` on.
    ///
    /// # Errors
    /// When a byte is not readable; `out` is unchanged then.
    pub fn read_into(&self, start: u64, out: &mut [u8]) -> Result<(), Inaccessible> {
        self.table().check(start, out.len() as u64, Access::Read)?;
        match self {
            Self::Mapped(memory) => memory.copy_out(start as u32, out),
            Self::Paged(memory) => memory.copy_out(start as u32, out),
        }
        Ok(())
    }

    /// The `len` bytes at `start`. Nothing is allocated unless all of them are readable.
    ///
    /// # Errors
    /// When a byte is not readable.
    pub fn read(&self, start: u64, len: u64) -> Result<Vec<u8>, Inaccessible> {
        self.table().check(start, len, Access::Read)?;
        let mut out = vec![0; len as usize];
        self.read_into(start, &mut out)?;
        Ok(out)
    }

    /// Writes `bytes` at `start`.
    ///
    /// # Errors
    /// When a byte is not writable; nothing is written then.
    pub fn write(&mut self, start: u64, bytes: &[u8]) -> Result<(), Inaccessible> {
        self.table().check(start, bytes.len() as u64, Access::Write)?;
        match self {
            Self::Mapped(memory) => memory.copy_in(start as u32, bytes),
            Self::Paged(memory) => memory.copy_in(start as u32, bytes),
        }
        Ok(())
    }

    /// Writes `bytes` at `start` whatever the pages' access rights, as a loader does. The pages must not be inaccessible.
    ///
    /// # Errors
    /// When a byte is inaccessible, or the system refuses.
    pub fn initialise(&mut self, start: GuestAddr, bytes: &[u8]) -> Result<(), InitialiseError> {
        self.table().check(start.0.into(), bytes.len() as u64, Access::Read)?;
        match self {
            Self::Mapped(memory) => memory.initialise(start, bytes)?,
            Self::Paged(memory) => memory.copy_in(start.0, bytes),
        }
        Ok(())
    }

    /// Gives `count` pages from page `first` on this access right. Contents stay, and pages that were inaccessible
    /// appear as they were last left; fresh ones are zero.
    ///
    /// # Errors
    /// When the operating system refuses and no substitute is possible.
    ///
    /// # Panics
    /// Never: pages beyond 2^20 are ignored.
    pub fn set_access(&mut self, first: u32, count: u32, access: Access) -> Result<(), SysError> {
        match self {
            Self::Mapped(memory) => memory.set_access(first, count, access),
            Self::Paged(memory) => {
                memory.set_access(first, count, access);
                Ok(())
            }
        }
    }

    /// Zeroes `count` pages from page `first` on, whatever their access rights.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn zero_pages(&mut self, first: u32, count: u32) -> Result<(), SysError> {
        match self {
            Self::Mapped(memory) => memory.zero_pages(first, count),
            Self::Paged(memory) => {
                memory.zero_pages(first, count);
                Ok(())
            }
        }
    }

    /// Runs of adjacent pages with the same right other than [`Access::None`], as (first page, count, right).
    #[must_use]
    pub fn page_runs(&self) -> Vec<(u32, u32, Access)> {
        self.table().runs()
    }

    fn table(&self) -> &PageAccess {
        match self {
            Self::Mapped(memory) => memory.table(),
            Self::Paged(memory) => memory.table(),
        }
    }
}

/// Why memory could not be initialised.
#[derive(Debug, thiserror::Error)]
pub enum InitialiseError {
    /// A page is inaccessible.
    #[error(transparent)]
    Inaccessible(#[from] Inaccessible),
    /// The operating system refused.
    #[error(transparent)]
    System(#[from] SysError),
}
