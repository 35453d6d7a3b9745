//! Blocks: header and extrinsics (GP 5, C.2).

use tvm_runtime::jam::types::{Bytes, Hash, ServiceId, TimeSlot};

use crate::node::codec::{CoreBits, PerSlotOfEpoch, PerValidator, SuperMajority, records};
use crate::node::model::WorkReport;

records! {
    /// A block (GP: B).
    Block {
        /// The header.
        header: Header,
        /// The extrinsics.
        extrinsic: Extrinsic,
    }

    /// A header (GP: H).
    Header {
        /// Hash of the parent's header.
        parent: Hash,
        /// State root before this block.
        parent_state_root: Hash,
        /// Hash of the extrinsics.
        extrinsic_hash: Hash,
        /// Time slot (GP: H_t).
        slot: TimeSlot,
        /// Keys of the next epoch.
        epoch_mark: Option<EpochMark>,
        /// Tickets of the next epoch.
        tickets_mark: Option<PerSlotOfEpoch<TicketBody>>,
        /// Index of the author among the validators.
        author_index: u16,
        /// VRF signature that feeds the entropy.
        entropy_source: [u8; 96],
        /// Keys of validators that misbehaved.
        offenders_mark: Vec<Hash>,
        /// The seal.
        seal: [u8; 96],
    }

    /// Announcement of an epoch.
    EpochMark {
        /// Entropy of the epoch.
        entropy: Hash,
        /// Entropy its tickets were made with.
        tickets_entropy: Hash,
        /// Its validators.
        validators: PerValidator<EpochMarkKeys>,
    }

    /// A validator's keys in an epoch mark.
    EpochMarkKeys {
        /// Bandersnatch key.
        bandersnatch: Hash,
        /// Ed25519 key.
        ed25519: Hash,
    }

    /// A ticket.
    TicketBody {
        /// Identifier.
        id: Hash,
        /// Which of the validator's tickets.
        attempt: u8,
    }

    /// The extrinsics of a block (GP: E).
    Extrinsic {
        /// Tickets.
        tickets: Vec<TicketEnvelope>,
        /// Preimages that services asked for.
        preimages: Vec<Preimage>,
        /// New work reports.
        guarantees: Vec<Guarantee>,
        /// Validators' word that they hold their pieces of the reports.
        assurances: Vec<Assurance>,
        /// Judgements on reports.
        disputes: Disputes,
    }

    /// A ticket as submitted.
    TicketEnvelope {
        /// Which of the validator's tickets.
        attempt: u8,
        /// Ring VRF signature.
        signature: [u8; 784],
    }

    /// A preimage for a service.
    Preimage {
        /// The service.
        requester: ServiceId,
        /// The preimage.
        blob: Bytes,
    }

    /// A guaranteed work report.
    Guarantee {
        /// The report.
        report: WorkReport,
        /// Slot it was guaranteed in.
        slot: TimeSlot,
        /// The guarantors.
        signatures: Vec<GuaranteeSignature>,
    }

    /// A guarantor's signature.
    GuaranteeSignature {
        /// Index of the validator.
        validator_index: u16,
        /// Ed25519 signature.
        signature: [u8; 64],
    }

    /// One validator's assurance.
    Assurance {
        /// Hash of the parent's header.
        anchor: Hash,
        /// The cores whose reports it holds pieces of.
        bitfield: CoreBits,
        /// Index of the validator.
        validator_index: u16,
        /// Ed25519 signature.
        signature: [u8; 64],
    }

    /// The disputes extrinsic.
    Disputes {
        /// Judgements on reports.
        verdicts: Vec<Verdict>,
        /// Guarantors of invalid reports.
        culprits: Vec<Culprit>,
        /// Judges that were wrong.
        faults: Vec<Fault>,
    }

    /// Judgements of a super-majority on one report.
    Verdict {
        /// Hash of the report.
        target: Hash,
        /// Epoch of the judges' keys.
        age: u32,
        /// The judgements.
        votes: SuperMajority<Judgement>,
    }

    /// One judgement.
    Judgement {
        /// Whether the report is valid.
        vote: bool,
        /// Index of the validator.
        index: u16,
        /// Ed25519 signature.
        signature: [u8; 64],
    }

    /// A guarantor of an invalid report.
    Culprit {
        /// Hash of the report.
        target: Hash,
        /// Ed25519 key.
        key: Hash,
        /// Ed25519 signature.
        signature: [u8; 64],
    }

    /// A judge that was wrong.
    Fault {
        /// Hash of the report.
        target: Hash,
        /// The judgement.
        vote: bool,
        /// Ed25519 key.
        key: Hash,
        /// Ed25519 signature.
        signature: [u8; 64],
    }
}
