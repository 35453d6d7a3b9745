//! The host functions read and write.

use super::service_argument;
use crate::jam::accumulate::Context;
use crate::jam::accumulate::Footprint;
use crate::jam::call::{Call, Stop};
use crate::jam::results::{FULL, NONE};
use crate::jam::state::Accounts;

/// **read** (0.7: 3, 0.8.0: 4). Copies a storage value, or a part of it, to the guest.
///
/// φ7 service, φ8 address of the key, φ9 its length, φ10 destination, φ11 offset, φ12 length.
/// Panics when the key is not readable or the part's destination not writable. φ7 ← NONE when there is no such service or
/// entry, otherwise the value's length.
pub(crate) fn read(call: &mut Call<'_>, context: &Context<'_>) -> Result<(), Stop> {
    let key = call.read(call.reg(8), call.reg(9))?;
    let value = match service_argument(call.reg(7), context.service()) {
        Some(service) => context.storage(service, &key)?,
        None => None,
    };
    call.answer_window(10, 11, value.as_deref())
}

/// **write** (0.7: 4, 0.8.0: 5). Sets an entry of the caller's storage, or removes it when the value has no bytes.
///
/// φ7 address of the key, φ8 its length, φ9 address of the value, φ10 its length.
/// Panics when key or value are not readable. φ7 ← FULL when the balance does not cover the footprint that would be,
/// also that of a removal; otherwise the length of the old value, or NONE when there was none.
pub(crate) fn write(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let [key_start, key_len, value_start, value_len] = [7, 8, 9, 10].map(|reg| call.reg(reg));
    call.need_readable(key_start, key_len)?;
    call.need_readable(value_start, value_len)?;
    let key = call.read(key_start, key_len)?;
    let service = context.service();
    let old = context.storage(service, &key)?;

    let own = context.own()?;
    let mut footprint = Footprint::of(&own);
    if let Some(old) = &old {
        footprint.remove_storage(key_len, old.len() as u64);
    }
    if value_len > 0 {
        footprint.add_storage(key_len, value_len);
    }
    let Some(own) = footprint.covered(own, context.constants()) else {
        call.answer(FULL);
        return Ok(());
    };
    // Removing what is not there changes nothing.
    if old.is_some() || value_len > 0 {
        let value = if value_len > 0 { Some(call.read(value_start, value_len)?.into()) } else { None };
        let delta = context.own_delta()?;
        delta.account = own;
        delta.storage.insert(key, value);
    }
    call.answer(old.map_or(NONE, |old| old.len() as u64));
    Ok(())
}
