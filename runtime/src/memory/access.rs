//! Which accesses the pages of a guest's memory allow.

use tvm_isa::GuestAddr;

/// Pages in the address space.
pub const PAGES: u32 = 1 << 20;

/// Access right of a page, each including the ones before it (GP: ∅, R, W).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(u8)]
pub enum Access {
    /// Neither readable nor writable.
    #[default]
    None = 0,
    /// Readable.
    Read = 1,
    /// Readable and writable.
    Write = 2,
}

/// A range that is not wholly accessible in the way that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("guest memory at {start:#x}, {len} bytes: {wanted:?} access is not allowed at {first_bad:#x}")]
pub struct Inaccessible {
    /// First address of the range.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The access that was asked for.
    pub wanted: Access,
    /// The lowest address that does not allow it; 2^32 when the range passes the end of the address space.
    pub first_bad: u64,
}

/// Pages in a leaf of the table.
const LEAF_PAGES: usize = 1024;

/// One access right for each page, in two levels so that an empty table is small.
#[derive(Clone, Default, Debug)]
pub struct PageAccess {
    leaves: Vec<Leaf>,
}

#[derive(Clone, Debug)]
enum Leaf {
    Same(Access),
    Each(Box<[Access; LEAF_PAGES]>),
}

impl PageAccess {
    /// The right of page number `page`.
    #[must_use]
    #[inline]
    pub fn get(&self, page: u32) -> Access {
        match self.leaves.get(page as usize / LEAF_PAGES) {
            None => Access::None,
            Some(Leaf::Same(access)) => *access,
            Some(Leaf::Each(pages)) => pages[page as usize % LEAF_PAGES],
        }
    }

    /// Sets the rights of `count` pages from `first` on; pages beyond the address space are ignored.
    pub fn set(&mut self, first: u32, count: u32, access: Access) {
        let end = first.saturating_add(count).min(PAGES) as usize;
        let mut page = first as usize;
        while page < end {
            let (leaf, within) = (page / LEAF_PAGES, page % LEAF_PAGES);
            let take = (LEAF_PAGES - within).min(end - page);
            if self.leaves.len() <= leaf {
                self.leaves.resize(leaf + 1, Leaf::Same(Access::None));
            }
            if take == LEAF_PAGES {
                self.leaves[leaf] = Leaf::Same(access);
            } else {
                self.leaves[leaf].split()[within..within + take].fill(access);
            }
            page += take;
        }
    }

    /// Whether all of the range allows `wanted`. No bytes always do; ranges past 2^32 never do.
    #[must_use]
    pub fn allows(&self, start: u64, len: u64, wanted: Access) -> bool {
        self.check(start, len, wanted).is_ok()
    }

    /// Like [`Self::allows`], naming the first address that does not.
    ///
    /// # Errors
    /// When a byte of the range does not allow `wanted`.
    #[inline]
    pub fn check(&self, start: u64, len: u64, wanted: Access) -> Result<(), Inaccessible> {
        if len == 0 {
            return Ok(());
        }
        let page_size = u64::from(GuestAddr::PAGE_SIZE);
        let bad = |first_bad| Err(Inaccessible { start, len, wanted, first_bad });
        if start >= 1 << 32 {
            return bad(start);
        }
        let end = start.saturating_add(len);
        let last_page = (end.min(1 << 32) - 1) / page_size;
        for page in start / page_size..=last_page {
            if self.get(page as u32) < wanted {
                return bad(start.max(page * page_size));
            }
        }
        if end > 1 << 32 { bad(1 << 32) } else { Ok(()) }
    }

    /// Runs of adjacent pages with the same right other than [`Access::None`], as (first, count, right).
    #[must_use]
    pub fn runs(&self) -> Vec<(u32, u32, Access)> {
        let mut runs: Vec<(u32, u32, Access)> = Vec::new();
        let mut push = |first: u32, count: u32, access: Access| match runs.last_mut() {
            Some((start, len, right)) if *right == access && *start + *len == first => *len += count,
            _ if access == Access::None => {}
            _ => runs.push((first, count, access)),
        };
        for (index, leaf) in self.leaves.iter().enumerate() {
            let base = (index * LEAF_PAGES) as u32;
            match leaf {
                Leaf::Same(access) => push(base, LEAF_PAGES as u32, *access),
                Leaf::Each(pages) => (base..).zip(pages.iter()).for_each(|(page, access)| push(page, 1, *access)),
            }
        }
        runs
    }
}

impl Leaf {
    fn split(&mut self) -> &mut [Access; LEAF_PAGES] {
        if let Self::Same(access) = *self {
            *self = Self::Each(Box::new([access; LEAF_PAGES]));
        }
        match self {
            Self::Each(pages) => pages,
            Self::Same(_) => unreachable!("split above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked_to_the_last_byte() {
        let mut table = PageAccess::default();
        table.set(16, 2, Access::Read);
        table.set(18, 1, Access::Write);
        assert!(table.allows(0x10000, 0x3000, Access::Read));
        assert!(!table.allows(0x10000, 0x3001, Access::Read));
        assert!(!table.allows(0xffff, 2, Access::Read));
        assert_eq!(table.check(0x11fff, 2, Access::Write).unwrap_err().first_bad, 0x11fff);
        assert!(table.allows(0x12000, 0x1000, Access::Write));
        assert!(table.allows(u64::MAX, 0, Access::Write));
    }

    #[test]
    fn the_end_of_the_address_space_is_not_wrapped() {
        let mut table = PageAccess::default();
        table.set(PAGES - 1, 5, Access::Write);
        assert!(table.allows(0xffff_f000, 0x1000, Access::Write));
        assert_eq!(table.check(0xffff_ffff, 2, Access::Read).unwrap_err().first_bad, 1 << 32);
        assert!(!table.allows(u64::MAX, 1, Access::Read));
        assert!(!table.allows(1 << 32, 1, Access::Read));
    }

    #[test]
    fn runs_join_leaves() {
        let mut table = PageAccess::default();
        table.set(1000, 3000, Access::Write);
        table.set(1500, 1, Access::None);
        assert_eq!(table.runs(), [(1000, 500, Access::Write), (1501, 2499, Access::Write)]);
    }
}
