//! A small node: what a JAM node does around TVM, as far as the conformance vectors need it.
//!
//! It is not part of the library. It is the worked example of a node that runs services with TVM:
//!
//! * [`state::StoredAccounts`] gives host functions the accounts of a state kept under hashed keys, and
//!   [`state::Dictionary::apply`] writes back what they changed. This is all that TVM needs to know of a state.
//! * [`accumulate::Tvm`] runs a service: the engine takes the module from its cache, or compiles it once.
//! * [`accumulate::accumulate`] does what is around that: which reports run, in which rounds, with how much gas, on how
//!   many threads, and how the services' changes are put together.
//! * [`import::Importer`] imports a block: available reports, accumulation, preimages.
//!
//! [`codec`], [`model`] and [`traces`] read what vectors and traces contain; [`suites`] run them and compare.
//! [`spec`] has what depends on the chain and on the Gray Paper's version of its state.
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
