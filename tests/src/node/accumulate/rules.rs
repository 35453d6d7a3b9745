//! How outer accumulation differs between Gray Paper versions, as data.

use tvm_isa::GpVersion;

/// The rules of one version.
#[derive(Debug)]
pub struct OuterRules {
    /// What happens to deferred transfers.
    pub transfers: Transfers,
    /// Whether transfers and free gas count towards the gas that decides how many reports fit. Otherwise only digests do.
    pub everything_counts: bool,
    /// Whose gas a round adds to what later rounds may use.
    pub returned: ReturnedGas,
    /// Whether services accumulate for free even when no report fits.
    pub free_without_reports: bool,
    /// How the privileges of the services that ran are put together.
    pub privileges: PrivilegeMerge,
    /// Which services get an entry in the statistics.
    pub counted: Counted,
}

/// What happens to the transfers that services make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfers {
    /// They are inputs of their receivers' accumulation in the next round (GP 0.7.1 and later).
    NextRound,
    /// Their receivers' on-transfer entry gets them after all rounds (GP 0.7.0).
    OnTransfer,
}

/// Whose gas a round adds to what later rounds may use (GP 12.2, g*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReturnedGas {
    /// No transfer's.
    None,
    /// That of the transfers that the round received.
    Received,
    /// That of the transfers that the round made.
    Made,
}

/// How privileges are put together (GP 12.2, eq:accpar).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrivilegeMerge {
    /// The manager's change wins, then the present owner's.
    ManagerOrOwner,
    /// The service that the manager names decides, if it runs in the same round (GP 0.7.0). Otherwise it gets the
    /// privilege, although the text would have it run without gas and change nothing; so the public traces.
    NamedByManager,
}

/// Which services get an entry in the accumulation statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// Those with digests.
    Digests,
    /// Those with digests or gas used.
    DigestsOrGas,
    /// Those with digests, transfers received or gas used.
    DigestsTransfersOrGas,
}

static RULES: [OuterRules; 3] = [
    OuterRules {
        transfers: Transfers::OnTransfer,
        everything_counts: false,
        returned: ReturnedGas::None,
        free_without_reports: false,
        privileges: PrivilegeMerge::NamedByManager,
        counted: Counted::Digests,
    },
    OuterRules {
        transfers: Transfers::NextRound,
        everything_counts: false,
        returned: ReturnedGas::Received,
        free_without_reports: true,
        privileges: PrivilegeMerge::ManagerOrOwner,
        counted: Counted::DigestsOrGas,
    },
    OuterRules {
        transfers: Transfers::NextRound,
        everything_counts: true,
        returned: ReturnedGas::Made,
        free_without_reports: true,
        privileges: PrivilegeMerge::ManagerOrOwner,
        counted: Counted::DigestsTransfersOrGas,
    },
];

impl OuterRules {
    /// The rules of a version.
    #[must_use]
    pub fn of(version: GpVersion) -> &'static Self {
        &RULES[version as usize]
    }
}
