//! Service accounts in the state: how host functions read them, and how their changes are written back.

use tvm_runtime::HostError;
use tvm_runtime::jam::state::{AccountChange, AccountChanges, AccountDelta, Accounts};
use tvm_runtime::jam::types::{Bytes, Hash, RequestKey, ServiceAccount, ServiceId, TimeSlot, Timeline};

use crate::node::codec::{Codec, CodecError};
use crate::node::model::ServiceRecord;
use crate::node::spec::Spec;
use crate::node::state::{Dictionary, StateKey};

/// The accounts of a state, for TVM's host functions.
///
/// Storage is kept under hashed keys: looking an entry up hashes its key, and what a service stores cannot be listed.
#[derive(Clone, Copy, Debug)]
pub struct StoredAccounts<'a> {
    /// The state.
    pub state: &'a Dictionary,
    /// Its formats.
    pub spec: &'a Spec,
}

impl Accounts for StoredAccounts<'_> {
    fn account(&self, service: ServiceId) -> Result<Option<ServiceAccount>, HostError> {
        let record: Option<ServiceRecord> = self.state.read(&StateKey::account(service), self.spec)?;
        Ok(record.map(ServiceAccount::from))
    }

    fn storage(&self, service: ServiceId, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        Ok(self.state.get(&StateKey::storage(service, key)).cloned())
    }

    fn preimage(&self, service: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError> {
        Ok(self.state.get(&StateKey::preimage(service, hash)).cloned())
    }

    fn request(&self, service: ServiceId, (hash, len): RequestKey) -> Result<Option<Timeline>, HostError> {
        Ok(self.state.timeline(service, &hash, len, self.spec)?)
    }
}

impl Dictionary {
    /// The timeline of a request.
    ///
    /// # Errors
    /// When the state has something else there.
    pub fn timeline(
        &self,
        service: ServiceId,
        hash: &Hash,
        len: u32,
        spec: &Spec,
    ) -> Result<Option<Timeline>, CodecError> {
        let Some(slots) = self.read::<Vec<TimeSlot>>(&StateKey::request(service, hash, len), spec)? else {
            return Ok(None);
        };
        let too_many = || CodecError::new(format!("expected a timeline of at most 3 slots, found {}", slots.len()));
        Timeline::from_slots(&slots).ok_or_else(too_many).map(Some)
    }

    /// Sets the timeline of a request.
    pub fn set_timeline(&mut self, service: ServiceId, (hash, len): RequestKey, timeline: Timeline) {
        self.set(StateKey::request(service, &hash, len), timeline.slots().to_bytes());
    }

    /// Sets an account's record.
    pub fn set_account(&mut self, service: ServiceId, account: &ServiceAccount, spec: &Spec) {
        self.set(StateKey::account(service), ServiceRecord::new(account, &spec.format).to_bytes());
    }

    /// Writes an accumulation's changes of accounts.
    pub fn apply(&mut self, changes: &AccountChanges, spec: &Spec) {
        for (service, change) in &changes.0 {
            match change {
                AccountChange::Changed(delta) => self.apply_delta(*service, delta, spec),
                AccountChange::Removed((hash, len)) => {
                    self.remove(&StateKey::account(*service));
                    self.remove(&StateKey::request(*service, hash, *len));
                    self.remove(&StateKey::preimage(*service, hash));
                }
            }
        }
    }

    fn apply_delta(&mut self, service: ServiceId, delta: &AccountDelta, spec: &Spec) {
        // A created account has no predecessor here: an ejected one leaves nothing behind, see `apply`.
        let AccountDelta { account, created: _, storage, preimages, requests } = delta;
        self.set_account(service, account, spec);
        for (key, value) in storage {
            self.replace(StateKey::storage(service, key), value.clone());
        }
        for (hash, value) in preimages {
            self.replace(StateKey::preimage(service, hash), value.clone());
        }
        for ((hash, len), timeline) in requests {
            match timeline {
                Some(timeline) => self.set_timeline(service, (*hash, *len), *timeline),
                None => self.remove(&StateKey::request(service, hash, *len)),
            }
        }
    }

    fn replace(&mut self, key: StateKey, value: Option<Bytes>) {
        match value {
            Some(value) => self.set(key, value),
            None => self.remove(&key),
        }
    }
}
