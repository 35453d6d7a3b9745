//! The host function historical_lookup, and the lookup behind it.

use crate::host_call::HostError;
use crate::jam::call::{Call, Stop};
use crate::jam::general::service_argument;
use crate::jam::state::Accounts;
use crate::jam::types::{Bytes, Hash, ServiceId, TimeSlot};

/// GP Λ (eq:historicallookup): the preimage of `hash`, if it is there and its request says that it was available at
/// `slot`.
pub(crate) fn available_preimage(
    accounts: &dyn Accounts,
    service: ServiceId,
    slot: TimeSlot,
    hash: &Hash,
) -> Result<Option<Bytes>, HostError> {
    let Some(preimage) = accounts.preimage(service, hash)? else {
        return Ok(None);
    };
    let Ok(len) = u32::try_from(preimage.len()) else {
        return Ok(None);
    };
    let timeline = accounts.request(service, (*hash, len))?;
    Ok(timeline.is_some_and(|timeline| timeline.available_at(slot)).then_some(preimage))
}

/// **historical_lookup** (0.7: 6, 0.8.0: 7). Copies a preimage that was available at the lookup anchor, or a part of it,
/// to the guest.
///
/// φ7 service, φ8 address of the hash, φ9 destination, φ10 offset, φ11 length.
/// Panics when the hash is not readable or the part's destination not writable. φ7 ← NONE when there is no such service or
/// the preimage was not available, otherwise the preimage's length.
pub(super) fn historical_lookup(
    call: &mut Call<'_>,
    accounts: &dyn Accounts,
    caller: ServiceId,
    slot: TimeSlot,
) -> Result<(), Stop> {
    let hash = call.read_hash(call.reg(8))?;
    let preimage = match service_argument(call.reg(7), caller) {
        Some(service) => available_preimage(accounts, service, slot, &hash)?,
        None => None,
    };
    call.answer_window(9, 10, preimage.as_deref())
}
