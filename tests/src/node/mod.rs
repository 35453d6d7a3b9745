//! A small node: what a JAM node does around TVM, as far as the conformance vectors need it.
pub mod accumulate;
pub mod codec;
pub mod import;
pub mod model;
pub mod preimages;
pub mod spec;
pub mod state;
pub mod suites;
#[cfg(test)]
mod testing;
pub mod traces;
