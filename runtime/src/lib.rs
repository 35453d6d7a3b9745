//! Execution of PVM programs: guest memory, compiled and interpreted runs, host functions and JAM's invocations.

mod engine;
mod error;
mod exit;
mod host_call;
mod instance;
pub mod interpreter;
pub mod jam;
pub mod memory;
mod module;
mod run;
mod sys;

pub use engine::{Backend, Engine, EngineConfig, MAX_IDLE_MODULES};
pub use error::{Error, LoadError, Malformed};
pub use exit::{GuestExit, GuestState};
pub use host_call::{Guest, HostAction, HostCalls, HostError, StopAtHostCalls};
pub use instance::Instance;
pub use module::{Module, Origin};
pub use sys::SysError;
