//! Guest memory of single pages on the heap, for machines that are only interpreted.

use tvm_isa::GuestAddr;

use super::access::{Access, PAGES, PageAccess};

const PAGE_BYTES: usize = GuestAddr::PAGE_SIZE as usize;

/// Pages that one second-level table covers.
const LEAF_PAGES: usize = 1024;

type Page = [u8; PAGE_BYTES];
type Leaf = [Option<Box<Page>>; LEAF_PAGES];

/// What a page that was never written reads as.
static ZERO_PAGE: Page = [0; PAGE_BYTES];

/// Guest memory that takes host memory only for pages that were written.
///
/// Access rights and contents are independent: a page that becomes inaccessible keeps what it holds until
/// [`Self::zero_pages`]. A page without contents is all zeros, so making 4 GiB writable allocates nothing but the table
/// of rights. The most this ever takes is 4 GiB of pages, after the guest has paid for a write to each, and about
/// 8 MiB of tables.
#[derive(Default)]
pub struct PagedMemory {
    access: PageAccess,
    leaves: Vec<Option<Box<Leaf>>>,
}

impl PagedMemory {
    /// Memory of which every page is inaccessible and zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pages' access rights.
    #[must_use]
    #[inline]
    pub fn table(&self) -> &PageAccess {
        &self.access
    }

    /// Gives `count` pages from page `first` on this access right; contents stay. Pages beyond 2^20 are ignored.
    pub fn set_access(&mut self, first: u32, count: u32, access: Access) {
        self.access.set(first, count, access);
    }

    /// Zeroes `count` pages from page `first` on, whatever their access rights, and gives their host memory back.
    pub fn zero_pages(&mut self, first: u32, count: u32) {
        let end = first.saturating_add(count).min(PAGES) as usize;
        let mut page = first as usize;
        while page < end {
            let (leaf, within) = (page / LEAF_PAGES, page % LEAF_PAGES);
            let take = (LEAF_PAGES - within).min(end - page);
            match self.leaves.get_mut(leaf) {
                Some(slot) if take == LEAF_PAGES => *slot = None,
                Some(Some(pages)) => pages[within..within + take].fill(None),
                Some(None) | None => {}
            }
            page += take;
        }
    }

    /// Fills `out` with the bytes from `start` on, whatever the pages' access rights. The range must end at or before
    /// 2^32; what lies beyond is left unchanged.
    #[inline]
    pub fn copy_out(&self, start: u32, out: &mut [u8]) {
        let within = start as usize % PAGE_BYTES;
        if let Some(part) = self.page(start as usize / PAGE_BYTES).get(within..within + out.len()) {
            out.copy_from_slice(part);
            return;
        }
        for Piece { page, within, bytes } in pieces(start, out.len()) {
            let len = bytes.len();
            out[bytes].copy_from_slice(&self.page(page)[within..within + len]);
        }
    }

    /// Writes `bytes` from `start` on, whatever the pages' access rights. The range must end at or before 2^32; what
    /// lies beyond is dropped.
    #[inline]
    pub fn copy_in(&mut self, start: u32, bytes: &[u8]) {
        for Piece { page, within, bytes: piece } in pieces(start, bytes.len()) {
            let len = piece.len();
            self.page_mut(page)[within..within + len].copy_from_slice(&bytes[piece]);
        }
    }

    /// The contents of page number `page`, zeros if it has none.
    #[inline]
    fn page(&self, page: usize) -> &Page {
        match self.leaves.get(page / LEAF_PAGES) {
            Some(Some(leaf)) => leaf[page % LEAF_PAGES].as_deref().unwrap_or(&ZERO_PAGE),
            Some(None) | None => &ZERO_PAGE,
        }
    }

    /// The contents of page number `page`, allocated if it has none. The page must be below 2^20.
    #[inline]
    fn page_mut(&mut self, page: usize) -> &mut Page {
        let leaf = page / LEAF_PAGES;
        if self.leaves.len() <= leaf {
            self.leaves.resize_with(leaf + 1, || None);
        }
        let leaf = self.leaves[leaf].get_or_insert_with(|| Box::new([const { None }; LEAF_PAGES]));
        leaf[page % LEAF_PAGES].get_or_insert_with(|| Box::new(ZERO_PAGE))
    }

