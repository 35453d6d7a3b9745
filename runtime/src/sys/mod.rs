//! The operating system layer: everything that touches address space, machine code and signals.

#[cfg(test)]
pub(crate) mod child;
mod error;
mod image;
mod page_ranges;
mod pool;
mod reservation;

pub use error::SysError;
pub(crate) use image::{Image, ImageError, JumpTable, Segment};
pub(crate) use page_ranges::PageRanges;
pub(crate) use pool::Pool;
pub(crate) use reservation::{GUEST_PAGES, Reservation};
