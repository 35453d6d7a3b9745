//! The pair of dimensions that accumulate works on (GP B.4, eq:implications).
//!
//! The exceptional dimension is kept as what was changed up to the last checkpoint, the regular one as what was changed
//! since. A checkpoint moves the second on top of the first, so all checkpoints together cost no more than all changes,
//! however many entries there are and however often a guest calls it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::host_call::HostError;
use crate::jam::constants::ChainConstants;
use crate::jam::state::{AccountChange, AccountChanges, AccountDelta, Accounts, Found};
use crate::jam::types::{
    AuthorizerQueue, Bytes, DeferredTransfer, Hash, Privileges, RequestKey, ServiceAccount, ServiceId, TimeSlot,
    Timeline,
};

/// What an invocation that may change accounts is given.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The accumulating service (GP: x_s).
    pub service: ServiceId,
    /// Accounts before the invocation (GP: e_d).
    pub base: &'a dyn Accounts,
    /// The chain's constants.
    pub constants: &'a ChainConstants,
    /// The block's slot (GP: H_t).
    pub slot: TimeSlot,
}

/// Changes besides those of accounts that can be taken back.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    /// Accounts.
    pub accounts: AccountChanges,
    /// Privileges, when `bless` or `assign` set them.
    pub privileges: Option<Arc<Privileges>>,
    /// Staging validator set, when `designate` set it.
    pub staging: Option<Bytes>,
    /// Authorizer queues that `assign` set.
    pub queues: BTreeMap<u16, AuthorizerQueue>,
    /// Next index for a new service (GP: i), when it moved on.
    pub next_id: Option<ServiceId>,
    /// Hash that `yield` set (GP: y).
    pub yielded: Option<Hash>,
    /// Preimages that `provide` gave (GP: p).
    pub provisions: BTreeMap<(ServiceId, Hash), Bytes>,
    /// Transfers (GP: t).
    pub transfers: Vec<DeferredTransfer>,
}

impl Layer {
    /// Puts `later` on top.
    fn absorb(&mut self, later: Self) {
        let Self { accounts, privileges, staging, queues, next_id, yielded, provisions, transfers } = later;
        self.accounts.absorb(accounts);
        self.privileges = privileges.or(self.privileges.take());
        self.staging = staging.or(self.staging.take());
        self.queues.extend(queues);
        self.next_id = next_id.or(self.next_id);
        self.yielded = yielded.or(self.yielded);
        self.provisions.extend(provisions);
        self.transfers.extend(transfers);
    }
}

/// Both dimensions of an accumulation.
pub(crate) struct Context<'a> {
    surroundings: Surroundings<'a>,
    /// Privileges before the invocation.
    privileges: &'a Arc<Privileges>,
    /// First index for a new service.
    first_id: ServiceId,
    /// Up to the last checkpoint: the exceptional dimension (GP: y).
    committed: Layer,
    /// Since then: on top of `committed`, the regular dimension (GP: x).
    pending: Layer,
}

impl<'a> Context<'a> {
    /// Both dimensions as they are at the start, in which `account` stands for the service's own one.
    pub(crate) fn new(
        surroundings: Surroundings<'a>,
        privileges: &'a Arc<Privileges>,
        first_id: ServiceId,
        account: ServiceAccount,
    ) -> Self {
        let mut committed = Layer::default();
        let own = AccountChange::Changed(AccountDelta::unchanged(account));
        committed.accounts.0.insert(surroundings.service, own);
        Self { surroundings, privileges, first_id, committed, pending: Layer::default() }
    }

    /// The accumulating service.
    pub(crate) fn service(&self) -> ServiceId {
        self.surroundings.service
    }

