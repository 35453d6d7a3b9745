//! The suite `traces`: whole blocks, each checked against the published state after it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;
use tvm_runtime::jam::types::ServiceId;

use super::compare::compare_states;
use super::{NodeEngine, run_case};
use crate::conformance::{Differences, Report};
use crate::node::accumulate::{Invoke, ServiceUse};
use crate::node::codec::Codec;
use crate::node::import::{Imported, Importer};
use crate::node::model::{Block, Entropy, Statistics};
use crate::node::spec::Spec;
use crate::node::state::{Component, Dictionary};
use crate::node::traces::{Step, for_each_trace, spec_of};

/// Runs all traces in `path`: see [`for_each_trace`] for the forms they come in.
///
/// Blocks that are to be rejected leave the state as it was. This node does not validate blocks, so those are left out.
///
/// # Errors
/// When there is no block, or one cannot be read.
pub fn traces(path: &Path, engines: &[NodeEngine]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut rejected = 0;
    for_each_trace(path, &mut |trace| {
        let set = trace.set.clone();
        for step in trace {
            let step = step?;
            if step.post == step.pre {
                rejected += 1;
                continue;
            }
            run_case(&mut report, &format!("{set}/{}", step.name), engines, |engine| check(&step, engine));
        }
        Ok(())
    })?;
    ensure!(report.passed + report.failed > 0, "no block in {}", path.display());
    if rejected > 0 {
        eprintln!("{rejected} blocks that are to be rejected were left out: this node does not validate blocks");
    }
    Ok(report)
}

/// The state after the step's block.
pub(super) fn import(step: &Step, invoke: &dyn Invoke, threads: usize) -> anyhow::Result<Imported> {
    let spec = spec_of(&step.pre)?;
    let block = Block::from_bytes(&step.block, spec)?;
    // The entropy of the block follows from its header's signature, which takes a VRF to tell.
    let entropy: Entropy = step.post.component(Component::Entropy, spec)?;
    let importer = Importer { invoke, threads, constants: &(spec.constants)(), spec };
    Ok(importer.import(&step.pre, &block, entropy[0])?)
}

fn check(step: &Step, engine: &NodeEngine) -> anyhow::Result<Differences> {
    let spec = spec_of(&step.pre)?;
    let found = import(step, &engine.tvm, engine.threads)?;
    let mut differences = Differences::default();
    compare_states(&step.post, &found.state, spec, &mut differences);
    differences.expect("service statistics", expected_use(&step.post, spec)?, counted(&found.used));
    Ok(differences)
}

/// Digests accumulated, gas used, and what on-transfer did, of services that did any of it.
type Uses = BTreeMap<ServiceId, (u64, u64, (u64, u64))>;

fn expected_use(state: &Dictionary, spec: &Spec) -> anyhow::Result<Uses> {
    let statistics: Statistics = state.component(Component::Statistics, spec)?;
    let uses = statistics.services.into_iter().map(|service| {
        let record = service.record;
        let on_transfer = record.on_transfers.0.unwrap_or_default();
        (service.id, (record.accumulate_count.0, record.accumulate_gas_used.0, on_transfer))
    });
    Ok(uses.filter(|(_, used)| *used != Default::default()).collect())
}

fn counted(used: &BTreeMap<ServiceId, ServiceUse>) -> Uses {
    let uses = used.iter().map(|(service, used)| {
        let ServiceUse { digests, transfers: _, gas, on_transfer } = *used;
        (*service, (digests, gas, on_transfer.unwrap_or_default()))
    });
    uses.filter(|(_, used)| *used != Default::default()).collect()
}
