//! The operating system layer: everything that touches address space, machine code and signals.

mod activation;
mod background_thread;
#[cfg(test)]
pub(crate) mod child;
mod compiled;
mod cpu;
mod enter;
mod error;
mod forks;
mod gs_base;
mod image;
mod native;
mod page_ranges;
mod pool;
mod reservation;
mod resident;
mod signals;

pub(crate) use background_thread::become_background_thread;
pub(crate) use compiled::{Broken, HostReply, HostServes, Left};
pub(crate) use cpu::host_features;
pub use error::SysError;
pub(crate) use forks::forks;
pub(crate) use image::{Image, JumpTable, Segment};
#[cfg(test)]
pub(crate) use native::ImageFile;
pub(crate) use native::NativeModule;
pub(crate) use page_ranges::PageRanges;
pub(crate) use pool::Pool;
pub(crate) use reservation::{ARGUMENT_BYTES, ARGUMENT_PAGES, GUEST_PAGES, Reservation};
