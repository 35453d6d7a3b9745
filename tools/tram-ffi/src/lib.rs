//! The C ABI of TVM. Its documentation for users is the header, `include/tvm.h`; here is why it is as it is.
//!
//! - What a guest did ([`TvmOutcome`]) and whether a call worked ([`Status`]) are two types with no number in common. An
//!   outcome is only written when the status is [`Status::Ok`], so an error of the machine cannot be read as something
//!   the guest did.
//! - No panic crosses the boundary: every function that can fail does its work inside `status::entry`.
//! - Pointers are turned into references in `arguments`, which refuses null, misaligned ones and impossible lengths.
//! - Misuse that can be seen is a status: an instance in use by another thread, or by the run whose host call this is,
//!   is [`Status::Busy`]; after a failed run it is [`Status::Unusable`] until it is reset.
//! - Messages go to memory of the caller instead of thread-local storage: a goroutine may be on another thread by the
//!   time it asks.
//!
//! Names: a Rust type `TvmEngine` is `tvm_engine` in C. `tests/header.rs` holds the header against this crate.

mod arguments;
mod engine;
mod host_call;
mod instance;
mod memory;
mod module;
mod outcome;
mod status;
mod version;

pub use engine::*;
pub use host_call::*;
pub use instance::*;
pub use memory::*;
pub use module::*;
pub use outcome::*;
pub use status::{ERROR_BYTES, Status, TvmError, tvm_status_name};
pub use version::*;
