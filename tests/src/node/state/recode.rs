//! Which type each chapter of the state has.

use tvm_runtime::jam::types::{Hash, TimeSlot};

use crate::node::codec::{Codec, CodecError, PerSlotOfEpoch, PerValidator};
use crate::node::model::{
    AuthPools, AuthQueues, DisputeRecords, Entropy, LastOutput, PendingReports, Privileges, ReadyRecord, RecentBlocks,
    Safrole, ServiceRecord, Statistics, ValidatorKeys,
};
use crate::node::spec::Spec;
use crate::node::state::{Component, StateKey};

/// Decodes the value under `key` and encodes it again: the same bytes, if the node understands the whole value. Data of
/// services is returned as it is; what it means cannot be told from its hashed key.
///
/// # Errors
/// When the value does not decode.
pub fn recode(key: &StateKey, value: &[u8], spec: &Spec) -> Result<Vec<u8>, CodecError> {
    let recode: fn(&[u8], &Spec) -> Result<Vec<u8>, CodecError> = match key.as_component() {
        Some(Component::AuthPools) => recode_as::<AuthPools>,
        Some(Component::AuthQueues) => recode_as::<AuthQueues>,
        Some(Component::RecentBlocks) => recode_as::<RecentBlocks>,
        Some(Component::Safrole) => recode_as::<Safrole>,
        Some(Component::Disputes) => recode_as::<DisputeRecords>,
        Some(Component::Entropy) => recode_as::<Entropy>,
        Some(Component::StagingValidators | Component::CurrentValidators | Component::PreviousValidators) => {
            recode_as::<PerValidator<ValidatorKeys>>
        }
        Some(Component::PendingReports) => recode_as::<PendingReports>,
        Some(Component::Slot) => recode_as::<TimeSlot>,
        Some(Component::Privileges) => recode_as::<Privileges>,
        Some(Component::Statistics) => recode_as::<Statistics>,
        Some(Component::ReadyQueue) => recode_as::<PerSlotOfEpoch<Vec<ReadyRecord>>>,
        Some(Component::Accumulated) => recode_as::<PerSlotOfEpoch<Vec<Hash>>>,
        Some(Component::LastOutputs) => recode_as::<Vec<LastOutput>>,
        None if key.as_account().is_some() => recode_as::<ServiceRecord>,
        None => |value, _| Ok(value.to_vec()),
    };
    recode(value, spec).map_err(|error| error.within(&format!("{key:?}")))
}

fn recode_as<T: Codec>(value: &[u8], spec: &Spec) -> Result<Vec<u8>, CodecError> {
    Ok(T::from_bytes(value, spec)?.to_bytes())
}
