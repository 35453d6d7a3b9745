//! Making a memory pristine for the next guest of the same image, with as few system calls as that takes.
//!
//! Where the last guest could write is known: pages that are writable in the image, and those that changed. Of them,
//! [resident](crate::sys::Resident) ones are written; so are few that a heap grew by, which also stay. The rest is dropped.

use super::super::Access;
use super::{ARGUMENT_PAGES, MappedMemory, overlap};
use crate::sys::{Image, SysError};

/// Most pages that a guest's heap grew by at once, and that stay in memory for the next one: they are written anew like
/// resident ones, and inaccessible until then.
pub(super) const MAX_GROWN_RESIDENT_PAGES: u32 = 16;

impl MappedMemory {
    /// Makes the memory what `image` says, which it was made from. The pages' rights must be the processor's.
    pub(super) fn take_back_changes(&mut self, image: &Image) -> Result<(), SysError> {
        let resident = image.resident();
        let mut dropped = resident.dropped.clone();
        if !self.used_before {
            dropped.extend(&resident.zeroes);
        }
        let changed: Vec<(u32, u32)> = self.changed.take().collect();
        for &(first, count) in &changed {
            if self.is_grown(image, first, count) {
                self.space.clear(first, count);
            } else {
                dropped.extend(resident.outside(first, count));
            }
        }
        self.drop_pages(image, dropped)?;
        for (first, count) in changed {
            self.take_back_rights(image, first, count)?;
        }
        image.write_contents(&self.space)?;
        if self.used_before {
            resident.zeroes.iter().for_each(|&(first, count)| self.space.clear(first, count));
        }
        Ok(())
    }

    /// Drops ranges of pages, in one call where nothing of use lies between them: the guest left nothing there, and what
    /// is empty takes no time. A call for each takes longer, mostly for telling the processor to forget single pages.
    fn drop_pages(&self, image: &Image, mut ranges: Vec<(u32, u32)>) -> Result<(), SysError> {
        ranges.sort_unstable();
        let mut ranges = ranges.into_iter().map(|(first, count)| (first, first + count));
        let Some((mut start, mut end)) = ranges.next() else { return Ok(()) };
        for (next_start, next_end) in ranges {
            if image.resident().meets(start, next_end) || self.arguments.meet(start, next_end) {
                self.space.discard(start, end - start)?;
                (start, end) = (next_start, next_end);
            } else {
                end = end.max(next_end);
            }
        }
        self.space.discard(start, end - start)
    }

    /// Whether these pages, which changed, are a few writable ones that the image does not have.
    fn is_grown(&self, image: &Image, first: u32, count: u32) -> bool {
        self.used_before
            && count <= MAX_GROWN_RESIDENT_PAGES
            && !overlap((first, count), ARGUMENT_PAGES)
            && (first..first + count).all(|page| self.table.get(page) == Access::Write)
            && image.segments().iter().all(|segment| segment.within(first, count).is_none())
    }

    fn take_back_rights(&mut self, image: &Image, first: u32, count: u32) -> Result<(), SysError> {
        self.space.protect(first, count, Access::None)?;
        self.table.set(first, count, Access::None);
        for segment in image.segments() {
            if let Some((first, count)) = segment.within(first, count) {
                self.space.protect(first, count, segment.access)?;
                self.table.set(first, count, segment.access);
            }
        }
        if overlap((first, count), ARGUMENT_PAGES) {
            self.arguments.hide(&self.space, &mut self.table)?;
        }
        Ok(())
    }
}
