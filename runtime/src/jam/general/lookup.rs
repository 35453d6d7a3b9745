//! The host function lookup.

use super::service_argument;
use crate::jam::call::{Call, Stop};
use crate::jam::state::Accounts;
use crate::jam::types::ServiceId;

/// **lookup** (0.7: 2, 0.8.0: 3). Copies a preimage, or a part of it, to the guest. Whether it is requested, and since
/// when, does not matter.
///
/// φ7 service, φ8 address of the hash, φ9 destination, φ10 offset, φ11 length.
/// Panics when the hash is not readable or the part's destination not writable. φ7 ← NONE when there is no such service
/// or preimage, otherwise the preimage's length.
pub(crate) fn lookup(call: &mut Call<'_>, accounts: &impl Accounts, caller: ServiceId) -> Result<(), Stop> {
    let hash = call.read_hash(call.reg(8))?;
    let preimage = match service_argument(call.reg(7), caller) {
        Some(service) => accounts.preimage(service, &hash)?,
        None => None,
    };
    call.answer_window(9, 10, preimage.as_deref())
}
