//! JAM on top of the machine: host functions and invocations (GP appendix B).

pub mod constants;
pub mod state;
pub mod types;
