//! The constants that chains differ in, and those host functions show to guests (GP I.4.4).

use tvm_isa::Gas;

/// The constants of a chain. [`ChainConstants::full`] has the Gray Paper's values, [`ChainConstants::tiny`] those of the
/// public test chain; a node may use any other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainConstants {
    /// Deposit for each item of an account's footprint (GP: B_I).
    pub deposit_per_item: u64,
    /// Deposit for each octet (GP: B_L).
    pub deposit_per_octet: u64,
    /// Deposit for an account (GP: B_S).
    pub deposit_base: u64,
    /// Cores (GP: C).
    pub cores: u16,
    /// Slots after which a forgotten preimage may be expunged (GP: D).
    pub expunge_period: u32,
    /// Slots in an epoch (GP: E).
    pub epoch_slots: u32,
    /// Accumulation gas for a core (GP: G_A).
    pub core_gas: Gas,
    /// Gas of is-authorized (GP: G_I).
    pub is_authorized_gas: Gas,
    /// Gas of refine (GP: G_R).
    pub refine_gas: Gas,
    /// Accumulation gas for a block (GP: G_T).
    pub block_gas: Gas,
    /// Blocks in the recent history (GP: H).
    pub recent_blocks: u16,
    /// Work items in a package (GP: I).
    pub package_items: u16,
    /// Dependencies of a report (GP: J).
    pub report_dependencies: u16,
    /// Tickets in a block's extrinsic (GP: K).
    pub block_tickets: u16,
    /// Slots of age a lookup anchor may have (GP: L).
    pub lookup_anchor_age: u32,
    /// Tickets of a validator (GP: N).
    pub validator_tickets: u16,
    /// Authorizers in a core's pool (GP: O).
    pub pool_authorizers: u16,
    /// Seconds in a slot (GP: P).
    pub slot_seconds: u16,
    /// Authorizers in a core's queue (GP: Q). Host functions always take 80.
    pub queue_authorizers: u16,
    /// Slots between rotations of validators over cores (GP: R).
    pub rotation_slots: u16,
    /// Extrinsics in a work package (GP: T).
    pub package_extrinsics: u16,
    /// Slots after which a report that is not available is dropped (GP: U).
    pub availability_timeout: u16,
    /// Validators (GP: V).
    pub validators: u16,
    /// Bytes of authorizer code (GP: W_A).
    pub authorizer_code_bytes: u32,
    /// Bytes of a work-package bundle (GP: W_B).
    pub bundle_bytes: u32,
    /// Bytes of service code (GP: W_C).
    pub service_code_bytes: u32,
    /// Bytes of an erasure-coded piece (GP: W_E).
    pub piece_bytes: u32,
    /// Imports of a work package (GP: W_M).
    pub package_imports: u32,
    /// Erasure-coded pieces in a segment (GP: W_P).
    pub segment_pieces: u32,
    /// Bytes of variable data in a report (GP: W_R).
    pub report_bytes: u32,
    /// Bytes in a transfer's memo (GP: W_T). Host functions always take 128.
    pub memo_bytes: u32,
    /// Exports of a work package (GP: W_X).
    pub package_exports: u32,
    /// The slot of an epoch at which the ticket contest ends (GP: Y).
    pub contest_end: u32,
}

impl ChainConstants {
    /// The Gray Paper's values.
    #[must_use]
    pub fn full() -> Self {
        Self {
            deposit_per_item: 10,
            deposit_per_octet: 1,
            deposit_base: 100,
            cores: 341,
            expunge_period: 19_200,
            epoch_slots: 600,
            core_gas: Gas(10_000_000),
            is_authorized_gas: Gas(50_000_000),
            refine_gas: Gas(5_000_000_000),
            block_gas: Gas(3_500_000_000),
            recent_blocks: 8,
            package_items: 16,
            report_dependencies: 8,
            block_tickets: 16,
            lookup_anchor_age: 14_400,
            validator_tickets: 2,
            pool_authorizers: 8,
            slot_seconds: 6,
            queue_authorizers: 80,
            rotation_slots: 10,
            package_extrinsics: 128,
            availability_timeout: 5,
            validators: 1023,
            authorizer_code_bytes: 64_000,
            bundle_bytes: 13_791_360,
            service_code_bytes: 4_000_000,
            piece_bytes: 684,
            package_imports: 3072,
            segment_pieces: 6,
            report_bytes: 49_152,
            memo_bytes: 128,
            package_exports: 3072,
            contest_end: 500,
        }
    }

    /// The values of the public test chain.
    #[must_use]
    pub fn tiny() -> Self {
        Self {
            cores: 2,
            expunge_period: 32,
            epoch_slots: 12,
            refine_gas: Gas(1_000_000_000),
            block_gas: Gas(20_000_000),
            block_tickets: 3,
            lookup_anchor_age: 24,
            validator_tickets: 3,
            rotation_slots: 4,
            validators: 6,
            piece_bytes: 4,
            segment_pieces: 1026,
            contest_end: 10,
            ..Self::full()
        }
    }
}
