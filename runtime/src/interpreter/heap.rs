//! The heap that `sbrk` grows (GP 0.7.2, A.5.9; removed in 0.8.0).
//!
//! As in the Gray Paper's text, the result is where the new bytes start: the old end of the heap. The `spi` vectors pin
//! that; polkavm gives the new end instead. The text leaves failure and growth by 0 open; here they are what
//! implementations agree on: 0, and the end of the heap as it is.

use tvm_isa::GuestAddr;
use tvm_isa::layout::{Layout, pages};

use crate::memory::{Access, GuestMemory};
use crate::sys::SysError;

/// How far a machine's heap reaches. The default, for machines without a standard program's layout, cannot grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Heap {
    /// One past the last byte of the heap.
    pub pointer: u32,
    /// What the pointer may not pass.
    pub limit: u32,
}

impl Heap {
    /// The heap of a standard program at its start: the end of the read-write region, growing up to the stack.
    #[must_use]
    pub fn of_layout(layout: &Layout) -> Self {
        // The layout's condition leaves at least a zone between the region and the stack, so its end is below 2^32.
        Self { pointer: layout.rw.end() as u32, limit: layout.stack.start.0 }
    }

    /// `sbrk`: grows the heap by `amount` bytes and gives the address of the first, or 0 when the heap would pass its
    /// limit. Growing by 0 gives the pointer as it is. New pages are zero and writable.
    ///
    /// # Errors
    /// When the operating system refuses the pages.
    pub fn grow(&mut self, amount: u64, memory: &mut GuestMemory) -> Result<u64, SysError> {
        if amount == 0 {
            return Ok(self.pointer.into());
        }
        let start = u64::from(self.pointer);
        let end = start.saturating_add(amount);
        if end > u64::from(self.limit) {
            return Ok(0);
        }
        let page = |address: u64| (pages(address) / u64::from(GuestAddr::PAGE_SIZE)) as u32;
        let first = page(start);
        let count = page(end) - first;
        if count > 0 {
            memory.zero_pages(first, count)?;
            memory.set_access(first, count, Access::Write)?;
        }
        self.pointer = end as u32;
        Ok(start)
    }
}
