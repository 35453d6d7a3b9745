//! What a block does to the state, as far as execution goes (GP 4.1, 10.2, 11.2, 12).
//!
//! Validation of blocks, Safrole, recent history and rewards of validators are left out: the traces' states tell what
//! they come to, and nothing that TVM does depends on them but the entropy.

use std::collections::{BTreeMap, BTreeSet};

use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::types::{Hash, ServiceId, TimeSlot};

use crate::node::accumulate::{
    AccumulateError, AccumulationInputs, Invoke, PartialState, Queues, ServiceUse, accumulate,
};
use crate::node::codec::{CodecError, PerSlotOfEpoch};
use crate::node::model::{Block, Extrinsic, PendingReports, ReadyRecord, WorkReport};
use crate::node::preimages::{self, PreimageError};
use crate::node::spec::Spec;
use crate::node::state::{Component, Dictionary};

/// What blocks are imported with.
#[derive(Clone, Copy)]
pub struct Importer<'a> {
    /// Runs services.
    pub invoke: &'a dyn Invoke,
    /// Threads for services that run in the same round.
    pub threads: usize,
    /// The chain's constants.
    pub constants: &'a ChainConstants,
    /// The chain's formats.
    pub spec: &'a Spec,
}

/// The state after a block.
#[derive(Debug)]
pub struct Imported {
    /// The state, in which only what execution changes is new.
    pub state: Dictionary,
    /// What the services did.
    pub used: BTreeMap<ServiceId, ServiceUse>,
}

/// Why a block could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// State or block do not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Accumulation failed.
    #[error(transparent)]
    Accumulate(#[from] AccumulateError),
    /// The preimages make the block invalid.
    #[error(transparent)]
    Preimages(#[from] PreimageError),
}

impl Importer<'_> {
    /// The state after `block`, whose entropy (GP: η'_0) is `entropy`.
    ///
    /// # Errors
    /// When something does not decode, a service cannot be run, or the block is invalid.
    pub fn import(&self, prior: &Dictionary, block: &Block, entropy: Hash) -> Result<Imported, ImportError> {
        let Self { invoke, threads, constants, spec } = *self;
        let slot = block.header.slot;
        preimages::check(prior, &block.extrinsic.preimages, spec)?;

        let pending: PendingReports = prior.component(Component::PendingReports, spec)?;
        let previous_slot: TimeSlot = prior.component(Component::Slot, spec)?;
        let available = available_reports(pending, &block.extrinsic, spec);
        let queues = load_queues(prior, spec)?;
        let state = PartialState::load(prior, spec)?;
        let inputs =
            AccumulationInputs { state: &state, queues: &queues, available: &available, slot, previous_slot, entropy };
        let accumulated = accumulate(inputs, invoke, threads, constants, spec)?;

        let mut state = accumulated.state.store(spec);
        store_queues(&mut state, accumulated.queues);
        state.set_component(Component::LastOutputs, &accumulated.outputs);
        for preimage in &block.extrinsic.preimages {
            preimages::provide(&mut state, preimage.requester, &preimage.blob, slot, spec)?;
        }
        Ok(Imported { state, used: accumulated.used })
    }
}

/// The reports that became available, in the order of their cores (GP 11.2, R): those that a super-majority assures,
/// unless the block's disputes throw them out (GP 10.2).
fn available_reports(pending: PendingReports, extrinsic: &Extrinsic, spec: &Spec) -> Vec<WorkReport> {
    let needed = usize::from(spec.super_majority());
    let is_rejected = |verdict: &&crate::node::model::Verdict| {
        verdict.votes.0.iter().filter(|judgement| judgement.vote).count() < needed
    };
    let rejected: BTreeSet<Hash> =
        extrinsic.disputes.verdicts.iter().filter(is_rejected).map(|verdict| verdict.target).collect();
    let is_available =
        |core: usize| extrinsic.assurances.iter().filter(|assurance| assurance.bitfield.get(core)).count() >= needed;
    let reports = pending.0.into_iter().enumerate().filter_map(|(core, pending)| Some((core, pending?.report)));
    reports
        .filter(|(core, report)| is_available(*core) && !rejected.contains(&report.hash()))
        .map(|(_, report)| report)
        .collect()
}

fn load_queues(state: &Dictionary, spec: &Spec) -> Result<Queues, CodecError> {
    let ready: PerSlotOfEpoch<Vec<ReadyRecord>> = state.component(Component::ReadyQueue, spec)?;
    let accumulated: PerSlotOfEpoch<Vec<Hash>> = state.component(Component::Accumulated, spec)?;
    Ok(Queues { ready: ready.0, accumulated: accumulated.0 })
}

fn store_queues(state: &mut Dictionary, queues: Queues) {
    state.set_component(Component::ReadyQueue, &PerSlotOfEpoch(queues.ready));
    state.set_component(Component::Accumulated, &PerSlotOfEpoch(queues.accumulated));
}
