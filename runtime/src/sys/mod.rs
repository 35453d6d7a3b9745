//! The operating system layer: everything that touches address space, machine code and signals.

mod activation;
#[cfg(test)]
pub(crate) mod child;
mod compiled;
mod enter;
mod error;
mod gs_base;
mod image;
mod page_ranges;
mod pool;
mod reservation;
mod signals;

pub(crate) use compiled::{CompiledCode, HostReply};
pub(crate) use enter::stub_address;
pub use error::SysError;
pub(crate) use image::{Image, ImageError, JumpTable, Segment};
pub(crate) use page_ranges::PageRanges;
pub(crate) use pool::Pool;
pub(crate) use reservation::{GUEST_PAGES, Reservation};
