//! JAM on top of the machine: host functions and invocations (GP appendix B).
//!
//! A node implements [`state::Accounts`] and calls [`accumulate`], [`refine`], [`is_authorized`] or [`on_transfer`]. What
//! depends on the Gray Paper's version is in [`version`] and [`table`], and nowhere else.
//!
//! ```
//! use std::sync::Arc;
//! use tvm_isa::{Gas, GpVersion};
//! use tvm_runtime::jam::constants::ChainConstants;
//! use tvm_runtime::jam::state::Accounts;
//! use tvm_runtime::jam::types::{Bytes, Hash, Privileges, RequestKey, ServiceAccount, ServiceId, TimeSlot, Timeline};
//! use tvm_runtime::jam::{AccumulateInput, Chain, InvocationEnd, accumulate};
//! use tvm_runtime::{Engine, EngineConfig, HostError};
//!
//! /// A node's state, here without any service in it.
//! struct Node;
//!
//! impl Accounts for Node {
//!     fn account(&self, _: ServiceId) -> Result<Option<ServiceAccount>, HostError> { Ok(None) }
//!     fn storage(&self, _: ServiceId, _: &[u8]) -> Result<Option<Bytes>, HostError> { Ok(None) }
//!     fn preimage(&self, _: ServiceId, _: &Hash) -> Result<Option<Bytes>, HostError> { Ok(None) }
//!     fn request(&self, _: ServiceId, _: RequestKey) -> Result<Option<Timeline>, HostError> { Ok(None) }
//! }
//!
//! let engine = Engine::new(EngineConfig::default())?;
//! let input = AccumulateInput {
//!     chain: Chain { version: GpVersion::V0_7_2, constants: &ChainConstants::full(), accounts: &Node },
//!     privileges: &Arc::new(Privileges::default()),
//!     slot: TimeSlot(1),
//!     entropy: Hash::default(),
//!     service: ServiceId(5),
//!     gas: Gas(1_000_000),
//!     inputs: &[],
//! };
//! let accumulated = accumulate(&engine, &input, None)?;
//! assert_eq!(accumulated.end, InvocationEnd::NotRun);
//! # Ok::<(), tvm_runtime::Error>(())
//! ```

mod accumulate;
mod call;
pub mod codec;
pub mod constants;
pub mod cost;
mod dispatch;
mod general;
mod invocation;
pub mod observer;
mod refine;
pub mod results;
pub mod state;
pub mod table;
pub mod trace;
pub mod types;
pub mod version;

pub use dispatch::MAX_LOG_BYTES;
pub use invocation::{
    AccumulateInput, Accumulated, Authorized, Chain, InvocationEnd, IsAuthorizedInput, OnTransferInput, RefineInput,
    Refined, Transferred, accumulate, is_authorized, on_transfer, refine,
};
pub use refine::{MAX_INNER_PAGES, MAX_PROGRAM_BYTES};
