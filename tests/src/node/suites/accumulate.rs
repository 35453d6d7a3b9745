//! The suite `accumulate`: single transitions, tiny as JSON and full as binary.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tvm_isa::Gas;
use tvm_runtime::jam::types::{AUTHORIZER_QUEUE_LEN, Hash, ServiceId, VALIDATOR_KEY_BYTES};

use super::accumulate_case::{Output, State, TestCase};
use super::compare::compare_states;
use super::{NodeEngine, run_case, vector_files};
use crate::conformance::{Differences, Report};
use crate::node::accumulate::{
    AccumulatedBlock, AccumulationInputs, Invoke, PartialState, Queues, ServiceUse, accumulate as run, accumulate_root,
};
use crate::node::codec::{Codec, CodecError, PerSlotOfEpoch};
use crate::node::model;
use crate::node::spec::{FULL, Spec, TINY};

/// Runs the vectors in `directory` and below: `.json` files are of the tiny chain, `.bin` files of the full one.
///
/// # Errors
/// When there is no vector, or one cannot be read.
pub fn accumulate(directory: &Path, engines: &[NodeEngine]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for file in vector_files(directory, &["json", "bin"])? {
        let transition = read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}/{stem}", transition.spec.name);
        run_case(&mut report, &name, engines, |engine| transition.check(engine));
    }
    Ok(report)
}

/// A vector with the chain it is of.
pub(super) struct Transition {
    case: TestCase,
    spec: &'static Spec,
}

/// Reads a vector.
pub(super) fn read(file: &Path) -> anyhow::Result<Transition> {
    let bytes = std::fs::read(file)?;
    if file.extension().is_some_and(|ending| ending == "json") {
        let case = TestCase::from_json(&serde_json::from_slice(&bytes)?)?;
        return Ok(Transition { case, spec: &TINY });
    }
    Ok(Transition { case: TestCase::from_bytes(&bytes, &FULL)?, spec: &FULL })
}

impl Transition {
    /// Accumulates the vector's reports.
    pub(super) fn run(&self, invoke: &dyn Invoke, threads: usize) -> anyhow::Result<AccumulatedBlock> {
        let Self { case: TestCase { input, pre_state, .. }, spec } = self;
        let state = partial_state(pre_state, spec)?;
        let queues = Queues { ready: pre_state.ready_queue.0.clone(), accumulated: pre_state.accumulated.0.clone() };
        let inputs = AccumulationInputs {
            state: &state,
            queues: &queues,
            available: &input.reports,
            slot: input.slot,
            previous_slot: pre_state.slot,
            entropy: pre_state.entropy,
        };
        Ok(run(inputs, invoke, threads, &(spec.constants)(), spec)?)
    }

    fn check(&self, engine: &NodeEngine) -> anyhow::Result<Differences> {
        let Self { case: TestCase { output, post_state, .. }, spec } = self;
        let found = self.run(&engine.tvm, engine.threads)?;
        let mut differences = Differences::default();
        compare_states(&post_state.dictionary(spec)?, &found.state.state, spec, &mut differences);
        differences.expect("ready queue", &post_state.ready_queue, &PerSlotOfEpoch(found.queues.ready));
        differences.expect("accumulated", &post_state.accumulated, &PerSlotOfEpoch(found.queues.accumulated));
        let privileges = model::Privileges::new(&found.state.privileges, spec);
        differences.expect("privileges", &post_state.privileges, &privileges);
        differences.expect("statistics", counts(post_state), used(&found.used));
        differences.expect("output", output, &Output::Ok(accumulate_root(&found.outputs)));
        Ok(differences)
    }
}

/// The vectors leave authorizer queues and staging validators out: no service they run may touch them.
fn partial_state(state: &State, spec: &Spec) -> Result<PartialState, CodecError> {
    let validators = usize::from(spec.validators) * VALIDATOR_KEY_BYTES as usize;
    let queue = Arc::new([Hash::default(); AUTHORIZER_QUEUE_LEN]);
    Ok(PartialState {
        state: state.dictionary(spec)?,
        staging: vec![0; validators].into(),
        queues: vec![queue; spec.cores.into()],
        privileges: Arc::new(state.privileges.clone().into()),
    })
}

/// Digests accumulated and gas used, by service.
type Counts = BTreeMap<ServiceId, (u64, Gas)>;

fn counts(state: &State) -> Counts {
    let count = |service: &model::ServiceStatistics| {
        let record = &service.record;
        (service.id, (record.accumulate_count.0, Gas(record.accumulate_gas_used.0)))
    };
    state.statistics.iter().map(count).collect()
}

fn used(used: &BTreeMap<ServiceId, ServiceUse>) -> Counts {
    used.iter().map(|(service, used)| (*service, (used.digests, Gas(used.gas)))).collect()
}
