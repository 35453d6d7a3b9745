//! How JAM's rules differ between Gray Paper versions, as data.
//!
//! Host functions and invocations ask a [`JamRules`] what to do; this module and [`super::table`] are the only places
//! that know of versions. The machine's own rules are in [`tvm_isa::Rules`].

use tvm_isa::GpVersion;

use super::table::{Entry, FUNCTIONS_0_7_0, FUNCTIONS_0_7_2, FUNCTIONS_0_8_0};

/// The JAM rules of one version.
#[derive(Debug)]
pub struct JamRules {
    /// The version these rules belong to, for messages only.
    pub version: GpVersion,
    /// The host functions by number.
    pub functions: &'static [Entry],
    /// Gas of a call that does not exist or may not be made here.
    pub unknown_call_gas: u64,
    /// Gas of `log` (JIP-1), which consensus knows as no call. It was free when GP 0.7.0 was the current version.
    pub log_gas: u64,
    /// Indices of services that anyone may create start here (GP: S). Below are the registrar's, if there is one.
    pub first_public_service: u32,
    /// Whether only the manager may bless.
    pub bless_needs_manager: bool,
    /// Whether there is a registrar: an argument of `bless`, and of `new` an index to take.
    pub has_registrar: bool,
    /// Whether `assign` checks that the new assigner is a service index.
    pub assign_checks_assigner: bool,
    /// Whether `designate` is told how many validators there are.
    pub designate_counts: bool,
    /// Whether `transfer` charges the receiver's gas when it succeeds. Otherwise the table charges it always.
    pub transfer_charges_success: bool,
    /// Whether lengths of preimages that do not fit 32 bits are refused before anything else.
    pub lengths_checked_first: bool,
    /// The most inner machines that may exist at a time.
    pub max_machines: Option<usize>,
    /// Whether the gas lent to an inner machine is taken from the caller's.
    pub invoke_lends: bool,
    /// What `invoke` reports of gas that ran out: −1 where the counter is signed, otherwise what was left.
    pub reports_negative_gas: bool,
    /// Whether gas stays as it was when `grow_heap` cannot be paid.
    pub unpaid_growth_keeps_gas: bool,
    /// Whether incoming transfers are inputs of accumulate, tagged apart from operands. Otherwise they are on-transfer's.
    pub transfers_are_inputs: bool,
    /// Whether the core's index is the first argument of refine.
    pub refine_takes_core: bool,
    /// Whether the protocol constants include those of fixed validator counts: N, V, W_E and W_P.
    pub constants_of_validators: bool,
    /// Whether `fetch` gives the authorizer's code hash before its configuration.
    pub fetch_authorizer_hash: bool,
    /// Whether a refinement context has the anchor's slot and the lookup anchor's state root.
    pub context_has_anchor_slot: bool,
}

static RULES: [JamRules; 3] = {
    let gp_0_7_2 = JamRules {
        version: GpVersion::V0_7_2,
        functions: &FUNCTIONS_0_7_2,
        unknown_call_gas: 10,
        log_gas: 10,
        first_public_service: 1 << 16,
        bless_needs_manager: false,
        has_registrar: true,
        assign_checks_assigner: true,
        designate_counts: false,
        transfer_charges_success: true,
        lengths_checked_first: false,
        max_machines: None,
        invoke_lends: false,
        reports_negative_gas: true,
        unpaid_growth_keeps_gas: true,
        transfers_are_inputs: true,
        refine_takes_core: true,
        constants_of_validators: true,
        fetch_authorizer_hash: false,
        context_has_anchor_slot: false,
    };
    let gp_0_7_0 = JamRules {
        version: GpVersion::V0_7_0,
        functions: &FUNCTIONS_0_7_0,
        log_gas: 0,
        first_public_service: 1 << 8,
        bless_needs_manager: true,
        has_registrar: false,
        assign_checks_assigner: false,
        transfer_charges_success: false,
        transfers_are_inputs: false,
        refine_takes_core: false,
        fetch_authorizer_hash: true,
        ..gp_0_7_2
    };
    let gp_0_8_0 = JamRules {
        version: GpVersion::V0_8_0,
        functions: &FUNCTIONS_0_8_0,
        unknown_call_gas: 1000,
        log_gas: 1000,
        bless_needs_manager: true,
        designate_counts: true,
        lengths_checked_first: true,
        max_machines: Some(63),
        invoke_lends: true,
        reports_negative_gas: false,
        constants_of_validators: false,
        context_has_anchor_slot: true,
        ..gp_0_7_2
    };
    [gp_0_7_0, gp_0_7_2, gp_0_8_0]
};

impl JamRules {
    /// The rules of a version.
    #[must_use]
    pub fn of(version: GpVersion) -> &'static Self {
        &RULES[version as usize]
    }
}
