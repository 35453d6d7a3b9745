//! Host functions that create, alter and remove services: new, upgrade, eject.

use tvm_isa::Gas;

use super::context::Context;
use super::footprint::{Footprint, REQUEST_OCTETS};
use super::preimages::is_expungeable;
use super::service_ids::next_service_id;
use crate::jam::call::{Call, Stop};
use crate::jam::results::{CASH, FULL, HUH, OK, WHO};
use crate::jam::state::{AccountDelta, Accounts};
use crate::jam::types::{Hash, ServiceAccount, ServiceId, TimeSlot, Timeline};

/// **new** (0.7: 18, 0.8.0: 19). Creates a service whose code is requested but not there yet, and gives it the balance it
/// must have.
///
/// φ7 address of the code hash, φ8 length of the code's preimage, φ9 least gas for an item, φ10 least gas for a transfer,
/// φ11 gratis deposit, φ12 wanted index, which only counts for the registrar and below 2^16 (not before GP 0.7.1).
/// Panics when the hash is not readable or the length does not fit 32 bits. φ7 ← HUH when there is a gratis deposit and
/// the caller is not the manager, CASH when the caller cannot afford it, FULL when the wanted index is taken, otherwise
/// the new service's index.
pub(super) fn new(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let rules = call.rules;
    let [len, min_item_gas, min_memo_gas, gratis, wanted] = [8, 9, 10, 11, 12].map(|reg| call.reg(reg));
    let code_hash = call.read_hash(call.reg(7))?;
    let len = u32::try_from(len).map_err(|_| Stop::Panic)?;
    let service = context.service();
    if gratis != 0 && service != context.privileges().manager {
        call.answer(HUH);
        return Ok(());
    }
    let created = Created { code_hash, len, min_item_gas, min_memo_gas, gratis };
    let (account, delta) = created.account(context)?;

    let own = context.own()?;
    let affordable = own.balance.checked_sub(account.balance);
    let Some(left) = affordable.filter(|&left| u128::from(left) >= own.threshold(context.constants())) else {
        call.answer(CASH);
        return Ok(());
    };
    let registrar = rules.has_registrar && service == context.privileges().registrar;
    let id = match u32::try_from(wanted) {
        Ok(wanted) if registrar && wanted < rules.first_public_service => {
            if context.account(ServiceId(wanted))?.is_some() {
                call.answer(FULL);
                return Ok(());
            }
            ServiceId(wanted)
        }
        _ => {
            let id = context.next_id();
            let next = next_service_id(rules, context.base(), id)?;
            context.set_next_id(next);
            id
        }
    };
    context.own_delta()?.account.balance = left;
    context.create(id, delta);
    call.answer(id.0.into());
    Ok(())
}

/// What a guest says about the service it creates.
struct Created {
    code_hash: Hash,
    len: u32,
    min_item_gas: u64,
    min_memo_gas: u64,
    gratis: u64,
}

impl Created {
    /// The new account, whose balance is its threshold.
    fn account(self, context: &Context<'_>) -> Result<(ServiceAccount, AccountDelta), Stop> {
        let Self { code_hash, len, min_item_gas, min_memo_gas, gratis } = self;
        let empty = ServiceAccount {
            code_hash,
            balance: 0,
            min_item_gas: Gas(min_item_gas),
            min_memo_gas: Gas(min_memo_gas),
            octets: 0,
            items: 0,
            gratis,
            created: context.slot(),
            last_accumulated: TimeSlot(0),
            parent: context.service(),
        };
        let mut footprint = Footprint::of(&empty);
        footprint.add_request(len.into());
        let too_large =
            || Stop::Host("the chain's constants ask for a deposit of more than 2^64 for an empty service".into());
        let mut account = footprint.applied(empty).ok_or_else(too_large)?;
        account.balance = u64::try_from(account.threshold(context.constants())).map_err(|_| too_large())?;
        let mut delta = AccountDelta { created: true, ..AccountDelta::unchanged(account.clone()) };
        delta.requests.insert((code_hash, len), Some(Timeline::Requested));
        Ok((account, delta))
    }
}

/// **upgrade** (0.7: 19, 0.8.0: 20). Sets the caller's code and least gas. Whether there is such code does not matter.
///
/// φ7 address of the code hash, φ8 least gas for an item, φ9 least gas for a transfer.
/// Panics when the hash is not readable. φ7 ← OK.
pub(super) fn upgrade(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let code_hash = call.read_hash(call.reg(7))?;
    let own = &mut context.own_delta()?.account;
    own.code_hash = code_hash;
    own.min_item_gas = Gas(call.reg(8));
    own.min_memo_gas = Gas(call.reg(9));
    call.answer(OK);
    Ok(())
}

/// **eject** (0.7: 21, 0.8.0: 22). Removes a service that asked for it by making the caller's index its code hash, and
/// takes over its balance.
///
/// φ7 the service, φ8 address of the hash of its last request.
/// Panics when the hash is not readable. φ7 ← WHO when there is no such service, or it is the caller, or its code hash is
/// another; HUH when it has more than that one request, or the preimage was not forgotten long enough ago; otherwise OK.
pub(super) fn eject(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let hash = call.read_hash(call.reg(8))?;
    let victim = u32::try_from(call.reg(7)).ok().map(ServiceId).filter(|&id| id != context.service());
    let account = match victim {
        Some(id) => context.account(id)?.map(|account| (id, account)),
        None => None,
    };
    let Some((id, account)) = account.filter(|(_, account)| account.code_hash == index_as_hash(context.service()))
    else {
        call.answer(WHO);
        return Ok(());
    };
    let len = u32::try_from(account.octets.saturating_sub(REQUEST_OCTETS));
    let timeline = match len {
        Ok(len) if account.items == 2 => context.request(id, (hash, len))?.map(|timeline| (len, timeline)),
        _ => None,
    };
    let len = match timeline {
        Some((len, Timeline::Forgotten(_, until))) if is_expungeable(until, context) => len,
        _ => {
            call.answer(HUH);
            return Ok(());
        }
    };
    let own = &mut context.own_delta()?.account;
    // Balances add up to what was issued, so this only saturates in states that never were a chain's.
    own.balance = own.balance.saturating_add(account.balance);
    context.remove(id, (hash, len));
    call.answer(OK);
    Ok(())
}

/// GP: E_32 of a service's index.
fn index_as_hash(service: ServiceId) -> Hash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&service.0.to_le_bytes());
    Hash(bytes)
}
