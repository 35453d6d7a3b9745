//! Execution of PVM programs: guest memory, compiled and interpreted runs, host functions and JAM's invocations.

mod error;
mod exit;
mod host_call;
pub mod interpreter;
pub mod memory;
mod sys;

pub use error::Error;
pub use exit::{GuestExit, GuestState};
pub use host_call::{Guest, HostAction, HostCalls, HostError, StopAtHostCalls};
pub use sys::SysError;
