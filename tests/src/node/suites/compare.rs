//! Comparison of states, naming each key that differs.

use std::collections::BTreeSet;
use std::fmt;

use tvm_runtime::jam::types::Bytes;

use crate::conformance::Differences;
use crate::node::codec::Codec;
use crate::node::model::ServiceRecord;
use crate::node::spec::Spec;
use crate::node::state::{Component, Dictionary, StateKey};

/// Components that are all execution's. Of the statistics only a part is, see the `traces` suite.
const OF_EXECUTION: [Component; 6] = [
    Component::AuthQueues,
    Component::StagingValidators,
    Component::Privileges,
    Component::ReadyQueue,
    Component::Accumulated,
    Component::LastOutputs,
];

/// Whether execution decides the value under `key`: these components, account records, and services' data.
#[must_use]
pub fn is_of_execution(key: &StateKey) -> bool {
    key.as_component().is_none_or(|component| OF_EXECUTION.contains(&component))
}

/// Notes every key that execution decides and whose values differ.
pub fn compare_states(expected: &Dictionary, found: &Dictionary, spec: &Spec, differences: &mut Differences) {
    let keys: BTreeSet<&StateKey> = expected.iter().chain(found.iter()).map(|(key, _)| key).collect();
    for key in keys.into_iter().filter(|key| is_of_execution(key)) {
        let (expected, found) = (expected.get(key), found.get(key));
        if expected != found {
            let show = |value| Shown { key, value, spec };
            differences.note(format_args!("{key:?}: expected {}, found {}", show(expected), show(found)));
        }
    }
}

/// A value for people: accounts by their fields, other values in hexadecimal as far as they are short.
struct Shown<'a> {
    key: &'a StateKey,
    value: Option<&'a Bytes>,
    spec: &'a Spec,
}

/// Bytes of a value that are shown.
const SHOWN_BYTES: usize = 64;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.value else {
            return f.write_str("nothing");
        };
        let record = self.key.as_account().and_then(|_| ServiceRecord::from_bytes(value, self.spec).ok());
        match record {
            Some(record) => write!(f, "{record:?}"),
            None if value.len() <= SHOWN_BYTES => write!(f, "0x{}", hex::encode(value)),
            None => write!(f, "0x{}… ({} bytes)", hex::encode(&value[..SHOWN_BYTES]), value.len()),
        }
    }
}
