//! Where a guest's heap is (GP A.7, and B.5 of GP 0.8.0), worked out from its sizes.

use tvm_isa::layout::Sizes;

const PAGE: u64 = 1 << 12;
const ZONE: u64 = 1 << 16;

/// Number of the page behind the heap at the start (GP: h).
pub fn end_page(sizes: Sizes) -> u64 {
    let first = (2 * ZONE + u64::from(sizes.ro).next_multiple_of(ZONE)) / PAGE;
    first + u64::from(sizes.rw).div_ceil(PAGE) + u64::from(sizes.heap_pages)
}

/// The highest number it may grow to (GP: b).
pub fn limit_page(sizes: Sizes) -> u64 {
    ((1 << 32) - 3 * ZONE - (1 << 24) - u64::from(sizes.stack).next_multiple_of(PAGE)) / PAGE
}
