//! What the tests share: command lists for the probe, a chain to run services in, and the rules written down once more.

mod accounts;
pub mod commands;
mod costs;
pub mod encoding;
pub mod heap;
pub mod inner;
mod recorder;
pub mod world;
