//! What an account's data takes up, and whether its balance covers that (GP 9.3, eq:deposits).

use crate::jam::constants::ChainConstants;
use crate::jam::types::ServiceAccount;

/// Octets that a storage entry takes besides key and value.
const STORAGE_OCTETS: u64 = 34;

/// Octets that a request takes besides the preimage's length.
pub(crate) const REQUEST_OCTETS: u64 = 81;

/// Items that a request counts as.
const REQUEST_ITEMS: u64 = 2;

/// Items and octets of an account, changed step by step. What the account claims is taken as given: subtraction stops at
/// zero if it claims less than it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Footprint {
    items: u64,
    octets: u128,
}

impl Footprint {
    /// The footprint of an account.
    pub(crate) fn of(account: &ServiceAccount) -> Self {
        Self { items: account.items.into(), octets: account.octets.into() }
    }

    /// A storage entry appears.
    pub(crate) fn add_storage(&mut self, key_len: u64, value_len: u64) {
        self.items += 1;
        self.octets += u128::from(STORAGE_OCTETS) + u128::from(key_len) + u128::from(value_len);
    }

    /// A storage entry disappears.
    pub(crate) fn remove_storage(&mut self, key_len: u64, value_len: u64) {
        self.items = self.items.saturating_sub(1);
        let octets = u128::from(STORAGE_OCTETS) + u128::from(key_len) + u128::from(value_len);
        self.octets = self.octets.saturating_sub(octets);
    }

    /// A request appears.
    pub(crate) fn add_request(&mut self, len: u64) {
        self.items += REQUEST_ITEMS;
        self.octets += u128::from(REQUEST_OCTETS) + u128::from(len);
    }

    /// A request disappears.
    pub(crate) fn remove_request(&mut self, len: u64) {
        self.items = self.items.saturating_sub(REQUEST_ITEMS);
        self.octets = self.octets.saturating_sub(u128::from(REQUEST_OCTETS) + u128::from(len));
    }

    /// The account with this footprint; `None` when its balance is below the threshold, or when the numbers do not fit
    /// an account, which no balance covers either.
    pub(crate) fn covered(self, account: ServiceAccount, constants: &ChainConstants) -> Option<ServiceAccount> {
        let account = self.applied(account)?;
        (account.threshold(constants) <= u128::from(account.balance)).then_some(account)
    }

    /// The account with this footprint, whatever its balance; `None` when the numbers do not fit an account.
    pub(crate) fn applied(self, account: ServiceAccount) -> Option<ServiceAccount> {
        let items = u32::try_from(self.items).ok()?;
        let octets = u64::try_from(self.octets).ok()?;
        Some(ServiceAccount { items, octets, ..account })
    }
}
