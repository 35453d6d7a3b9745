//! The host functions: number, name, where they may be called, and gas, for each Gray Paper version.

use super::cost::Cost;

/// A host function. What it does is described where it is implemented.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are the Gray Paper's")]
pub enum HostFunction {
    Gas,
    GrowHeap,
    Fetch,
    Lookup,
    Read,
    Write,
    Info,
    HistoricalLookup,
    Export,
    Machine,
    Peek,
    Poke,
    Pages,
    Invoke,
    Expunge,
    Bless,
    Assign,
    Designate,
    Checkpoint,
    New,
    Upgrade,
    Transfer,
    Eject,
    Query,
    Solicit,
    Forget,
    Yield,
    Provide,
}

/// The invocation a host call is made in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Setting {
    /// Ψ_I, GP B.2.
    IsAuthorized,
    /// Ψ_R, GP B.3.
    Refine,
    /// Ψ_A, GP B.4.
    Accumulate,
    /// Ψ_T, GP 0.7.0 B.5.
    OnTransfer,
}

/// A set of settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    is_authorized: bool,
    refine: bool,
    accumulate: bool,
    on_transfer: bool,
}

impl Settings {
    const NONE: Self = Self { is_authorized: false, refine: false, accumulate: false, on_transfer: false };
    const ALL: Self = Self { is_authorized: true, refine: true, accumulate: true, on_transfer: true };
    const ACCOUNT: Self = Self { accumulate: true, on_transfer: true, ..Self::NONE };
    const REFINE: Self = Self { refine: true, ..Self::NONE };
    const ACCUMULATE: Self = Self { accumulate: true, ..Self::NONE };

    /// Whether `setting` is in the set.
    #[must_use]
    pub fn contains(self, setting: Setting) -> bool {
        let Self { is_authorized, refine, accumulate, on_transfer } = self;
        match setting {
            Setting::IsAuthorized => is_authorized,
            Setting::Refine => refine,
            Setting::Accumulate => accumulate,
            Setting::OnTransfer => on_transfer,
        }
    }
}

/// A host function in one version.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Number that `ecalli` calls it by.
    pub number: u8,
    /// The function.
    pub function: HostFunction,
    /// Its name in the Gray Paper.
    pub name: &'static str,
    /// Where it may be called; anywhere else it is unknown.
    pub settings: Settings,
    /// What it costs.
    pub cost: Cost,
}

/// Number of JIP-1's `log`, which the Gray Paper does not know: it costs and answers as an unknown call, but nodes like
/// to see what the guest has to say.
pub const LOG: u64 = 100;

