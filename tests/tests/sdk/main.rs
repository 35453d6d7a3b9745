//! Services made with the SDK, run through refine, accumulate and is-authorized.
//!
//! The `probe` (`guests/README.md`) calls every host function that the SDK offers, with the arguments that a test
//! sends it. Every invocation runs on both engines, which must agree on the outcome and on every host call: its
//! place, gas, registers and memory. What is expected is worked out from the rules, and so is the gas of every single
//! call. Only what a block of an inner program costs is asked of `tvm_isa`.

mod accumulate_general;
mod accumulate_inputs;
mod accumulate_preimages;
mod accumulate_privileges;
mod accumulate_services;
mod authorizers;
mod bootstrap;
mod collapse;
mod memory;
mod refine_fetch;
mod refine_general;
mod refine_invoke;
mod refine_machines;
mod support;
mod upgrade;
