//! The seam between the node and TVM: the run of a single service.

use tvm_isa::Gas;
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::observer::Observer;
use tvm_runtime::jam::types::{AccumulationInput, DeferredTransfer, Hash, ServiceId, TimeSlot};
use tvm_runtime::jam::{self, Accumulated, Transferred};
use tvm_runtime::{Engine, Error};

use crate::node::accumulate::PartialState;
use crate::node::spec::Spec;

/// What a service is run with.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// The chain's formats.
    pub spec: &'a Spec,
    /// The chain's constants.
    pub constants: &'a ChainConstants,
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

/// Runs single services. Implementations are used from several threads at once.
pub trait Invoke: Sync {
    /// Runs the accumulate entry of a service (GP B.4, Ψ_A).
    ///
    /// # Errors
    /// When TVM or the node's storage failed; a service cannot cause that.
    fn accumulate(&self, invocation: &Invocation<'_>) -> Result<Accumulated, Error>;

    /// Runs the on-transfer entry of a service (GP 0.7.0 B.5, Ψ_T).
    ///
    /// # Errors
    /// As for [`Self::accumulate`].
    fn on_transfer(&self, invocation: &Invocation<'_>, transfers: &[DeferredTransfer]) -> Result<Transferred, Error>;
}

/// Runs services with TVM: their code comes from the engine's cache, or is compiled for it.
#[derive(Clone, Debug)]
pub struct Tvm {
    /// The engine, which keeps loaded modules.
    pub engine: Engine,
}

impl Tvm {
    /// Runs the accumulate entry, watched.
    ///
    /// # Errors
    /// When TVM or the node's storage failed.
    pub fn accumulate_observed(
        &self,
        invocation: &Invocation<'_>,
        observer: Option<&mut dyn Observer>,
    ) -> Result<Accumulated, Error> {
        let Invocation { spec, constants, state, slot, entropy, service, gas, inputs } = invocation;
        let accounts = state.accounts(spec);
        let input = jam::AccumulateInput {
            chain: jam::Chain { version: spec.format.version, constants, accounts: &accounts },
            privileges: &state.privileges,
            slot: *slot,
            entropy: *entropy,
            service: *service,
            gas: *gas,
            inputs,
        };
        jam::accumulate(&self.engine, &input, observer)
    }
}

impl Invoke for Tvm {
    fn accumulate(&self, invocation: &Invocation<'_>) -> Result<Accumulated, Error> {
        self.accumulate_observed(invocation, None)
    }

    fn on_transfer(&self, invocation: &Invocation<'_>, transfers: &[DeferredTransfer]) -> Result<Transferred, Error> {
        let Invocation { spec, constants, state, slot, entropy, service, gas: _, inputs: _ } = invocation;
        let accounts = state.accounts(spec);
        let input = jam::OnTransferInput {
            chain: jam::Chain { version: spec.format.version, constants, accounts: &accounts },
            slot: *slot,
            entropy: *entropy,
            service: *service,
            transfers,
        };
        jam::on_transfer(&self.engine, &input, None)
    }
}
