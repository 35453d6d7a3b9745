//! The seam between the node and TVM: the run of a single service.

use tvm_isa::Gas;
use tvm_runtime::jam::state::AccountChanges;
use tvm_runtime::jam::types::{
    AccumulationInput, AuthorizerQueue, Bytes, DeferredTransfer, Hash, Privileges, ServiceId, TimeSlot,
};

use crate::node::accumulate::PartialState;

/// An error of TVM or of the node; never an outcome of a service.
pub type InvokeError = Box<dyn std::error::Error + Send + Sync>;

/// What a service is run with.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// The state that all services of the round start from (GP: e).
    pub state: &'a PartialState,
    /// The block's slot (GP: t).
    pub slot: TimeSlot,
    /// The block's entropy (GP: η'_0).
    pub entropy: Hash,
    /// The service (GP: s).
    pub service: ServiceId,
    /// Gas limit (GP: g).
    pub gas: Gas,
    /// Transfers to the service, then digests for it (GP: i).
    pub inputs: Vec<AccumulationInput>,
}

/// What a service's run came to (GP: the value of Ψ_A).
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its own account, and those it created and ejected.
    pub accounts: AccountChanges,
    /// The validators it wants.
    pub staging: Bytes,
    /// The authorizer queues it wants.
    pub queues: Vec<AuthorizerQueue>,
    /// The privileges it wants.
    pub privileges: Privileges,
    /// The transfers it made (GP: t).
    pub transfers: Vec<DeferredTransfer>,
    /// What it yielded (GP: b).
    pub yielded: Option<Hash>,
    /// The preimages it provided (GP: p).
    pub provisions: Vec<(ServiceId, Bytes)>,
    /// The gas it used (GP: u).
    pub gas_used: Gas,
}

/// Runs single services. Implementations are used from several threads at once.
pub trait Invoke: Sync {
    /// Runs the accumulate entry of a service (GP B.4, Ψ_A).
    ///
    /// # Errors
    /// When TVM or the node's storage failed; a service cannot cause that.
    fn accumulate(&self, invocation: Invocation<'_>) -> Result<Outcome, InvokeError>;

    /// Runs the on-transfer entry of a service (GP 0.7.0 B.5, Ψ_T); gives the changed accounts and the gas used.
    ///
    /// # Errors
    /// As for [`Self::accumulate`].
    fn on_transfer(
        &self,
        invocation: Invocation<'_>,
        transfers: &[DeferredTransfer],
    ) -> Result<(AccountChanges, Gas), InvokeError>;
}
