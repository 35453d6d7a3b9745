//! Tiers on a node: what each policy compiles and keeps, how best code takes the place of fast code, and how the
//! background is bounded.
//!
//! Nothing here looks at a clock: the background is held, let go and waited for.

mod policies;
mod queue;
mod subject;
mod swap;
