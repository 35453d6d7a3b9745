//! Conformance, differential, fault and golden tests of TVM.

#![forbid(unsafe_code)]

pub mod conformance;
pub mod machine;
pub mod vectors;
