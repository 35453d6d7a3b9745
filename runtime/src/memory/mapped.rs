//! Guest memory at fixed offsets of a reservation of address space, as compiled code uses it.

use std::sync::Arc;

use tvm_abi::VmContext;
use tvm_isa::GuestAddr;

use super::{Access, PageAccess};
use crate::sys::{Reservation, SysError};

/// A guest's memory in 4 GiB of reserved address space.
#[derive(Debug)]
pub struct MappedMemory {
    space: Arc<Reservation>,
    table: PageAccess,
}

impl MappedMemory {
    /// Reserves address space; every page is inaccessible.
    ///
    /// # Errors
    /// When the system has no address space left.
    pub fn new() -> Result<Self, SysError> {
        Ok(Self { space: Arc::new(Reservation::new()?), table: PageAccess::default() })
    }

    /// Guest address 0.
    pub fn base(&self) -> *mut u8 {
        self.space.base()
    }

    /// The VM context below guest address 0.
    pub fn context_ptr(&self) -> *mut VmContext {
        self.space.context_ptr()
    }

    pub(super) fn table(&self) -> &PageAccess {
        &self.table
    }

    /// Reads bytes that the table allows to be read.
    pub(super) fn copy_out(&self, start: u32, out: &mut [u8]) {
        debug_assert!(self.table.allows(start.into(), out.len() as u64, Access::Read));
        // SAFETY: the caller checked that all of the range is readable; it lies in the reservation.
        unsafe { self.base().add(start as usize).copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) }
    }

    /// Writes bytes that the table allows to be written.
    pub(super) fn copy_in(&mut self, start: u32, bytes: &[u8]) {
        debug_assert!(self.table.allows(start.into(), bytes.len() as u64, Access::Write));
        // SAFETY: the caller checked that all of the range is writable; it lies in the reservation.
        unsafe { self.base().add(start as usize).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    pub(super) fn initialise(&mut self, start: GuestAddr, bytes: &[u8]) -> Result<(), SysError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let first = start.0 / GuestAddr::PAGE_SIZE;
        let last = ((u64::from(start.0) + bytes.len() as u64 - 1) / u64::from(GuestAddr::PAGE_SIZE)) as u32;
        self.space.protect(first, last - first + 1, Access::Write)?;
        // SAFETY: the pages were just made writable.
        unsafe { self.base().add(start.0 as usize).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
        for page in first..=last {
            self.space.protect(page, 1, self.table.get(page))?;
        }
        Ok(())
    }

    pub(super) fn set_access(&mut self, first: u32, count: u32, access: Access) -> Result<(), SysError> {
        self.space.protect(first, count, access)?;
        self.table.set(first, count, access);
        Ok(())
    }

    pub(super) fn zero_pages(&mut self, first: u32, count: u32) -> Result<(), SysError> {
        self.space.discard(first, count)
    }
}
