//! The state's components C(1) to C(16), statistics and accounts apart (GP D.1).

use serde_json::Value;
use tvm_isa::Gas;
use tvm_runtime::jam::types::{AUTHORIZER_QUEUE_LEN, Hash, ServiceId, TimeSlot};

use crate::node::codec::{Codec, CodecError, PerCore, PerSlotOfEpoch, PerValidator, Reader, records};
use crate::node::model::{TicketBody, WorkReport};

/// A validator's keys, packed: Bandersnatch, Ed25519, BLS and metadata (GP: K).
pub type ValidatorKeys = [u8; 336];

/// C(1): the authorizers each core accepts now.
pub type AuthPools = PerCore<Vec<Hash>>;

/// C(2): the authorizers each core will accept.
pub type AuthQueues = PerCore<[Hash; AUTHORIZER_QUEUE_LEN]>;

/// C(6): four generations of entropy, newest first.
pub type Entropy = [Hash; 4];

/// C(10): the report each core waits for availability of.
pub type PendingReports = PerCore<Option<PendingReport>>;

impl<const N: usize> Codec for [Hash; N] {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut hashes = [Hash::default(); N];
        for hash in &mut hashes {
            *hash = Hash(from.array()?);
        }
        Ok(hashes)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|hash| hash.encode(to));
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        let hashes: Vec<Hash> = Vec::from_json(json)?;
        let found = hashes.len();
        hashes.try_into().map_err(|_| CodecError::new(format!("expected {N} hashes, found {found}")))
    }
}

records! {
    /// C(3): recent blocks.
    RecentBlocks {
        /// The last blocks, oldest first.
        history: Vec<BlockInfo>,
        /// Peaks of the accumulation output log.
        mmr: Vec<Option<Hash>>,
    }

    /// A recent block.
    BlockInfo {
        /// Hash of its header.
        header_hash: Hash,
        /// Super-peak of the accumulation output log.
        beefy_root: Hash,
        /// State root after it.
        state_root: Hash,
        /// Packages it reported.
        reported: Vec<ReportedPackage>,
    }

    /// A package reported in a recent block.
    ReportedPackage {
        /// Hash of the package.
        hash: Hash,
        /// Root of its exported segments.
        exports_root: Hash,
    }

    /// C(4): Safrole's state.
    Safrole {
        /// Validators of the next epoch.
        pending: PerValidator<ValidatorKeys>,
        /// Commitment to their ring of keys.
        ring_root: [u8; 144],
        /// Who may seal the slots of this epoch.
        seal_keys: SealKeys,
        /// Tickets collected for the next epoch.
        tickets: Vec<TicketBody>,
    }

    /// C(5): judged reports.
    DisputeRecords {
        /// Valid reports.
        good: Vec<Hash>,
        /// Invalid reports.
        bad: Vec<Hash>,
        /// Reports that could not be judged.
        wonky: Vec<Hash>,
        /// Keys of validators that misbehaved.
        offenders: Vec<Hash>,
    }

    /// A report that waits for availability.
    PendingReport {
        /// The report.
        report: WorkReport,
        /// Slot it was reported in.
        timeout: TimeSlot,
    }

    /// C(12): privileged services (GP: χ).
    Privileges {
        /// The manager.
        bless: ServiceId,
        /// The service that fills each core's authorizer queue.
        assign: PerCore<ServiceId>,
        /// The service that sets the validators.
        designate: ServiceId,
        /// The service that gives out the low identifiers.
        register: Registrar,
        /// Services that accumulate in every block.
        always_acc: Vec<AlwaysAccumulate>,
    }

    /// A service that accumulates in every block.
    AlwaysAccumulate {
        /// The service.
        id: ServiceId,
        /// Gas it gets for that.
        gas: Gas,
    }

    /// An entry of C(14): a report with unmet dependencies.
    ReadyRecord {
        /// The report.
        report: WorkReport,
        /// The packages it waits for, ascending.
        dependencies: Vec<Hash>,
    }

    /// An entry of C(16): what a service's last accumulation yielded.
    LastOutput {
        /// The service.
        service: ServiceId,
        /// The yield.
        hash: Hash,
    }
}

/// The registrar, where the version has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registrar(pub Option<ServiceId>);

impl Codec for Registrar {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        from.spec().format.registrar.then(|| ServiceId::decode(from)).transpose().map(Self)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        self.0.iter().for_each(|id| id.encode(to));
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        ServiceId::from_json(json).map(|id| Self(Some(id)))
    }
}

/// Who may seal the slots of an epoch (GP: γ_s).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SealKeys {
    /// Holders of tickets.
    Tickets(PerSlotOfEpoch<TicketBody>),
    /// Holders of keys.
    Keys(PerSlotOfEpoch<Hash>),
}

impl Codec for SealKeys {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match bool::decode(from)? {
            false => PerSlotOfEpoch::decode(from).map(Self::Tickets),
            true => PerSlotOfEpoch::decode(from).map(Self::Keys),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Tickets(tickets) => {
                to.push(0);
                tickets.encode(to);
            }
            Self::Keys(keys) => {
                to.push(1);
                keys.encode(to);
            }
        }
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        use crate::node::codec::json::{choice, unexpected};
        match choice(json)? {
            ("tickets", tickets) => PerSlotOfEpoch::from_json(tickets).map(Self::Tickets),
            ("keys", keys) => PerSlotOfEpoch::from_json(keys).map(Self::Keys),
            _ => Err(unexpected("tickets or keys", json)),
        }
    }
}
