//! The suite `preimages`: the preimages extrinsic alone, without execution.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use tvm_runtime::jam::types::{ServiceId, TimeSlot};

use super::accumulate_case::{PreimageEntry, RequestEntry, add_preimages};
use super::compare::compare_states;
use super::vector_files;
use crate::conformance::{Differences, Failure, Report};
use crate::node::codec::{Codec, CodecError, Reader, json, records};
use crate::node::model::{Preimage, ServiceStatistics};
use crate::node::preimages::{self as extrinsic, PreimageError};
use crate::node::spec::TINY;
use crate::node::state::Dictionary;

records! {
    /// A transition.
    TestCase {
        /// The extrinsic.
        input: Input,
        /// The state before.
        pre_state: State,
        /// Whether the extrinsic is valid.
        output: Output,
        /// The state after.
        post_state: State,
    }

    /// The extrinsic.
    Input {
        /// Its preimages.
        preimages: Vec<Preimage>,
        /// The block's slot.
        slot: TimeSlot,
    }

    /// The parts of the state that matter.
    State {
        /// Service accounts.
        accounts: Vec<Account>,
        /// Statistics of services.
        statistics: Vec<ServiceStatistics>,
    }

    /// A service account with its identifier.
    Account {
        /// The service.
        id: ServiceId,
        /// Its account.
        data: AccountData,
    }

    /// A service account's preimages.
    AccountData {
        /// Preimages it has.
        preimage_blobs: Vec<PreimageEntry>,
        /// Preimages it asked for.
        preimage_requests: Vec<RequestEntry>,
    }
}

/// Whether the extrinsic is valid. The Gray Paper gives errors no numbers; the vectors' names are used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// It is.
    Ok,
    /// It is not, for this reason.
    Err(String),
}

impl Codec for Output {
    fn decode(_: &mut Reader<'_>) -> Result<Self, CodecError> {
        Err(CodecError::new("expected JSON: there are no binary vectors of preimages"))
    }

    fn encode(&self, _: &mut Vec<u8>) {}

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        match json::choice(json)? {
            ("ok", _) => Ok(Self::Ok),
            ("err", Value::String(reason)) => Ok(Self::Err(reason.clone())),
            _ => Err(json::unexpected("ok or err", json)),
        }
    }
}

/// Runs the vectors in `directory`. Nothing is executed, so there are no engines to choose from.
///
/// # Errors
/// When there is no vector, or one cannot be read.
pub fn preimages(directory: &Path) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for file in vector_files(directory, &["json"])? {
        let read = || anyhow::Ok(TestCase::from_json(&serde_json::from_slice(&std::fs::read(&file)?)?)?);
        let case = read().with_context(|| format!("cannot read {}", file.display()))?;
        let differences = check(&case).unwrap_or_else(|error| Differences::error(&error));
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let failure = Failure { case: name, engine: "none", differences };
        report.add(if failure.differences.is_empty() { Vec::new() } else { vec![failure] });
    }
    Ok(report)
}

fn check(case: &TestCase) -> anyhow::Result<Differences> {
    let TestCase { input, pre_state, output, post_state } = case;
    let prior = dictionary(pre_state)?;
    let mut after = prior.clone();
    let mut statistics: BTreeMap<ServiceId, (u64, u64)> = BTreeMap::new();
    let found = match extrinsic::check(&prior, &input.preimages, &TINY) {
        Ok(()) => {
            for Preimage { requester, blob } in &input.preimages {
                extrinsic::provide(&mut after, *requester, blob, input.slot, &TINY)?;
                let (count, size) = statistics.entry(*requester).or_default();
                *count += 1;
                *size += blob.len() as u64;
            }
            Output::Ok
        }
        Err(PreimageError::Order) => Output::Err("preimages_not_sorted_unique".to_owned()),
        Err(PreimageError::Unneeded(_)) => Output::Err("preimage_unneeded".to_owned()),
        Err(PreimageError::State(error)) => return Err(error.into()),
    };

    let mut differences = Differences::default();
    differences.expect("output", output, &found);
    compare_states(&dictionary(post_state)?, &after, &TINY, &mut differences);
    let provided =
        |service: &ServiceStatistics| (service.id, (service.record.provided_count.0, service.record.provided_size.0));
    differences.expect("statistics", post_state.statistics.iter().map(provided).collect(), statistics);
    Ok(differences)
}

fn dictionary(state: &State) -> Result<Dictionary, CodecError> {
    let mut dictionary = Dictionary::default();
    for Account { id, data } in &state.accounts {
        add_preimages(&mut dictionary, *id, &data.preimage_blobs, &data.preimage_requests)?;
    }
    Ok(dictionary)
}
