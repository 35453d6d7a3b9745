//! Conformance, differential, fault and golden tests of TVM.

#![forbid(unsafe_code)]

pub mod assemble;
pub mod conformance;
pub mod differential;
pub mod engines;
pub mod guests;
pub mod machine;
pub mod mutants;
pub mod node;
pub mod vectors;
