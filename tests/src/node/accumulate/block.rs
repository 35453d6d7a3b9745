//! Accumulation of a whole block (GP 12).

use std::collections::BTreeMap;

use tvm_isa::Gas;
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::types::{Hash, ServiceAccount, ServiceId, TimeSlot};

use crate::node::accumulate::run::{Finished, Runner};
use crate::node::accumulate::summary::last_outputs;
use crate::node::accumulate::{AccumulateError, Invoke, OuterRules, PartialState, Queues, ServiceUse};
use crate::node::model::{LastOutput, ServiceRecord, WorkReport};
use crate::node::spec::Spec;
use crate::node::state::{Dictionary, StateKey};

/// What accumulation of a block starts from.
#[derive(Clone, Copy)]
pub struct AccumulationInputs<'a> {
    /// The state before.
    pub state: &'a PartialState,
    /// The queues before.
    pub queues: &'a Queues,
    /// Reports that became available in this block.
    pub available: &'a [WorkReport],
    /// The block's slot.
    pub slot: TimeSlot,
    /// The slot of the block before.
    pub previous_slot: TimeSlot,
    /// The block's entropy (GP: η'_0).
    pub entropy: Hash,
}

/// The result of accumulating a block.
#[derive(Debug)]
pub struct AccumulatedBlock {
    /// The state after.
    pub state: PartialState,
    /// The queues after.
    pub queues: Queues,
    /// What services yielded.
    pub outputs: Vec<LastOutput>,
    /// What the services that count as accumulated did.
    pub used: BTreeMap<ServiceId, ServiceUse>,
}

/// Accumulates a block.
///
/// # Errors
/// When a service cannot be run, or the block is invalid.
pub fn accumulate(
    inputs: AccumulationInputs<'_>,
    invoke: &dyn Invoke,
    threads: usize,
    constants: &ChainConstants,
    spec: &Spec,
) -> Result<AccumulatedBlock, AccumulateError> {
    let AccumulationInputs { state, queues, available, slot, previous_slot, entropy } = inputs;
    let rules = OuterRules::of(spec.format.version);
    let ordered = queues.order(available, slot);
    let runner = Runner { invoke, threads, rules, spec, constants, slot, entropy };
    let gas = gas_limit(state, constants);
    let finished = runner.run(gas, &ordered.accumulatable, state.clone())?;

    let Finished { reports, mut state, yields, mut used } = finished;
    let done = ordered.accumulatable[..reports].to_vec();
    let queues = queues.advance(ordered, &done, slot, previous_slot);
    for (service, used) in &used {
        if used.is_counted(rules.counted) {
            note_accumulation(&mut state.state, *service, slot, spec)?;
        }
    }
    used.retain(|_, used| used.is_counted(rules.counted) || used.on_transfer.is_some());
    Ok(AccumulatedBlock { state, queues, outputs: last_outputs(yields), used })
}

/// The gas all services of a block may use together (GP 12.2, g).
fn gas_limit(state: &PartialState, constants: &ChainConstants) -> Gas {
    let free = state.privileges.always_accumulate.values().map(|gas| gas.0);
    let cores = constants.core_gas.0.saturating_mul(constants.cores.into());
    Gas(free.fold(cores, u64::saturating_add).max(constants.block_gas.0))
}

/// Notes the slot of the last accumulation in the service's account, if there still is one.
fn note_accumulation(
    state: &mut Dictionary,
    service: ServiceId,
    slot: TimeSlot,
    spec: &Spec,
) -> Result<(), AccumulateError> {
    let record: Option<ServiceRecord> = state.read(&StateKey::account(service), spec)?;
    if let Some(record) = record {
        let account = ServiceAccount { last_accumulated: slot, ..record.into() };
        state.set_account(service, &account, spec);
    }
    Ok(())
}
