//! Compiled code of all tiers against the interpreter, on generated programs, inner and outer.

mod case;
mod chains;
mod compare;
mod counting;
mod coverage;
mod draft;
mod draw;
mod generate;
mod idioms;
mod loops;
mod numbers;
mod operations;
mod questions;
mod shrink;
mod spills;

pub use case::{Case, Pages};
pub use chains::{CHAINS, ChainGenerator, Chains};
pub use compare::{Agreement, Difference, compare, compare_once};
pub use coverage::Coverage;
pub use generate::{Generator, Kind};
pub use shrink::shrink;