/// The entry of the call `id`, if it may be made in `setting`.
#[must_use]
pub fn find(functions: &'static [Entry], id: u64, setting: Setting) -> Option<&'static Entry> {
    let entry = functions.get(usize::try_from(id).ok()?)?;
    entry.settings.contains(setting).then_some(entry)
}

const fn entry(number: u8, function: HostFunction, name: &'static str, settings: Settings, cost: Cost) -> Entry {
    Entry { number, function, name, settings, cost }
}

/// GP 0.7: everything costs ten.
const TEN: Cost = Cost::Fixed(10);

/// GP 0.7.0, in the order of the numbers, which start at 0 and have no gaps.
pub(super) static FUNCTIONS_0_7_0: [Entry; 27] = {
    let mut functions = FUNCTIONS_0_7_2_CONST;
    // The gas for the receiver is charged whatever comes of the call.
    functions[20].cost = Cost::PerItem(10, 9, 1);
    functions
};

/// GP 0.7.2, likewise.
pub(super) static FUNCTIONS_0_7_2: [Entry; 27] = FUNCTIONS_0_7_2_CONST;

const FUNCTIONS_0_7_2_CONST: [Entry; 27] = {
    use HostFunction::*;
    [
        entry(0, Gas, "gas", Settings::ALL, TEN),
        entry(1, Fetch, "fetch", Settings::ALL, TEN),
        entry(2, Lookup, "lookup", Settings::ACCOUNT, TEN),
        entry(3, Read, "read", Settings::ACCOUNT, TEN),
        entry(4, Write, "write", Settings::ACCOUNT, TEN),
        entry(5, Info, "info", Settings::ACCOUNT, TEN),
        entry(6, HistoricalLookup, "historical_lookup", Settings::REFINE, TEN),
        entry(7, Export, "export", Settings::REFINE, TEN),
        entry(8, Machine, "machine", Settings::REFINE, TEN),
        entry(9, Peek, "peek", Settings::REFINE, TEN),
        entry(10, Poke, "poke", Settings::REFINE, TEN),
        entry(11, Pages, "pages", Settings::REFINE, TEN),
        entry(12, Invoke, "invoke", Settings::REFINE, TEN),
        entry(13, Expunge, "expunge", Settings::REFINE, TEN),
        entry(14, Bless, "bless", Settings::ACCUMULATE, TEN),
        entry(15, Assign, "assign", Settings::ACCUMULATE, TEN),
        entry(16, Designate, "designate", Settings::ACCUMULATE, TEN),
        entry(17, Checkpoint, "checkpoint", Settings::ACCUMULATE, TEN),
        entry(18, New, "new", Settings::ACCUMULATE, TEN),
        entry(19, Upgrade, "upgrade", Settings::ACCUMULATE, TEN),
        entry(20, Transfer, "transfer", Settings::ACCUMULATE, TEN),
        entry(21, Eject, "eject", Settings::ACCUMULATE, TEN),
        entry(22, Query, "query", Settings::ACCUMULATE, TEN),
        entry(23, Solicit, "solicit", Settings::ACCUMULATE, TEN),
        entry(24, Forget, "forget", Settings::ACCUMULATE, TEN),
        entry(25, Yield, "yield", Settings::ACCUMULATE, TEN),
        entry(26, Provide, "provide", Settings::ACCUMULATE, TEN),
    ]
};

/// GP 0.8.0, fetch by kind: base, and gas for 1024 octets.
static FETCH_0_8_0: [(u64, u64); 16] = [
    (390, 0),
    (103, 0),
    (80, 96),
    (85, 96),
    (85, 96),
    (171, 0),
    (171, 0),
    (85, 96),
    (84, 0),
    (88, 0),
    (111, 0),
    (317, 0),
    (250, 0),
    (95, 96),
    (287, 400),
    (355, 344),
];

/// GP 0.8.0, pages by mode: base, and gas for a page.
static PAGES_0_8_0: [(u64, u64); 5] = [(212, 118), (275, 121), (275, 121), (130, 29), (130, 29)];

/// GP 0.8.0, likewise.
pub(super) static FUNCTIONS_0_8_0: [Entry; 28] = {
    use Cost::{Fixed, PerItem, PerKib};
    use HostFunction::*;
    [
        entry(0, Gas, "gas", Settings::ALL, Fixed(48)),
        entry(1, GrowHeap, "grow_heap", Settings::ALL, Cost::Growth { base: 275, per_page: 121 }),
        entry(2, Fetch, "fetch", Settings::ALL, Cost::ByFetchKind(&FETCH_0_8_0, 80)),
        entry(3, Lookup, "lookup", Settings::ACCOUNT, PerKib(600, &[(11, 248)])),
        entry(4, Read, "read", Settings::ACCOUNT, PerKib(2407, &[(9, 1736), (12, 248)])),
        entry(5, Write, "write", Settings::ACCOUNT, PerKib(2442, &[(8, 3358), (10, 216)])),
        entry(6, Info, "info", Settings::ACCOUNT, Fixed(703)),
        entry(7, HistoricalLookup, "historical_lookup", Settings::REFINE, PerKib(1125, &[(11, 264)])),
        entry(8, Export, "export", Settings::REFINE, Fixed(3521)),
        entry(9, Machine, "machine", Settings::REFINE, PerKib(1862, &[(8, 112)])),
        entry(10, Peek, "peek", Settings::REFINE, PerKib(377, &[(10, 336)])),
        entry(11, Poke, "poke", Settings::REFINE, PerKib(297, &[(10, 224)])),
        entry(12, Pages, "pages", Settings::REFINE, Cost::ByPagesMode(&PAGES_0_8_0, 80)),
        entry(13, Invoke, "invoke", Settings::REFINE, Fixed(968)),
        entry(14, Expunge, "expunge", Settings::REFINE, Fixed(335)),
        entry(15, Bless, "bless", Settings::ACCUMULATE, PerItem(422, 12, 20)),
        entry(16, Assign, "assign", Settings::ACCUMULATE, Fixed(1818)),
        entry(17, Designate, "designate", Settings::ACCUMULATE, PerItem(1100, 8, 302)),
        entry(18, Checkpoint, "checkpoint", Settings::ACCUMULATE, Fixed(103)),
        entry(19, New, "new", Settings::ACCUMULATE, Fixed(3855)),
        entry(20, Upgrade, "upgrade", Settings::ACCUMULATE, Fixed(1028)),
        entry(21, Transfer, "transfer", Settings::ACCUMULATE, Fixed(575)),
        entry(22, Eject, "eject", Settings::ACCUMULATE, Fixed(458)),
        entry(23, Query, "query", Settings::ACCUMULATE, Fixed(643)),
        entry(24, Solicit, "solicit", Settings::ACCUMULATE, Fixed(2193)),
        entry(25, Forget, "forget", Settings::ACCUMULATE, Fixed(3250)),
        entry(26, Yield, "yield", Settings::ACCUMULATE, Fixed(98)),
        entry(27, Provide, "provide", Settings::ACCUMULATE, PerKib(3980, &[(9, 2264)])),
    ]
};

#[cfg(test)]
mod tests {
    use tvm_isa::GpVersion;

    use super::*;
    use crate::jam::version::JamRules;

    fn functions(version: GpVersion) -> &'static [Entry] {
        JamRules::of(version).functions
    }

    #[test]
    fn numbers_are_positions() {
        for version in GpVersion::ALL {
            for (position, entry) in functions(version).iter().enumerate() {
                assert_eq!(usize::from(entry.number), position, "{version}: {}", entry.name);
            }
        }
    }

    #[test]
    fn no_two_entries_share_a_function() {
        for version in GpVersion::ALL {
            let mut seen = std::collections::HashSet::new();
            assert!(functions(version).iter().all(|entry| seen.insert(entry.function) && seen.len() <= 28));
        }
    }

    #[test]
    fn calls_are_only_found_where_they_may_be_made() {
        let table = functions(GpVersion::V0_7_2);
        let found = |id, setting| find(table, id, setting).map(|entry| entry.function);
        assert_eq!(found(0, Setting::IsAuthorized), Some(HostFunction::Gas));
        assert_eq!(found(3, Setting::Accumulate), Some(HostFunction::Read));
        assert_eq!(found(3, Setting::Refine), None);
        assert_eq!(found(12, Setting::Refine), Some(HostFunction::Invoke));
        assert_eq!(found(12, Setting::Accumulate), None);
        assert_eq!(found(26, Setting::OnTransfer), None);
        assert_eq!(found(27, Setting::Accumulate), None);
        assert_eq!(found(LOG, Setting::Accumulate), None);
        assert_eq!(found(u64::MAX, Setting::Accumulate), None);
    }
}