    /// The chain's constants.
    pub(crate) fn constants(&self) -> &'a ChainConstants {
        self.surroundings.constants
    }

    /// The block's slot.
    pub(crate) fn slot(&self) -> TimeSlot {
        self.surroundings.slot
    }

    /// Accounts before the invocation.
    pub(crate) fn base(&self) -> &'a dyn Accounts {
        self.surroundings.base
    }

    /// The service's own account.
    pub(crate) fn own(&self) -> Result<ServiceAccount, HostError> {
        self.account(self.service())?
            .ok_or_else(|| "internal error of TVM: an accumulating service has no account".into())
    }

    /// The service's own account, to be changed.
    pub(crate) fn own_delta(&mut self) -> Result<&mut AccountDelta, HostError> {
        let own = self.own()?;
        let unchanged = || AccountChange::Changed(AccountDelta::unchanged(own));
        match self.pending.accounts.0.entry(self.surroundings.service).or_insert_with(unchanged) {
            AccountChange::Changed(delta) => Ok(delta),
            AccountChange::Removed(_) => Err("internal error of TVM: an accumulating service was removed".into()),
        }
    }

    /// Adds an account.
    pub(crate) fn create(&mut self, service: ServiceId, delta: AccountDelta) {
        self.pending.accounts.0.insert(service, AccountChange::Changed(delta));
    }

    /// Removes an account, with the one request it has left.
    pub(crate) fn remove(&mut self, service: ServiceId, request: RequestKey) {
        self.pending.accounts.0.insert(service, AccountChange::Removed(request));
    }

    /// Privileges in the regular dimension.
    pub(crate) fn privileges(&self) -> &Arc<Privileges> {
        self.pending.privileges.as_ref().or(self.committed.privileges.as_ref()).unwrap_or(self.privileges)
    }

    /// Sets the privileges.
    pub(crate) fn set_privileges(&mut self, privileges: Privileges) {
        self.pending.privileges = Some(Arc::new(privileges));
    }

    /// Sets a core's authorizer queue.
    pub(crate) fn set_queue(&mut self, core: u16, queue: AuthorizerQueue) {
        self.pending.queues.insert(core, queue);
    }

    /// Sets the staging validator set.
    pub(crate) fn set_staging(&mut self, keys: Bytes) {
        self.pending.staging = Some(keys);
    }

    /// Index for the next new service.
    pub(crate) fn next_id(&self) -> ServiceId {
        self.pending.next_id.or(self.committed.next_id).unwrap_or(self.first_id)
    }

    /// Moves on to another index.
    pub(crate) fn set_next_id(&mut self, id: ServiceId) {
        self.pending.next_id = Some(id);
    }

    /// Appends a transfer.
    pub(crate) fn push_transfer(&mut self, transfer: DeferredTransfer) {
        self.pending.transfers.push(transfer);
    }

    /// Sets the hash that is yielded.
    pub(crate) fn set_yield(&mut self, hash: Hash) {
        self.pending.yielded = Some(hash);
    }

    /// Whether this preimage was provided already.
    pub(crate) fn is_provided(&self, service: ServiceId, hash: Hash) -> bool {
        [&self.pending, &self.committed].iter().any(|layer| layer.provisions.contains_key(&(service, hash)))
    }

    /// Provides a preimage.
    pub(crate) fn provide(&mut self, service: ServiceId, hash: Hash, preimage: Bytes) {
        self.pending.provisions.insert((service, hash), preimage);
    }

    /// GP: y ← x.
    pub(crate) fn checkpoint(&mut self) {
        self.committed.absorb(std::mem::take(&mut self.pending));
    }

    /// The exceptional dimension.
    pub(crate) fn into_exceptional(self) -> Layer {
        self.committed
    }

    /// The regular dimension.
    pub(crate) fn into_regular(mut self) -> Layer {
        self.checkpoint();
        self.committed
    }

    /// Looks `service` up in the regular dimension's changes, from the latest on, and else in the base.
    fn find<T>(
        &self,
        service: ServiceId,
        within: impl Fn(&AccountDelta) -> Option<Option<T>>,
        below: impl FnOnce(&dyn Accounts) -> Result<Option<T>, HostError>,
    ) -> Result<Option<T>, HostError> {
        for layer in [&self.pending, &self.committed] {
            match layer.accounts.find(service, &within) {
                Found::Value(value) => return Ok(value),
                Found::Below => {}
            }
        }
        below(self.base())
    }
}

impl Accounts for Context<'_> {
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
