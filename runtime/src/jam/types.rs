//! JAM's data as host functions and nodes share it: plain structs without behaviour beyond what their own fields say.
//!
//! Their byte encodings are in [`super::codec`], the traits through which state is reached in [`super::state`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tvm_isa::Gas;

use super::constants::ChainConstants;

/// Bytes that are shared instead of copied: storage values, preimages, segments.
pub type Bytes = Arc<[u8]>;

/// Amount of tokens (GP: N_B).
pub type Balance = u64;

/// A 32-byte hash (GP: H). BLAKE2b-256 wherever the Gray Paper says nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Bytes in a hash.
    pub const LEN: u64 = 32;

    /// BLAKE2b-256 of `bytes` (GP: H).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use blake2::digest::Digest;
        Self(blake2::Blake2b::<blake2::digest::consts::U32>::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{self}")
    }
}

/// Index of a service (GP: N_S).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct ServiceId(pub u32);

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a timeslot (GP: N_T).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct TimeSlot(pub u32);

/// A service account without its dictionaries (GP 9, eq:serviceaccount).
///
/// `items` and `octets` are carried instead of being worked out, because a node that keeps storage under hashed keys
/// cannot list what a service stores.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ServiceAccount {
    /// Hash of the code preimage, metadata included (GP: c).
    pub code_hash: Hash,
    /// Tokens of the service (GP: b).
    pub balance: Balance,
    /// Least gas for accumulating one work item (GP: g).
    pub min_item_gas: Gas,
    /// Least gas that comes with an incoming transfer (GP: m).
    pub min_memo_gas: Gas,
    /// Octets of the footprint (GP: o): 81 + length for each request, 34 + key + value for each storage entry.
    pub octets: u64,
    /// Items of the footprint (GP: i): two for each request, one for each storage entry.
    pub items: u32,
    /// Part of the deposit that need not be covered by the balance (GP: f).
    pub gratis: Balance,
    /// When the account was created (GP: r).
    pub created: TimeSlot,
    /// When it was last accumulated (GP: a).
    pub last_accumulated: TimeSlot,
    /// The service that created it (GP: p).
    pub parent: ServiceId,
}

impl ServiceAccount {
    /// The balance that must remain (GP: t, eq:deposits), in 128 bits because nothing here may wrap.
    #[must_use]
    pub fn threshold(&self, constants: &ChainConstants) -> u128 {
        let deposit = u128::from(constants.deposit_base)
            + u128::from(constants.deposit_per_item) * u128::from(self.items)
            + u128::from(constants.deposit_per_octet) * u128::from(self.octets);
        deposit.saturating_sub(self.gratis.into())
    }
}

/// The timeline of a preimage request (GP 9.2, l): up to three timeslots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeline {
    /// `[]`: wanted, not yet provided.
    Requested,
    /// `[x]`: available since x.
    Available(TimeSlot),
    /// `[x, y]`: available from x until before y.
    Forgotten(TimeSlot, TimeSlot),
    /// `[x, y, z]`: available from x until before y, and again since z.
    AvailableAgain(TimeSlot, TimeSlot, TimeSlot),
}

impl Timeline {
    /// The timeline of these slots; `None` when there are more than three.
    #[must_use]
    pub fn from_slots(slots: &[TimeSlot]) -> Option<Self> {
        match *slots {
            [] => Some(Self::Requested),
            [x] => Some(Self::Available(x)),
            [x, y] => Some(Self::Forgotten(x, y)),
            [x, y, z] => Some(Self::AvailableAgain(x, y, z)),
            _ => None,
        }
    }

    /// The slots in order.
    #[must_use]
    pub fn slots(&self) -> Vec<TimeSlot> {
        match *self {
            Self::Requested => vec![],
            Self::Available(x) => vec![x],
            Self::Forgotten(x, y) => vec![x, y],
            Self::AvailableAgain(x, y, z) => vec![x, y, z],
        }
    }

    /// Whether the preimage counts as available at `slot` (GP 9.2, the function I below eq:historicallookup).
    #[must_use]
    pub fn available_at(&self, slot: TimeSlot) -> bool {
        match *self {
            Self::Requested => false,
            Self::Available(x) => x <= slot,
            Self::Forgotten(x, y) => x <= slot && slot < y,
            Self::AvailableAgain(x, y, z) => (x <= slot && slot < y) || z <= slot,
        }
    }
}

/// Hash and length that a preimage is requested by.
pub type RequestKey = (Hash, u32);

/// The privileged services (GP 9.4, eq:privilegesspec).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Privileges {
    /// May alter the privileges (GP: χ_M).
    pub manager: ServiceId,
    /// For each core, who may alter its authorizer queue (GP: χ_A). One entry per core.
    pub assigners: Vec<ServiceId>,
    /// May set the staging validator set (GP: χ_V).
    pub delegator: ServiceId,
    /// May create services with indices below 2^16 (GP: χ_R). Unused before GP 0.7.1.
    pub registrar: ServiceId,
    /// Services accumulated in every block, with the gas they get for it (GP: χ_Z).
    pub always_accumulate: BTreeMap<ServiceId, Gas>,
}