    /// Pages that host memory is taken for.
    fn allocated_pages(&self) -> usize {
        self.leaves.iter().flatten().map(|leaf| leaf.iter().flatten().count()).sum()
    }
}

impl std::fmt::Debug for PagedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { access, leaves: _ } = self;
        f.debug_struct("PagedMemory")
            .field("access", &access.runs())
            .field("allocated_pages", &self.allocated_pages())
            .finish()
    }
}

/// A part of a range that lies in one page.
struct Piece {
    /// Page number.
    page: usize,
    /// Where in the page the part starts.
    within: usize,
    /// Which bytes of the range it is.
    bytes: std::ops::Range<usize>,
}

/// Splits `len` bytes from `start` on at page ends; what lies beyond 2^32 is left out.
#[inline]
fn pieces(start: u32, len: usize) -> impl Iterator<Item = Piece> {
    let start = start as usize;
    let len = len.min(PAGES as usize * PAGE_BYTES - start);
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let (page, within) = ((start + done) / PAGE_BYTES, (start + done) % PAGE_BYTES);
        let bytes = done..done + (PAGE_BYTES - within).min(len - done);
        done = bytes.end;
        Some(Piece { page, within, bytes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(memory: &PagedMemory, start: u32, len: usize) -> Vec<u8> {
        let mut out = vec![0xee; len];
        memory.copy_out(start, &mut out);
        out
    }

    #[test]
    fn all_of_the_address_space_can_be_writable_without_being_allocated() {
        let mut memory = PagedMemory::new();
        memory.set_access(0, PAGES, Access::Write);
        assert!(memory.table().allows(0, 1 << 32, Access::Write));
        assert_eq!(read(&memory, 0xffff_f000, 4096), [0; 4096]);
        assert_eq!(memory.allocated_pages(), 0);
        memory.copy_in(0x1234_5678, &[1]);
        assert_eq!(memory.allocated_pages(), 1);
        assert_eq!(read(&memory, 0x1234_5677, 3), [0, 1, 0]);
    }

    #[test]
    fn ranges_cross_pages_and_tables() {
        let mut memory = PagedMemory::new();
        let bytes: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
        let before_a_table = (LEAF_PAGES * PAGE_BYTES) as u32;
        for start in [0, 1, 4095, before_a_table - 5000, u32::MAX - 9_999] {
            memory.copy_in(start, &bytes);
            assert_eq!(read(&memory, start, bytes.len()), bytes, "{start:#x}");
        }
    }

    #[test]
    fn the_end_of_the_address_space_is_not_passed() {
        let mut memory = PagedMemory::new();
        memory.copy_in(u32::MAX, &[7, 8]);
        assert_eq!(read(&memory, u32::MAX, 2), [7, 0xee]);
        assert_eq!(read(&memory, 0, 1), [0]);
        memory.zero_pages(PAGES - 1, u32::MAX);
        memory.zero_pages(u32::MAX, u32::MAX);
        assert_eq!(read(&memory, u32::MAX, 1), [0]);
    }

    #[test]
    fn contents_outlive_access_rights_until_they_are_zeroed() {
        let mut memory = PagedMemory::new();
        memory.set_access(16, 2, Access::Write);
        memory.copy_in(0x1_0fff, &[5, 6]);
        memory.set_access(16, 2, Access::None);
        memory.set_access(16, 2, Access::Read);
        assert_eq!(read(&memory, 0x1_0fff, 2), [5, 6]);
        memory.zero_pages(17, 1);
        assert_eq!(read(&memory, 0x1_0fff, 2), [5, 0]);
        assert_eq!(memory.table().get(17), Access::Read);
        assert_eq!(memory.allocated_pages(), 1);
    }

    #[test]
    fn zeroing_spares_the_neighbours_of_whole_tables() {
        let mut memory = PagedMemory::new();
        let table = LEAF_PAGES as u32;
        for page in [table - 2, table - 1, table, 2 * table - 1, 2 * table, 2 * table + 1] {
            memory.copy_in(page * GuestAddr::PAGE_SIZE, &[9]);
        }
        memory.zero_pages(table - 1, table + 2);
        let left = |page: u32| read(&memory, page * GuestAddr::PAGE_SIZE, 1)[0];
        assert_eq!([left(table - 2), left(2 * table + 1)], [9, 9]);
        assert_eq!([left(table - 1), left(table), left(2 * table - 1), left(2 * table)], [0; 4]);
    }
}
