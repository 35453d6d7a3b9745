//! The host function info.

use super::service_argument;
use crate::jam::call::{Call, Stop};
use crate::jam::codec::encode_info;
use crate::jam::constants::ChainConstants;
use crate::jam::state::Accounts;
use crate::jam::types::ServiceId;

/// **info** (0.7: 5, 0.8.0: 6). Copies an account's record, 96 octets as [`encode_info`] has them, or a part of it to the
/// guest.
///
/// φ7 service, φ8 destination, φ9 offset, φ10 length. (The text of GP 0.7.1 has φ11 and φ12 for the last two; the public
/// traces of GP 0.7.0 have these.)
/// Panics when the part's destination is not writable. φ7 ← NONE when there is no such service, otherwise 96.
pub(crate) fn info(
    call: &mut Call<'_>,
    accounts: &impl Accounts,
    caller: ServiceId,
    constants: &ChainConstants,
) -> Result<(), Stop> {
    let account = match service_argument(call.reg(7), caller) {
        Some(service) => accounts.account(service)?,
        None => None,
    };
    let value = account.map(|account| encode_info(&account, account.threshold(constants)));
    call.answer_window(8, 9, value.as_deref())
}
