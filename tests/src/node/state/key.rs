//! State keys (GP D.1).

use core::fmt;

use tvm_runtime::jam::types::{Hash, ServiceId};

/// Key of an entry of the state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(pub [u8; 31]);

/// The state's chapters that are single values, by number (GP: C(i)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it; model::chain describes each value")]
pub enum Component {
    AuthPools = 1,
    AuthQueues,
    RecentBlocks,
    Safrole,
    Disputes,
    Entropy,
    StagingValidators,
    CurrentValidators,
    PreviousValidators,
    PendingReports,
    Slot,
    Privileges,
    Statistics,
    ReadyQueue,
    Accumulated,
    LastOutputs,
}

impl Component {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::AuthPools,
        Self::AuthQueues,
        Self::RecentBlocks,
        Self::Safrole,
        Self::Disputes,
        Self::Entropy,
        Self::StagingValidators,
        Self::CurrentValidators,
        Self::PreviousValidators,
        Self::PendingReports,
        Self::Slot,
        Self::Privileges,
        Self::Statistics,
        Self::ReadyQueue,
        Self::Accumulated,
        Self::LastOutputs,
    ];

    /// The component's key.
    #[must_use]
    pub fn key(self) -> StateKey {
        let mut key = [0; 31];
        key[0] = self as u8;
        StateKey(key)
    }
}

/// First byte of account records' keys.
const ACCOUNTS: u8 = 255;

/// What stands in front of a storage key before it is hashed.
const STORAGE: u32 = u32::MAX;

/// What stands in front of a preimage's hash before it is hashed.
const PREIMAGE: u32 = u32::MAX - 1;

impl StateKey {
    /// Key of the account record of `service`.
    #[must_use]
    pub fn account(service: ServiceId) -> Self {
        let mut key = [0; 31];
        key[0] = ACCOUNTS;
        for (at, byte) in service.0.to_le_bytes().into_iter().enumerate() {
            key[1 + 2 * at] = byte;
        }
        Self(key)
    }

    /// Key of what `service` stores under `name`.
    #[must_use]
    pub fn storage(service: ServiceId, name: &[u8]) -> Self {
        Self::of_service(service, STORAGE, name)
    }

    /// Key of the preimage of `hash` that `service` has.
    #[must_use]
    pub fn preimage(service: ServiceId, hash: &Hash) -> Self {
        Self::of_service(service, PREIMAGE, &hash.0)
    }

    /// Key of the request of `service` for the preimage of `hash` with `len` bytes.
    #[must_use]
    pub fn request(service: ServiceId, hash: &Hash, len: u32) -> Self {
        Self::of_service(service, len, &hash.0)
    }

    fn of_service(service: ServiceId, kind: u32, name: &[u8]) -> Self {
        let Hash(hash) = Hash::of(&[&kind.to_le_bytes(), name].concat());
        let mut key = [0; 31];
        for (at, byte) in service.0.to_le_bytes().into_iter().enumerate() {
            key[2 * at] = byte;
            key[2 * at + 1] = hash[at];
        }
        key[8..].copy_from_slice(&hash[4..27]);
        Self(key)
    }

    /// The component with this key.
    #[must_use]
    pub fn as_component(&self) -> Option<Component> {
        Component::ALL.into_iter().find(|component| component.key() == *self)
    }

    /// The service whose account record has this key.
    #[must_use]
    pub fn as_account(&self) -> Option<ServiceId> {
        let [_, a, _, b, _, c, _, d, ..] = self.0;
        let service = ServiceId(u32::from_le_bytes([a, b, c, d]));
        (Self::account(service) == *self).then_some(service)
    }

    /// The service whose data has this key, if it is neither a component's nor an account record's.
    #[must_use]
    pub fn as_service_data(&self) -> Option<ServiceId> {
        let [a, _, b, _, c, _, d, ..] = self.0;
        let other = self.as_component().is_none() && self.as_account().is_none();
        other.then_some(ServiceId(u32::from_le_bytes([a, b, c, d])))
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(component) = self.as_component() {
            return write!(f, "C({}) {component:?}", component as u8);
        }
        if let Some(service) = self.as_account() {
            return write!(f, "account of service {service}");
        }
        match self.as_service_data() {
            Some(service) => write!(f, "data of service {service} at {}", hex::encode(self.0)),
            None => write!(f, "{}", hex::encode(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_what_they_are() {
        assert_eq!(Component::LastOutputs as u8, 16);
        for component in Component::ALL {
            assert_eq!(component.key().as_component(), Some(component));
        }
        for service in [0, 1, 0x1234_5678, u32::MAX].map(ServiceId) {
            assert_eq!(StateKey::account(service).as_account(), Some(service));
            let data = StateKey::storage(service, b"name");
            assert_eq!(data.as_service_data(), Some(service));
            assert_eq!((data.as_account(), data.as_component()), (None, None));
        }
        assert_ne!(
            StateKey::preimage(ServiceId(1), &Hash([7; 32])),
            StateKey::request(ServiceId(1), &Hash([7; 32]), 32)
        );
    }
}
