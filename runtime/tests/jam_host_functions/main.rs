//! Every host function of every version: result codes, panics, gas, and what is changed, written from the Gray Paper.
//!
//! Guests here do nothing but make host calls; what they get is recorded by an observer.

mod accumulate;
mod fetch;
mod gas;
mod general;
mod hostile;
mod inner_machines;
mod invocations;
mod phases;
mod preimages;
mod privileges;
mod refine;
mod services;
mod support;
mod trace;
