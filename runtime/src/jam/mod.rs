//! JAM on top of the machine: host functions and invocations (GP appendix B).

mod accumulate;
mod call;
pub mod codec;
pub mod constants;
pub mod cost;
mod dispatch;
mod general;
pub mod observer;
pub mod results;
pub mod state;
pub mod table;
pub mod types;
pub mod version;
