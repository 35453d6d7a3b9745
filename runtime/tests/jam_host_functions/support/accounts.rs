//! Accounts in maps.

use std::collections::BTreeMap;

use tvm_isa::Gas;
use tvm_runtime::HostError;
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::state::Accounts;
use tvm_runtime::jam::types::{Bytes, Hash, RequestKey, ServiceAccount, ServiceId, TimeSlot, Timeline};

/// A node's state that is all in memory.
#[derive(Clone, Default)]
pub struct MemoryAccounts {
    pub accounts: BTreeMap<ServiceId, ServiceAccount>,
    pub storage: BTreeMap<(ServiceId, Vec<u8>), Bytes>,
    pub preimages: BTreeMap<(ServiceId, Hash), Bytes>,
    pub requests: BTreeMap<(ServiceId, RequestKey), Timeline>,
    /// Whether looking into any dictionary fails.
    pub broken: bool,
}

impl MemoryAccounts {
    /// Adds an account whose footprint is whatever the other functions add.
    pub fn add(&mut self, service: ServiceId, balance: u64, code_hash: Hash) {
        let account = ServiceAccount {
            code_hash,
            balance,
            min_item_gas: Gas(10),
            min_memo_gas: Gas(20),
            created: TimeSlot(1),
            last_accumulated: TimeSlot(2),
            parent: ServiceId(3),
            ..ServiceAccount::default()
        };
        self.accounts.insert(service, account);
    }

    pub fn store(&mut self, service: ServiceId, key: &[u8], value: &[u8]) {
        let account = self.accounts.get_mut(&service).expect("added before");
        account.items += 1;
        account.octets += 34 + (key.len() + value.len()) as u64;
        self.storage.insert((service, key.to_vec()), value.into());
    }

    pub fn request(&mut self, service: ServiceId, key: RequestKey, timeline: Timeline) {
        let account = self.accounts.get_mut(&service).expect("added before");
        account.items += 2;
        account.octets += 81 + u64::from(key.1);
        self.requests.insert((service, key), timeline);
    }

    pub fn preimage(&mut self, service: ServiceId, preimage: &[u8]) -> Hash {
        let hash = Hash::of(preimage);
        self.preimages.insert((service, hash), preimage.into());
        hash
    }

    /// Balance above what the account must have.
    pub fn set_free_balance(&mut self, service: ServiceId, free: u64) {
        let account = self.accounts.get_mut(&service).expect("added before");
        account.balance = account.threshold(&ChainConstants::tiny()) as u64 + free;
    }

    fn checked<T>(&self, value: T) -> Result<T, HostError> {
        if self.broken { Err("the database is gone".into()) } else { Ok(value) }
    }
}

impl Accounts for MemoryAccounts {
    fn account(&self, service: ServiceId) -> Result<Option<ServiceAccount>, HostError> {
        Ok(self.accounts.get(&service).cloned())
    }

    fn storage(&self, service: ServiceId, key: &[u8]) -> Result<Option<Bytes>, HostError> {
        self.checked(self.storage.get(&(service, key.to_vec())).cloned())
    }

    fn preimage(&self, service: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError> {
        Ok(self.preimages.get(&(service, *hash)).cloned())
    }

    fn request(&self, service: ServiceId, key: RequestKey) -> Result<Option<Timeline>, HostError> {
        self.checked(self.requests.get(&(service, key)).copied())
    }
}
