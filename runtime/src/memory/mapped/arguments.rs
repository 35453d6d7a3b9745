//! The pages of a guest's arguments, which the host writes through a window of its own.
//!
//! They are mapped when a memory that was used before has arguments, and stay. What is in the window is what the guest can
//! read; behind the arguments it is zero. So the next guest's arguments cost a copy, and a change of rights only if they
//! take another number of pages. Longer arguments than the window are written to private pages, as to any memory; so are
//! those of a memory's first guest, and all where the system has no memory files.

use super::super::{Access, PageAccess};
use crate::sys::{ARGUMENT_BYTES, ARGUMENT_PAGES, Reservation, SysError, forks};

const PAGE: usize = tvm_isa::GuestAddr::PAGE_SIZE as usize;

/// What the window and the pages behind it are like.
#[derive(Default, Debug)]
pub(super) struct Arguments {
    /// Since when they are mapped, as [`forks`] counts; they are shared with children.
    mapped: Option<u32>,
    /// Bytes from the start of the window on that may be other than zero.
    filled: usize,
    /// Pages from the first on that the guest may read.
    readable: u32,
}

impl Arguments {
    /// Whether the pages are mapped.
    pub(super) fn are_mapped(&self) -> bool {
        self.mapped.is_some()
    }

    /// Whether pages with arguments lie in `start..end`.
    pub(super) fn meet(&self, start: u32, end: u32) -> bool {
        let first = ARGUMENT_PAGES.0;
        self.readable > 0 && start < first + self.readable && first < end
    }

    /// Makes these the arguments, with their rights in hardware and `table`. `Ok(false)` when they have to be written in
    /// the common way; no page is readable then.
    pub(super) fn set(
        &mut self,
        space: &Reservation,
        table: &mut PageAccess,
        bytes: &[u8],
        used_before: bool,
    ) -> Result<bool, SysError> {
        if bytes.len() > ARGUMENT_BYTES || !self.map(space, table, bytes.len(), used_before)? {
            self.clear(space);
            self.hide(space, table)?;
            return Ok(false);
        }
        if self.are_mapped() {
            self.write(space, bytes);
        }
        self.show(space, table, bytes.len().div_ceil(PAGE) as u32)?;
        Ok(true)
    }

    /// Empties the window. The same pages stay readable.
    pub(super) fn clear(&mut self, space: &Reservation) {
        // In a process forked since, the window is also another's.
        if self.mapped.is_some_and(|since| since == forks()) {
            self.write(space, &[]);
        }
    }

    /// Makes all pages inaccessible, whatever their rights were.
    pub(super) fn hide(&mut self, space: &Reservation, table: &mut PageAccess) -> Result<(), SysError> {
        if self.are_mapped() {
            let (first, count) = ARGUMENT_PAGES;
            space.protect(first, count, Access::None)?;
            table.set(first, count, Access::None);
        }
        self.readable = 0;
        Ok(())
    }

    /// Maps the pages, unless they are or `len` is 0. `Ok(false)` when the system has no memory files for us, and where it would not
    /// pay: to a memory that is used once, mapping takes several times as long as writing in the common way.
    fn map(
        &mut self,
        space: &Reservation,
        table: &mut PageAccess,
        len: usize,
        used_before: bool,
    ) -> Result<bool, SysError> {
        if len == 0 {
            return Ok(true);
        }
        if !used_before && !self.are_mapped() {
            return Ok(false);
        }
        let now = forks();
        if self.mapped == Some(now) {
            return Ok(true);
        }
        self.hide(space, table)?;
        match space.map_arguments() {
            Ok(()) => *self = Self { mapped: Some(now), filled: 0, readable: 0 },
            // What is mapped is another process's, too.
            Err(error) if self.are_mapped() => return Err(error),
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Fills the window with these bytes and zeroes.
    fn write(&mut self, space: &Reservation, bytes: &[u8]) {
        space.write_arguments(bytes, self.filled);
        self.filled = bytes.len();
    }

    /// Makes so many pages readable and the others inaccessible.
    fn show(&mut self, space: &Reservation, table: &mut PageAccess, count: u32) -> Result<(), SysError> {
        let (from, to) = (self.readable.min(count), self.readable.max(count));
        if from < to {
            let access = if count == to { Access::Read } else { Access::None };
            let first = ARGUMENT_PAGES.0 + from;
            space.protect(first, to - from, access)?;
            table.set(first, to - from, access);
            self.readable = count;
        }
        Ok(())
    }
}
