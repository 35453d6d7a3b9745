//! Where a standard program's regions lie in guest memory (GP A.7, eq:memlayout).

use crate::units::GuestAddr;

/// Bytes in a zone: the alignment of regions, and the size of the gaps between them (GP: Z_Z).
pub const ZONE_SIZE: u64 = 1 << 16;

/// Room for the argument blob, and its maximum length (GP: Z_I).
pub const MAX_ARGUMENT_BYTES: u64 = 1 << 24;

/// Accesses to inaccessible bytes below this address panic instead of faulting (GP A.4).
pub const FIRST_FAULTING_ADDRESS: u32 = 1 << 16;

/// Where the argument blob starts, and register 7 points at the start.
pub const ARGUMENTS_START: GuestAddr = GuestAddr(0xfeff_0000);

/// One past the last byte of the stack, and register 1 at the start.
pub const STACK_TOP: GuestAddr = GuestAddr(0xfefe_0000);

/// A dynamic jump here halts; register 0 holds it at the start (GP: 2^32 − 2^16).
pub const HALT_ADDRESS: u32 = 0xffff_0000;

/// The sizes a standard program states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// Bytes of read-only data.
    pub ro: u32,
    /// Bytes of initialised read-write data.
    pub rw: u32,
    /// Zeroed pages after the read-write data.
    pub heap_pages: u16,
    /// Bytes of stack.
    pub stack: u32,
}

/// Start and page-rounded length of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: GuestAddr,
    /// Length in bytes, a multiple of the page size; 0 when nothing is mapped.
    pub len: u32,
}

/// The regions of a standard program. Everything outside them is inaccessible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Read-only data.
    pub ro: Region,
    /// Read-write data and the initial heap.
    pub rw: Region,
    /// Stack.
    pub stack: Region,
}

impl Layout {
    /// Places the regions.
    ///
    /// # Errors
    /// With the address space they would take, when that is more than 2^32 bytes (GP A.7).
    #[inline]
    pub fn new(sizes: Sizes) -> Result<Self, u64> {
        let heap = u64::from(sizes.heap_pages) * u64::from(GuestAddr::PAGE_SIZE);
        let needed = 5 * ZONE_SIZE
            + zones(sizes.ro.into())
            + zones(u64::from(sizes.rw) + heap)
            + zones(sizes.stack.into())
            + MAX_ARGUMENT_BYTES;
        if needed > 1 << 32 {
            return Err(needed);
        }
        let rw_start = 2 * ZONE_SIZE + zones(sizes.ro.into());
        let stack_len = pages(sizes.stack.into());
        Ok(Self {
            ro: Region { start: GuestAddr(ZONE_SIZE as u32), len: pages(sizes.ro.into()) as u32 },
            rw: Region { start: GuestAddr(rw_start as u32), len: (pages(sizes.rw.into()) + heap) as u32 },
            stack: Region { start: GuestAddr((u64::from(STACK_TOP.0) - stack_len) as u32), len: stack_len as u32 },
        })
    }
}

impl Region {
    /// One past the last address.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::from(self.start.0) + u64::from(self.len)
    }
}

/// GP: P(x), rounded up to pages.
#[must_use]
pub fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(GuestAddr::PAGE_SIZE.into())
}

/// GP: Z(x), rounded up to zones.
#[must_use]
pub fn zones(bytes: u64) -> u64 {
    bytes.next_multiple_of(ZONE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_layout_fits_and_one_zone_more_does_not() {
        let free = (1_u64 << 32) - 5 * ZONE_SIZE - MAX_ARGUMENT_BYTES;
        // 65535 heap pages and what is left as read-only data and stack.
        let heap_pages = u16::MAX;
        let rest = free - zones(u64::from(heap_pages) * 4096);
        let fits = Sizes { ro: (rest - zones(1)) as u32, rw: 0, heap_pages, stack: 1 };
        assert!(Layout::new(fits).is_ok());
        let too_large = Sizes { ro: fits.ro + 1, ..fits };
        assert_eq!(Layout::new(too_large), Err((1 << 32) + ZONE_SIZE));
    }

    #[test]
    fn empty_regions_map_nothing() {
        let layout = Layout::new(Sizes::default()).unwrap();
        assert_eq!(layout.ro.len, 0);
        assert_eq!(layout.rw, Region { start: GuestAddr(0x2_0000), len: 0 });
        assert_eq!(layout.stack, Region { start: STACK_TOP, len: 0 });
    }
}
