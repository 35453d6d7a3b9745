//! Guest memory at fixed offsets of a reservation of address space, as compiled code uses it.
//!
//! The page table says what a guest may do; the processor's page protection says the same, so that compiled code needs
//! no checks. Where the system cannot follow (it limits the number of mappings of a process), all of guest memory
//! becomes writable and [`MappedMemory::hardware_protected`] false: such a memory must be interpreted, where the page
//! table alone decides.
//!
//! A memory is made from an [`Image`] and [reset](MappedMemory::reset) to one. Resetting to the image it has makes no
//! mapping anew: pages that the image keeps [resident](Resident) are written, others dropped, changed rights taken back.
//!
//! **Every page is what the image says or in [`MappedMemory::changed`]**, or one of the arguments: so pages that are in
//! neither are zero, and need no cleaning.

use std::sync::Arc;

use tvm_abi::VmContext;
use tvm_isa::GuestAddr;

use super::{Access, PageAccess};
use crate::sys::{ARGUMENT_PAGES, GUEST_PAGES, Image, PageRanges, Reservation, SysError};

mod arguments;
mod cleaning;

use arguments::Arguments;

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
    /// Whether pages of a file were replaced by zeroes.
    file_replaced: bool,
    /// Whether it was reset to this image before. Its resident zeroes are only kept from then on: a memory that is used
    /// once does not have to touch them.
    used_before: bool,
    arguments: Arguments,
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
            used_before: false,
            arguments: Arguments::default(),
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

    /// Makes the memory what `image` says and clears the context. Nothing of an earlier guest remains, but for the number of
    /// pages that its arguments took: so many are readable, and zero, until [`Self::set_arguments`].
    ///
    /// # Errors
    /// When the system refuses; the memory can then only be reset again or dropped.
    pub(crate) fn reset(&mut self, image: &Arc<Image>) -> Result<(), SysError> {
        let is_blank = self.is_blank();
        let before = self.image.take();
        let same = before.is_some_and(|before| Arc::ptr_eq(&before, image));
        self.arguments.clear(&self.space);
        if same && self.hardware_protected && !self.file_replaced {
            self.take_back_changes(image)?;
            self.used_before = true;
        } else {
            if !is_blank {
                self.space.make_blank()?;
            }
            image.map_into(&self.space)?;
            self.arguments = Arguments::default();
            self.table = PageAccess::default();
            self.changed = PageRanges::default();
            image.segments().iter().for_each(|s| self.table.set(s.first, s.count, s.access));
            self.used_before = false;
        }
        // SAFETY: `&mut self` means that nothing else refers to the context.
        unsafe { self.space.reset_context() };
        self.file_replaced = false;
        self.hardware_protected = true;
        self.runs_left = MAX_PROTECTED_RUNS / 2;
        self.image = Some(Arc::clone(image));
        Ok(())
    }

    /// Whether nothing is mapped yet that a guest could use.
    fn is_blank(&self) -> bool {
        self.image.as_ref().is_some_and(|image| image.is_blank())
            && self.changed.is_empty()
            && self.hardware_protected
            && !self.file_replaced
            && !self.arguments.are_mapped()
    }

    /// Makes these bytes the guest's arguments, where the layout has them, readable and followed by zeroes up to the end
    /// of a page. All other pages that arguments can take become inaccessible. To be called after a reset, before
    /// anything else.
    ///
    /// # Errors
    /// When the system refuses; the memory can then only be reset or dropped.
    pub(crate) fn set_arguments(&mut self, bytes: &[u8]) -> Result<(), SysError> {
        if self.arguments.set(&self.space, &mut self.table, bytes, self.used_before)? {
            return Ok(());
        }
        let (first, count) = (ARGUMENT_PAGES.0, (bytes.len().div_ceil(GuestAddr::PAGE_SIZE as usize)) as u32);
        // Writable while they are filled: one change of rights less than filling read-only pages takes.
        self.set_access(first, count, Access::Write)?;
        self.copy_in(first * GuestAddr::PAGE_SIZE, bytes);
        self.set_access(first, count, Access::Read)
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
        let Some(image) = self.image.clone() else { return self.space.discard(first, count) };
        // Pages of a file would read as the file again.
        let mut of_file: Vec<(u32, u32)> = image.mapped_from_file().collect();
        if self.arguments.are_mapped() {
            of_file.push(ARGUMENT_PAGES);
        }
        let range = (first, count);
        for (first, count) in of_file.into_iter().filter_map(|pages| shared(pages, range)) {
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
        let used = image.segments().iter().any(|segment| segment.within(first, count).is_some());
        if used || self.changed.meet(first, count) { self.space.discard(first, count) } else { Ok(()) }
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

/// The pages that two ranges have in common, each given by first page and number of pages.
fn shared(one: (u32, u32), other: (u32, u32)) -> Option<(u32, u32)> {
    let start = one.0.max(other.0);
    let end = (one.0 + one.1).min(other.0.saturating_add(other.1));
    (start < end).then(|| (start, end - start))
}

fn overlap(one: (u32, u32), other: (u32, u32)) -> bool {
    shared(one, other).is_some()
}

/// First page and number of pages that `len` bytes from `start` on lie in.
fn pages_of(start: GuestAddr, len: usize) -> (u32, u32) {
    let first = start.0 / GuestAddr::PAGE_SIZE;
    let end = (u64::from(start.0) + len as u64).div_ceil(GuestAddr::PAGE_SIZE.into());
    (first, (end as u32).saturating_sub(first))
}

#[cfg(test)]
mod tests;
