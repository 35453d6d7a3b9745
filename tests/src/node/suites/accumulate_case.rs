//! The format of the `accumulate` and `preimages` vectors (`accumulate.asn`, `preimages.asn`).

use serde_json::Value;
use tvm_runtime::jam::types::{Bytes, Hash, ServiceId, TimeSlot, Timeline};

use crate::node::codec::{Codec, CodecError, PerSlotOfEpoch, Reader, json, records};
use crate::node::model::{Privileges, ReadyRecord, ServiceRecord, ServiceStatistics, WorkReport};
use crate::node::spec::Spec;
use crate::node::state::{Dictionary, StateKey};

records! {
    /// A state transition of accumulation.
    TestCase {
        /// What accumulates.
        input: Input,
        /// The state before.
        pre_state: State,
        /// Root of what was yielded.
        output: Output,
        /// The state after.
        post_state: State,
    }

    /// What accumulates.
    Input {
        /// The block's slot.
        slot: TimeSlot,
        /// Reports that became available.
        reports: Vec<WorkReport>,
    }

    /// The parts of the state that matter.
    State {
        /// Slot of the last block.
        slot: TimeSlot,
        /// Entropy after this block.
        entropy: Hash,
        /// Reports that wait.
        ready_queue: PerSlotOfEpoch<Vec<ReadyRecord>>,
        /// Packages accumulated lately.
        accumulated: PerSlotOfEpoch<Vec<Hash>>,
        /// Privileged services.
        privileges: Privileges,
        /// Statistics of services.
        statistics: Vec<ServiceStatistics>,
        /// Service accounts.
        accounts: Vec<Account>,
    }

    /// A service account with its identifier.
    Account {
        /// The service.
        id: ServiceId,
        /// Its account.
        data: AccountData,
    }

    /// A service account.
    AccountData {
        /// Its record.
        service: ServiceRecord,
        /// What it stores, under keys of its own.
        storage: Vec<StorageEntry>,
        /// Preimages it has.
        preimage_blobs: Vec<PreimageEntry>,
        /// Preimages it asked for.
        preimage_requests: Vec<RequestEntry>,
    }

    /// A storage entry.
    StorageEntry {
        /// Key, as the service gave it.
        key: Bytes,
        /// Value.
        value: Bytes,
    }

    /// A preimage.
    PreimageEntry {
        /// Its hash.
        hash: Hash,
        /// The preimage.
        blob: Bytes,
    }

    /// A request.
    RequestEntry {
        /// What is requested.
        key: RequestName,
        /// The timeline.
        value: Vec<TimeSlot>,
    }

    /// What is requested.
    RequestName {
        /// Hash of the preimage.
        hash: Hash,
        /// Its length in bytes.
        length: u32,
    }
}

/// The output of a transition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Root of what was yielded.
    Ok(Hash),
    /// The block is invalid.
    Err,
}

impl Codec for Output {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match bool::decode(from)? {
            false => Hash::decode(from).map(Self::Ok),
            true => Ok(Self::Err),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Ok(root) => {
                to.push(0);
                root.encode(to);
            }
            Self::Err => to.push(1),
        }
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        match json::choice(json)? {
            ("ok", root) => Hash::from_json(root).map(Self::Ok),
            ("err", _) => Ok(Self::Err),
            _ => Err(json::unexpected("ok or err", json)),
        }
    }
}

impl State {
    /// The accounts as a node stores them.
    ///
    /// # Errors
    /// When a timeline has more than three slots.
    pub fn dictionary(&self, spec: &Spec) -> Result<Dictionary, CodecError> {
        let mut state = Dictionary::default();
        for Account { id, data } in &self.accounts {
            let AccountData { service, storage, preimage_blobs, preimage_requests } = data;
            state.set_account(*id, &service.clone().into(), spec);
            for StorageEntry { key, value } in storage {
                state.set(StateKey::storage(*id, key), value.clone());
            }
            add_preimages(&mut state, *id, preimage_blobs, preimage_requests)?;
        }
        Ok(state)
    }
}

/// Adds the preimages and requests of a service.
///
/// # Errors
/// When a timeline has more than three slots.
pub fn add_preimages(
    state: &mut Dictionary,
    service: ServiceId,
    preimages: &[PreimageEntry],
    requests: &[RequestEntry],
) -> Result<(), CodecError> {
    for PreimageEntry { hash, blob } in preimages {
        state.set(StateKey::preimage(service, hash), blob.clone());
    }
    for RequestEntry { key: RequestName { hash, length }, value } in requests {
        let too_long = || CodecError::new(format!("expected a timeline of at most 3 slots, found {}", value.len()));
        state.set_timeline(service, (*hash, *length), Timeline::from_slots(value).ok_or_else(too_long)?);
    }
    Ok(())
}
