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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::codec::{CoreBits, SuperMajority};
    use crate::node::model::{Assurance, Disputes, Judgement, PendingReport, Preimage, Verdict};
    use crate::node::spec::TINY;
    use crate::node::testing::report;

    fn extrinsic(assurances: &[u8]) -> Extrinsic {
        let assurance = |(validator, cores): (u16, &u8)| Assurance {
            anchor: Hash::default(),
            bitfield: CoreBits(vec![*cores]),
            validator_index: validator,
            signature: [0; 64],
        };
        Extrinsic {
            tickets: Vec::new(),
            preimages: Vec::new(),
            guarantees: Vec::new(),
            assurances: (0..).zip(assurances).map(assurance).collect(),
            disputes: Disputes { verdicts: Vec::new(), culprits: Vec::new(), faults: Vec::new() },
        }
    }

    fn verdict(target: Hash, valid: usize) -> Verdict {
        let vote = |index: usize| Judgement { vote: index < valid, index: index as u16, signature: [0; 64] };
        Verdict { target, age: 0, votes: SuperMajority((0..5).map(vote).collect()) }
    }

    fn available(extrinsic: &Extrinsic) -> Vec<u8> {
        let pending = [report(1, &[], &[]), report(2, &[], &[])]
            .map(|report| Some(PendingReport { report, timeout: TimeSlot(1) }));
        let reports = available_reports(crate::node::codec::PerCore(pending.to_vec()), extrinsic, &TINY);
        reports.iter().map(|report| report.package().0[0]).collect()
    }

    #[test]
    fn more_than_two_thirds_make_a_report_available() {
        assert_eq!(
            available(&extrinsic(&[0b11, 0b11, 0b11, 0b11])),
            [0; 0],
            "four of six are not more than two thirds"
        );
        assert_eq!(available(&extrinsic(&[0b11, 0b11, 0b11, 0b11, 0b10])), [2]);
        assert_eq!(available(&extrinsic(&[0b11, 0b11, 0b11, 0b11, 0b10, 0b01])), [1, 2]);
    }

    #[test]
    fn reports_that_are_not_judged_valid_are_thrown_out() {
        let mut extrinsic = extrinsic(&[0b11; 6]);
        for (valid, expected) in [(5, &[1, 2][..]), (2, &[2]), (0, &[2])] {
            extrinsic.disputes.verdicts = vec![verdict(report(1, &[], &[]).hash(), valid)];
            assert_eq!(available(&extrinsic), expected, "{valid} of five say that report 1 is valid");
        }
    }

    #[test]
    fn preimages_must_be_sorted_and_wanted() {
        let mut state = Dictionary::default();
        let preimage = |requester, byte| Preimage { requester: ServiceId(requester), blob: Arc::from([byte]) };
        for service in [1, 2] {
            for byte in [3_u8, 4] {
                let key = (Hash::of(&[byte]), 1);
                state.set_timeline(ServiceId(service), key, tvm_runtime::jam::types::Timeline::Requested);
            }
        }
        let check = |preimages: &[Preimage]| preimages::check(&state, preimages, &TINY);
        assert!(check(&[preimage(1, 3), preimage(1, 4), preimage(2, 3)]).is_ok());
        let unordered =
            [[preimage(2, 3), preimage(1, 4)], [preimage(1, 4), preimage(1, 3)], [preimage(1, 3), preimage(1, 3)]];
        for preimages in unordered {
            assert!(matches!(check(&preimages), Err(PreimageError::Order)));
        }
        assert!(matches!(check(&[preimage(1, 5)]), Err(PreimageError::Unneeded(ServiceId(1)))));
        assert!(matches!(check(&[preimage(3, 3)]), Err(PreimageError::Unneeded(ServiceId(3)))));
    }
}
