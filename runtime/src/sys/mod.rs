//! The operating system layer: everything that touches address space, machine code and signals.

mod error;

pub use error::SysError;