/// A core's queue of authorizers: 80 hashes (GP: φ, Q).
pub type AuthorizerQueue = Arc<[Hash; AUTHORIZER_QUEUE_LEN]>;

/// Authorizers in a core's queue (GP: Q).
pub const AUTHORIZER_QUEUE_LEN: usize = 80;

/// Bytes in a validator's key set (GP: K).
pub const VALIDATOR_KEY_BYTES: u64 = 336;

/// Bytes in a transfer's memo (GP: W_T).
pub const MEMO_BYTES: usize = 128;

/// Bytes in an import or export segment (GP: W_G).
pub const SEGMENT_BYTES: usize = 4104;

/// A transfer that is delivered later (GP 12, eq:defxfer).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeferredTransfer {
    /// Sender.
    pub source: ServiceId,
    /// Receiver.
    pub destination: ServiceId,
    /// Tokens.
    pub amount: Balance,
    /// Note from the sender.
    pub memo: [u8; MEMO_BYTES],
    /// Gas for the receiver to act on it.
    pub gas: Gas,
}

/// Why a work item has no output (GP 11, E).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum WorkError {
    /// Ran out of gas (GP: ∞).
    OutOfGas = 1,
    /// Panicked (GP: ☇).
    Panic = 2,
    /// Exported another number of segments than declared (GP: ⊚).
    BadExports = 3,
    /// The report would be too large (GP: ⊖).
    Oversize = 4,
    /// The code was not available (GP: BAD).
    BadCode = 5,
    /// The code was too large (GP: BIG).
    BigCode = 6,
}

/// Output of a work item, or why there is none.
pub type WorkResult = Result<Bytes, WorkError>;

/// What accumulation gets to know of one work item's result (GP 12, eq:operandtuple).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operand {
    /// Hash of the work package.
    pub package_hash: Hash,
    /// Root of the exported segments.
    pub exports_root: Hash,
    /// Hash of the authorizer.
    pub authorizer_hash: Hash,
    /// Hash of the item's payload.
    pub payload_hash: Hash,
    /// Gas that the item brings for accumulation.
    pub gas_limit: Gas,
    /// Output of refinement.
    pub result: WorkResult,
    /// What the authorizer returned.
    pub auth_trace: Bytes,
}

/// One input of an accumulation (GP 12, I).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccumulationInput {
    /// A refined work item.
    Operand(Operand),
    /// An incoming transfer; an input of accumulate since GP 0.7.1.
    Transfer(DeferredTransfer),
}

/// The chain state that a work package was made against (GP 11, C).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RefinementContext {
    /// Header hash of the anchor block.
    pub anchor: Hash,
    /// The anchor's slot; in the encoding since GP 0.8.0.
    pub anchor_slot: TimeSlot,
    /// State root after the anchor block.
    pub state_root: Hash,
    /// Accumulation-output root of the anchor block.
    pub beefy_root: Hash,
    /// Header hash of the block whose state preimages are looked up in.
    pub lookup_anchor: Hash,
    /// That block's slot (GP: t).
    pub lookup_anchor_slot: TimeSlot,
    /// State root after that block; in the encoding since GP 0.8.0.
    pub lookup_anchor_state_root: Hash,
    /// Hashes of work packages that must be reported before, ascending.
    pub prerequisites: Vec<Hash>,
}

/// A segment that a work item imports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportSpec {
    /// Segments-tree root, or hash of the work package that exports the segment.
    pub tree_root: Hash,
    /// Whether `tree_root` is a package's hash.
    pub by_package: bool,
    /// Index of the segment in that tree, below 2^15.
    pub index: u16,
}

/// Hash and length of data that comes along with a work package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtrinsicSpec {
    /// Hash of the data.
    pub hash: Hash,
    /// Its length in bytes.
    pub len: u32,
}

/// A piece of work for one service (GP 14, W).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WorkItem {
    /// The service.
    pub service: ServiceId,
    /// Hash of its code as of reporting.
    pub code_hash: Hash,
    /// What the code gets to work on.
    pub payload: Vec<u8>,
    /// Gas limit of refine.
    pub refine_gas: Gas,
    /// Gas limit of accumulate.
    pub accumulate_gas: Gas,
    /// Segments that will be exported.
    pub export_count: u16,
    /// Segments to import.
    pub imports: Vec<ImportSpec>,
    /// Data that comes along.
    pub extrinsics: Vec<ExtrinsicSpec>,
}

/// A work package (GP 14, P).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WorkPackage {
    /// Service that hosts the authorizer's code.
    pub auth_code_host: ServiceId,
    /// Hash of the authorizer's code.
    pub auth_code_hash: Hash,
    /// Chain state the package refers to.
    pub context: RefinementContext,
    /// Authorization token.
    pub authorization: Vec<u8>,
    /// Configuration of the authorizer.
    pub authorizer_config: Vec<u8>,
    /// Work items, 1 to 16.
    pub items: Vec<WorkItem>,
}
