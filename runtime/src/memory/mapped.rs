//! Guest memory at fixed offsets of a reservation of address space, as compiled code uses it.
//!
//! The page table says what a guest may do; the processor's page protection says the same, so that compiled code needs
//! no checks. Where the system cannot follow (it limits the number of mappings of a process), all of guest memory
//! becomes writable and [`MappedMemory::hardware_protected`] false: such a memory must be interpreted, where the page
//! table alone decides.
//!
//! A memory is made from an [`Image`] and [reset](MappedMemory::reset) to one. Resetting to the image it has drops the
//! guest's private pages and takes back changed rights; no mapping is made anew.

use std::sync::Arc;

use tvm_abi::VmContext;
use tvm_isa::GuestAddr;

use super::{Access, PageAccess};
use crate::sys::{GUEST_PAGES, Image, PageRanges, Reservation, SysError};

/// Most runs of pages with equal rights that one memory may ask of the system. A process has 65 530 mappings by
/// default: no single guest may use up what the host's own allocations need.
pub(crate) const MAX_PROTECTED_RUNS: usize = 1024;

/// A guest's memory in 4 GiB of reserved address space.
#[derive(Debug)]
pub struct MappedMemory {
    space: Arc<Reservation>,
    table: PageAccess,
    /// What the mappings were made from; `None` when they are in no known state.
    image: Option<Arc<Image>>,
    /// Pages that may differ from the image in rights, or in contents without being writable in it.
    changed: PageRanges,
    /// Whether pages of the image's file were replaced by zeroes.
    file_replaced: bool,
    hardware_protected: bool,
    /// Calls of `set_access` that may be made before runs are counted again.
    runs_left: usize,
}

impl MappedMemory {
    /// Reserves address space; every page is inaccessible.
    ///
    /// # Errors
    /// When the system has no address space left.
    pub fn new() -> Result<Self, SysError> {
        Ok(Self {
            space: Arc::new(Reservation::new()?),
            table: PageAccess::default(),
            image: Some(Arc::new(Image::default())),
            changed: PageRanges::default(),
            file_replaced: false,
            hardware_protected: true,
            runs_left: MAX_PROTECTED_RUNS / 2,
        })
    }

    /// Guest address 0.
    #[must_use]
    pub fn base(&self) -> *mut u8 {
        self.space.base()
    }

    /// The VM context below guest address 0.
    #[must_use]
    pub fn context_ptr(&self) -> *mut VmContext {
        self.space.context_ptr()
    }

    /// The VM context's words. Not to be used while compiled code runs.
    #[cfg(test)]
    pub(crate) fn context(&mut self) -> &mut [u64; size_of::<VmContext>() / 8] {
        // SAFETY: the context page is always accessible, any bytes are words, and `self` is borrowed as long.
        unsafe { &mut *self.space.context_ptr().cast() }
    }

    /// The address space itself. Whoever runs code in it keeps a reference, so that it outlives this value.
    #[must_use]
    pub(crate) fn reservation(&self) -> &Arc<Reservation> {
        &self.space
    }

    /// What the memory was last reset to.
    #[must_use]
    pub(crate) fn image(&self) -> Option<&Arc<Image>> {
        self.image.as_ref()
    }

    /// Whether forbidden accesses fault. If not, only the interpreter may run this memory's guest.
    #[must_use]
    pub fn hardware_protected(&self) -> bool {
        self.hardware_protected
    }

    /// Makes the memory what `image` says and clears the context. Nothing of an earlier guest remains.
    ///
    /// # Errors
    /// When the system refuses; the memory can then only be reset again or dropped.
    pub(crate) fn reset(&mut self, image: &Arc<Image>) -> Result<(), SysError> {
        let before = self.image.take();
        let same = before.is_some_and(|before| Arc::ptr_eq(&before, image));
        if same && self.hardware_protected && !self.file_replaced {
            self.take_back_changes(image)?;
        } else {
            image.map_into(&self.space)?;
            self.table = PageAccess::default();
            self.changed = PageRanges::default();
            image.segments().iter().for_each(|s| self.table.set(s.first, s.count, s.access));
        }
        // SAFETY: the context page is writable, and `&mut self` means that nothing else refers to it.
        unsafe { self.space.context_ptr().write_bytes(0, 1) };
        self.file_replaced = false;
        self.hardware_protected = true;
        self.runs_left = MAX_PROTECTED_RUNS / 2;
        self.image = Some(Arc::clone(image));
        Ok(())
    }

