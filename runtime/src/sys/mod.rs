//! The operating system layer: everything that touches address space, machine code and signals.

mod error;
mod reservation;

pub use error::SysError;
pub(crate) use reservation::Reservation;
