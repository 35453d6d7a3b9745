//! Indices of new services (GP B.4, eq:newserviceindex).

use tvm_isa::codec::encode_natural;

use crate::host_call::HostError;
use crate::jam::state::Accounts;
use crate::jam::types::{Hash, ServiceId, TimeSlot};
use crate::jam::version::JamRules;

/// Indices at the upper end that are never given out, besides those below the first public one.
const RESERVED_AT_END: u64 = 1 << 8;

/// How far apart the indices are that one accumulation gives out.
const STRIDE: u64 = 42;

/// The first index that an accumulation of `service` would give to a new service.
pub(crate) fn first_service_id(
    rules: &JamRules,
    base: &dyn Accounts,
    service: ServiceId,
    entropy: &Hash,
    slot: TimeSlot,
) -> Result<ServiceId, HostError> {
    let mut seed = Vec::with_capacity(42);
    encode_natural(service.0.into(), &mut seed);
    seed.extend_from_slice(&entropy.0);
    encode_natural(slot.0.into(), &mut seed);
    let [b0, b1, b2, b3, ..] = Hash::of(&seed).0;
    check(rules, base, u32::from_le_bytes([b0, b1, b2, b3]).into())
}

/// The index after `id`.
pub(super) fn next_service_id(rules: &JamRules, base: &dyn Accounts, id: ServiceId) -> Result<ServiceId, HostError> {
    check(rules, base, u64::from(id.0.saturating_sub(rules.first_public_service)) + STRIDE)
}

/// GP: check, the first index from `offset` on that is free. Offsets are from the first public index. Which ones are free
/// is asked of the accounts before the accumulation, as the text says, so accounts that the guest created do not count.
fn check(rules: &JamRules, base: &dyn Accounts, offset: u64) -> Result<ServiceId, HostError> {
    let first = u64::from(rules.first_public_service);
    let span = (1 << 32) - first - RESERVED_AT_END;
    let mut offset = offset % span;
    loop {
        // Below 2^32, as first + span is.
        let id = ServiceId((first + offset) as u32);
        if base.account(id)?.is_none() {
            return Ok(id);
        }
        offset = (offset + 1) % span;
    }
}