    fn take_back_changes(&mut self, image: &Image) -> Result<(), SysError> {
        let changed: Vec<(u32, u32)> = self.changed.take().collect();
        let writable = image.segments().iter().filter(|segment| segment.access == Access::Write);
        let dirty = writable.map(|segment| (segment.first, segment.count)).chain(changed.iter().copied());
        // One call for everything in between, too: the guest left nothing there, and what is empty takes no time. A call
        // for each range takes longer, mostly for telling the processor to forget single pages.
        if let Some((first, end)) = dirty.map(|(first, count)| (first, first + count)).reduce(span) {
            self.space.discard(first, end - first)?;
        }
        for (first, count) in changed {
            self.space.protect(first, count, Access::None)?;
            self.table.set(first, count, Access::None);
            for segment in image.segments() {
                if let Some((first, count)) = segment.within(first, count) {
                    self.space.protect(first, count, segment.access)?;
                    self.table.set(first, count, segment.access);
                }
            }
        }
        Ok(())
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

    /// Writes bytes to pages that are at least readable.
    pub(super) fn initialise(&mut self, start: GuestAddr, bytes: &[u8]) -> Result<(), SysError> {
        debug_assert!(self.table.allows(start.0.into(), bytes.len() as u64, Access::Read));
        if self.table.allows(start.0.into(), bytes.len() as u64, Access::Write) {
            self.copy_in(start.0, bytes);
            return Ok(());
        }
        let (first, count) = pages_of(start, bytes.len());
        self.changed.insert(first, count);
        self.protect(first, count, Access::Write)?;
        // SAFETY: the range lies in the reservation, and its pages were just made writable.
        unsafe { self.base().add(start.0 as usize).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
        self.protect_as_table_says(first, count)
    }

    pub(super) fn set_access(&mut self, first: u32, count: u32, access: Access) -> Result<(), SysError> {
        let count = count.min(GUEST_PAGES.saturating_sub(first));
        self.changed.insert(first, count);
        self.table.set(first, count, access);
        if !self.hardware_protected {
            return Ok(());
        }
        if self.too_many_runs() {
            return self.give_up_protection();
        }
        self.protect(first, count, access)
    }

    pub(super) fn zero_pages(&mut self, first: u32, count: u32) -> Result<(), SysError> {
        let count = count.min(GUEST_PAGES.saturating_sub(first));
        // Pages of the file would read as the file again.
        let image = self.image.clone();
        let of_file = image.iter().flat_map(|image| image.segments()).filter(|s| s.file_offset.is_some());
        for (first, count) in of_file.filter_map(|segment| segment.within(first, count)) {
            self.file_replaced = true;
            match self.space.map(first, count, self.protection(Access::None), None) {
                Ok(()) if self.hardware_protected => self.protect_as_table_says(first, count)?,
                Ok(()) => {}
                Err(error) if error.is_out_of_mappings() => {
                    self.give_up_protection()?;
                    self.fill_with_zeroes(first, count);
                }
                Err(error) => return Err(error),
            }
        }
        self.space.discard(first, count)
    }

    /// Rights to ask of the system for pages that should have `access`.
    fn protection(&self, access: Access) -> Access {
        if self.hardware_protected { access } else { Access::Write }
    }

    fn protect(&mut self, first: u32, count: u32, access: Access) -> Result<(), SysError> {
        match self.space.protect(first, count, self.protection(access)) {
            Err(error) if error.is_out_of_mappings() && self.hardware_protected => self.give_up_protection(),
            done => done,
        }
    }

    fn protect_as_table_says(&mut self, first: u32, count: u32) -> Result<(), SysError> {
        let mut page = first;
        while page < first + count && self.hardware_protected {
            let access = self.table.get(page);
            let run = (page..first + count).take_while(|&page| self.table.get(page) == access).count() as u32;
            self.protect(page, run, access)?;
            page += run;
        }
        Ok(())
    }

    /// Makes all of guest memory writable, which takes no more mappings than there are.
    fn give_up_protection(&mut self) -> Result<(), SysError> {
        self.space.protect(0, GUEST_PAGES, Access::Write)?;
        self.hardware_protected = false;
        Ok(())
    }

    fn fill_with_zeroes(&mut self, first: u32, count: u32) {
        assert!(!self.hardware_protected && first + count <= GUEST_PAGES);
        let page = GuestAddr::PAGE_SIZE as usize;
        // SAFETY: protection was given up, so that all of guest memory is writable.
        unsafe { self.base().add(first as usize * page).write_bytes(0, count as usize * page) }
    }

    /// Whether the table has more runs than may be asked of the system. One change makes at most two runs more, so
    /// that counting is due only now and then.
    fn too_many_runs(&mut self) -> bool {
        if self.runs_left == 0 {
            self.runs_left = MAX_PROTECTED_RUNS.saturating_sub(self.table.runs().len()) / 2;
        }
        let too_many = self.runs_left == 0;
        self.runs_left = self.runs_left.saturating_sub(1);
        too_many
    }
}

/// What reaches from the start of the first of two ranges of pages to the end of the last.
fn span(one: (u32, u32), other: (u32, u32)) -> (u32, u32) {
    (one.0.min(other.0), one.1.max(other.1))
}

/// First page and number of pages that `len` bytes from `start` on lie in.
fn pages_of(start: GuestAddr, len: usize) -> (u32, u32) {
    let first = start.0 / GuestAddr::PAGE_SIZE;
    let end = (u64::from(start.0) + len as u64).div_ceil(GuestAddr::PAGE_SIZE.into());
    (first, (end as u32).saturating_sub(first))
}

#[cfg(test)]
mod tests;
