//! Accounts in maps, with footprints kept by the rule (GP eq:deposits).

use std::collections::BTreeMap;

use tvm_isa::Gas;
use tvm_runtime::HostError;
use tvm_runtime::jam::state::Accounts;
use tvm_runtime::jam::types::{Bytes, Hash, RequestKey, ServiceAccount, ServiceId, TimeSlot, Timeline};

/// A node's state that is all in memory.
#[derive(Clone, Default)]
pub struct MemoryAccounts {
    accounts: BTreeMap<ServiceId, ServiceAccount>,
    storage: BTreeMap<(ServiceId, Vec<u8>), Bytes>,
    preimages: BTreeMap<(ServiceId, Hash), Bytes>,
    requests: BTreeMap<(ServiceId, RequestKey), Timeline>,
}

impl MemoryAccounts {
    /// Adds an account without data.
    pub fn add(&mut self, service: ServiceId, balance: u64, code_hash: Hash) {
        let account = ServiceAccount {
            code_hash,
            balance,
            min_item_gas: Gas(10),
            min_memo_gas: Gas(200),
            octets: 0,
            items: 0,
            gratis: 0,
            created: TimeSlot(11),
            last_accumulated: TimeSlot(12),
            parent: ServiceId(13),
        };
        self.accounts.insert(service, account);
    }

    /// An account, to be changed.
    pub fn of(&mut self, service: ServiceId) -> &mut ServiceAccount {
        self.accounts.get_mut(&service).expect("the account was added")
    }

    /// Sets a storage entry that does not exist yet.
    pub fn store(&mut self, service: ServiceId, key: &[u8], value: &[u8]) {
        let account = self.of(service);
        account.items += 1;
        account.octets += 34 + key.len() as u64 + value.len() as u64;
        assert!(self.storage.insert((service, key.to_vec()), value.into()).is_none());
    }

    /// Adds a request.
    pub fn request(&mut self, service: ServiceId, key: RequestKey, timeline: Timeline) {
        let account = self.of(service);
        account.items += 2;
        account.octets += 81 + u64::from(key.1);
        assert!(self.requests.insert((service, key), timeline).is_none());
    }

    /// Adds a preimage with its request.
    pub fn provide(&mut self, service: ServiceId, preimage: &[u8], timeline: Timeline) -> Hash {
        let hash = Hash::of(preimage);
        self.request(service, (hash, preimage.len() as u32), timeline);
        self.preimages.insert((service, hash), preimage.into());
        hash
    }
}

impl Accounts for MemoryAccounts {
    fn account(&self, service: ServiceId) -> Result<Option<ServiceAccount>, HostError> {
        Ok(self.accounts.get(&service).cloned())
    }

    fn storage(&self, service: ServiceId, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        Ok(self.storage.get(&(service, key.to_vec())).cloned())
    }

    fn preimage(&self, service: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError> {
        Ok(self.preimages.get(&(service, *hash)).cloned())
    }

    fn request(&self, service: ServiceId, key: RequestKey) -> Result<Option<Timeline>, HostError> {
        Ok(self.requests.get(&(service, key)).copied())
    }
}
