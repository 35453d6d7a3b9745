//! Service account records, C(255, s) (GP 9, D.1).

use serde_json::Value;
use tvm_isa::Gas;
use tvm_runtime::jam::types::{Hash, ServiceAccount, ServiceId, TimeSlot};

use crate::node::codec::{Codec, CodecError, Reader, records};
use crate::node::spec::Format;

records! {
    /// A service account without its storage and preimages.
    ServiceRecord {
        /// Version of the record.
        version: VersionByte,
        /// Hash of the code's preimage (GP: c).
        code_hash: Hash,
        /// Balance (GP: b).
        balance: u64,
        /// Least gas for a work item (GP: g).
        min_item_gas: Gas,
        /// Least gas for a transfer (GP: m).
        min_memo_gas: Gas,
        /// Octets in storage (GP: o).
        bytes: u64,
        /// Storage that needs no balance (GP: f).
        deposit_offset: u64,
        /// Items in storage (GP: i).
        items: u32,
        /// Slot of creation (GP: r).
        creation_slot: TimeSlot,
        /// Slot of the last accumulation (GP: a).
        last_accumulation_slot: TimeSlot,
        /// The service that created it (GP: p).
        parent_service: ServiceId,
    }
}

/// The record's version, where there is one: always 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionByte(pub Option<u8>);

impl Codec for VersionByte {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match from.spec().format.account_version {
            true => u8::decode(from).map(|version| Self(Some(version))),
            false => Ok(Self(None)),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        to.extend(self.0);
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        u8::from_json(json).map(|version| Self(Some(version)))
    }
}

impl From<ServiceRecord> for ServiceAccount {
    fn from(record: ServiceRecord) -> Self {
        let ServiceRecord {
            version: _,
            code_hash,
            balance,
            min_item_gas,
            min_memo_gas,
            bytes,
            deposit_offset,
            items,
            creation_slot,
            last_accumulation_slot,
            parent_service,
        } = record;
        Self {
            code_hash,
            balance,
            min_item_gas,
            min_memo_gas,
            octets: bytes,
            items,
            gratis: deposit_offset,
            created: creation_slot,
            last_accumulated: last_accumulation_slot,
            parent: parent_service,
        }
    }
}

impl ServiceRecord {
    /// The record of `account` in the state's format.
    #[must_use]
    pub fn new(account: &ServiceAccount, format: &Format) -> Self {
        let ServiceAccount {
            code_hash,
            balance,
            min_item_gas,
            min_memo_gas,
            octets,
            items,
            gratis,
            created,
            last_accumulated,
            parent,
        } = *account;
        Self {
            version: VersionByte(format.account_version.then_some(0)),
            code_hash,
            balance,
            min_item_gas,
            min_memo_gas,
            bytes: octets,
            deposit_offset: gratis,
            items,
            creation_slot: created,
            last_accumulation_slot: last_accumulated,
            parent_service: parent,
        }
    }
}
