//! JAM on top of the machine: host functions and invocations (GP appendix B).
//!
//! A node implements [`state::Accounts`] and calls [`accumulate`], [`refine`], [`is_authorized`] or [`on_transfer`]. What
//! depends on the Gray Paper's version is in [`version`] and [`table`], and nowhere else.

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
