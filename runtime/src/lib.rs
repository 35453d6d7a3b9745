//! Execution of PVM programs: guest memory, compiled and interpreted runs, host functions and JAM's invocations.
//!
//! An [`Engine`] loads programs, through the cache if it has one. A [`Module`] is a loaded program, an [`Instance`] a guest
//! with state and memory of its own. What a guest does is a [`GuestExit`]; what goes wrong in TVM or its host is an
//! [`Error`]. The two never turn into each other.
//!
//! ```
//! use tvm_runtime::{Engine, EngineConfig, GuestExit, Instance, StopAtHostCalls};
//! use tvm_isa::{Container, Gas, GpVersion};
//!
//! // Adds 1 to a0, then traps.
//! let program = [0, 0, 4, 149, 0x77, 1, 0, 0b1001];
//! let engine = Engine::new(EngineConfig::default())?;
//! let hash = tvm_cache::hash(&program);
//! let module = engine.load(GpVersion::V0_7_2, Container::Raw, hash, || Ok(&program))?;
//!
//! let mut guest = Instance::bare(&engine, &module)?;
//! guest.state_mut().gas = Gas(10);
//! guest.state_mut().regs[7] = 41;
//! assert_eq!(guest.run(&mut StopAtHostCalls)?, GuestExit::Panic);
//! assert_eq!((guest.state().regs[7], guest.state().gas), (42, Gas(8)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

pub use engine::{
    Backend, BackgroundFailure, BackgroundLimits, DEFAULT_BACKGROUND_QUEUE, DEFAULT_BACKGROUND_THREADS, Engine,
    EngineConfig, EngineStats, MAX_BACKGROUND_ATTEMPTS, MAX_BACKGROUND_FAILURES, MAX_IDLE_MODULES, Tiers, Verification,
    object_key,
};
pub use error::{Error, LoadError, Malformed};
pub use exit::{GuestExit, GuestState};
pub use host_call::{CallState, Guest, HostAction, HostCalls, HostError, StopAtHostCalls};
pub use instance::Instance;
pub use module::{Module, Origin};
pub use sys::SysError;
pub use tvm_abi::Tier;
