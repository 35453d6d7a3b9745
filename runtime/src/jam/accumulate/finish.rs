//! From a dimension to what the node merges.

use super::context::Layer;
use crate::host_call::HostError;
use crate::jam::state::{AccountChange, AccountChanges, Accounts};
use crate::jam::types::ServiceId;

/// The changes of accounts that count when results are merged (GP eq:accpar).
///
/// From an accumulation the merge takes its own account, accounts that did not exist, and the news that accounts do not
/// exist any more. An account that existed, was ejected and then created anew under the same index is none of these, so
/// nothing happens to it at all.
pub(crate) fn changes(layer: &mut Layer, own: ServiceId, base: &dyn Accounts) -> Result<AccountChanges, HostError> {
    let mut changes = std::mem::take(&mut layer.accounts);
    let mut existed = Vec::new();
    for (&service, change) in &changes.0 {
        if service != own && matches!(change, AccountChange::Changed(_)) && base.account(service)?.is_some() {
            existed.push(service);
        }
    }
    existed.iter().for_each(|service| {
        changes.0.remove(service);
    });
    Ok(changes)
}
