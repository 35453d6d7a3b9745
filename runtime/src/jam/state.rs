//! How host functions reach the node's state, and what an accumulation says it changed.
//!
//! A node implements [`Accounts`] for the state before a round of accumulation. Every service of the round runs on that
//! same state, in parallel if the node likes, and returns [`AccountChanges`] of its own, which the node merges (GP
//! 12.2, eq:accpar). [`Overlay`] is a state with such changes on top: the next round's state, until it is written back.

use std::collections::BTreeMap;

use super::types::{Bytes, Hash, RequestKey, ServiceAccount, ServiceId, Timeline};
use crate::host_call::HostError;

/// Read access to service accounts. Keys are the guest's own; a node that stores them hashed, hashes them here.
///
/// An error ends the invocation as [`crate::Error::Host`] and never becomes an outcome of the guest.
pub trait Accounts: Sync {
    /// The account, or `None` when there is no such service.
    ///
    /// # Errors
    /// When the node cannot tell.
    fn account(&self, service: ServiceId) -> Result<Option<ServiceAccount>, HostError>;

    /// The storage value under `key` (GP: s).
    ///
    /// # Errors
    /// When the node cannot tell.
    fn storage(&self, service: ServiceId, key: &[u8]) -> Result<Option<Bytes>, HostError>;

    /// The preimage of `hash` (GP: p).
    ///
    /// # Errors
    /// When the node cannot tell.
    fn preimage(&self, service: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError>;

    /// The timeline of the request (GP: l).
    ///
    /// # Errors
    /// When the node cannot tell.
    fn request(&self, service: ServiceId, key: RequestKey) -> Result<Option<Timeline>, HostError>;
}

/// What happened to one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountChange {
    /// The service was ejected. Besides the account, nothing of it is left in state but this request and, if it is
    /// stored, the preimage of its hash: an account can only be ejected when its footprint says so.
    Removed(
        /// The remaining request.
        RequestKey,
    ),
    /// The account was created or altered.
    Changed(
        /// How it is now.
        AccountDelta,
    ),
}

/// A new or altered account: the whole record, and what differs in the dictionaries. `None` values are removals.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccountDelta {
    /// The account's record.
    pub account: ServiceAccount,
    /// Whether the account did not exist before: whatever lies below this delta is to be ignored.
    pub created: bool,
    /// Storage entries.
    pub storage: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// Preimages.
    pub preimages: BTreeMap<Hash, Option<Bytes>>,
    /// Requests.
    pub requests: BTreeMap<RequestKey, Option<Timeline>>,
}

impl AccountDelta {
    /// An account that is as below, so far.
    #[must_use]
    pub fn unchanged(account: ServiceAccount) -> Self {
        Self { account, ..Self::default() }
    }

    /// Puts `later` on top of this delta.
    pub fn absorb(&mut self, later: Self) {
        let Self { account, created, storage, preimages, requests } = later;
        if created {
            *self = Self { account, created, storage, preimages, requests };
            return;
        }
        self.account = account;
        self.storage.extend(storage);
        self.preimages.extend(preimages);
        self.requests.extend(requests);
    }
}

/// Changes of any number of accounts.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccountChanges(
    /// By service, ascending.
    pub BTreeMap<ServiceId, AccountChange>,
);

impl AccountChanges {
    /// Puts `later` on top. Takes time in the size of `later`, whatever is there already.
    pub fn absorb(&mut self, later: Self) {
        for (service, change) in later.0 {
            match (self.0.get_mut(&service), change) {
                (Some(AccountChange::Changed(below)), AccountChange::Changed(delta)) => below.absorb(delta),
                (_, change) => {
                    self.0.insert(service, change);
                }
            }
        }
    }

    /// Looks something of `service` up: `within` finds it in a delta that has it.
    pub(crate) fn find<T>(
        &self,
        service: ServiceId,
        within: impl FnOnce(&AccountDelta) -> Option<Option<T>>,
    ) -> Found<T> {
        match self.get(service) {
            Some(AccountChange::Removed(_)) => Found::Value(None),
            Some(AccountChange::Changed(delta)) => match within(delta) {
                Some(value) => Found::Value(value),
                None if delta.created => Found::Value(None),
                None => Found::Below,
            },
            None => Found::Below,
        }
    }

    /// The change of one account.
    #[must_use]
    pub fn get(&self, service: ServiceId) -> Option<&AccountChange> {
        self.0.get(&service)
    }
}

/// What changes say about something.
pub(crate) enum Found<T> {
    /// It is this, or it does not exist.
    Value(Option<T>),
    /// Nothing: ask what lies below.
    Below,
}

/// Accounts with changes on top of them.
pub struct Overlay<'a> {
    /// What the changes apply to.
    pub base: &'a dyn Accounts,
    /// The changes.
    pub changes: AccountChanges,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl<'a> Overlay<'a> {
    /// The accounts of `base`, with no changes yet.
    #[must_use]
    pub fn new(base: &'a dyn Accounts) -> Self {
        Self { base, changes: AccountChanges::default() }
    }

    fn find<T>(
        &self,
        service: ServiceId,
        within: impl FnOnce(&AccountDelta) -> Option<Option<T>>,
        below: impl FnOnce(&dyn Accounts) -> Result<Option<T>, HostError>,
    ) -> Result<Option<T>, HostError> {
        match self.changes.find(service, within) {
            Found::Value(value) => Ok(value),
            Found::Below => below(self.base),
        }
    }
}

impl Accounts for Overlay<'_> {
    fn account(&self, service: ServiceId) -> Result<Option<ServiceAccount>, HostError> {
        self.find(service, |delta| Some(Some(delta.account.clone())), |base| base.account(service))
    }

    fn storage(&self, service: ServiceId, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        self.find(service, |delta| delta.storage.get(key).cloned(), |base| base.storage(service, key))
    }

    fn preimage(&self, service: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError> {
        self.find(service, |delta| delta.preimages.get(hash).cloned(), |base| base.preimage(service, hash))
    }

    fn request(&self, service: ServiceId, key: RequestKey) -> Result<Option<Timeline>, HostError> {
        self.find(service, |delta| delta.requests.get(&key).copied(), |base| base.request(service, key))
    }
}
