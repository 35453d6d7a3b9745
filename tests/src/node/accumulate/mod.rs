//! Outer accumulation: everything of the Gray Paper's section 12 but the run of a single service (Ψ_A), which TVM does.
//!
//! A block's reports are put in order ([`Queues`]). As many as the gas allows run in rounds (`run`): in one round every
//! service with something to do runs once, all on the same state and so on any number of threads (`round`), and what
//! they changed is put together (`merge`). Transfers made in one round are inputs of the next.

mod block;
mod invoke;
mod merge;
mod partial;
mod queue;
mod round;
mod rules;
mod run;
mod summary;

pub use block::{AccumulatedBlock, AccumulationInputs, accumulate};
pub use invoke::{Invocation, Invoke, Tvm};
pub use partial::PartialState;
pub use queue::{Ordered, Queues};
pub use rules::{Counted, OuterRules, PrivilegeMerge, ReturnedGas, Transfers};
pub use summary::{ServiceUse, accumulate_root};

use tvm_runtime::jam::types::ServiceId;

use crate::node::codec::CodecError;

/// Why a block could not be accumulated.
#[derive(Debug, thiserror::Error)]
pub enum AccumulateError {
    /// The state does not decode.
    #[error(transparent)]
    State(#[from] CodecError),
    /// TVM or the node's storage failed.
    #[error("service {0} could not be run")]
    Invoke(ServiceId, #[source] tvm_runtime::Error),
    /// Two services created the same account: the block is invalid.
    #[error("two services of a round created service {0}: the block is invalid")]
    CreatedTwice(ServiceId),
}
