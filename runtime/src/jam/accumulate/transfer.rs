//! The host function transfer.

use tvm_isa::Gas;

use super::context::Context;
use crate::jam::call::{Call, Stop};
use crate::jam::results::{CASH, LOW, OK, WHO};
use crate::jam::state::Accounts;
use crate::jam::types::{DeferredTransfer, ServiceId};

/// **transfer** (0.7: 20, 0.8.0: 21). Sends tokens to a service, which may be the caller. They leave at once and arrive
/// later.
///
/// φ7 destination, φ8 amount, φ9 gas for the destination, φ10 address of the memo, 128 octets.
/// Panics when the memo is not readable. φ7 ← WHO when there is no such service, LOW when the gas is below what it asks
/// for, CASH when too little would remain, otherwise OK.
/// The gas for the destination is charged on top when the call succeeds; up to GP 0.7.1 it is part of the call's cost
/// whatever comes of it.
pub(super) fn transfer(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let [destination, amount, gas, memo] = [7, 8, 9, 10].map(|reg| call.reg(reg));
    let memo = call.read_array(memo)?;
    let destination = u32::try_from(destination).ok().map(ServiceId);
    let receiver = match destination {
        Some(id) => context.account(id)?.map(|account| (id, account)),
        None => None,
    };
    let Some((destination, receiver)) = receiver else {
        call.answer(WHO);
        return Ok(());
    };
    if gas < receiver.min_memo_gas.0 {
        call.answer(LOW);
        return Ok(());
    }
    let own = context.own()?;
    let left = own.balance.checked_sub(amount);
    let Some(left) = left.filter(|&left| u128::from(left) >= own.threshold(context.constants())) else {
        call.answer(CASH);
        return Ok(());
    };
    if call.rules.transfer_charges_success {
        call.charge(gas.into())?;
    }
    context.own_delta()?.account.balance = left;
    let source = context.service();
    context.push_transfer(DeferredTransfer { source, destination, amount, memo, gas: Gas(gas) });
    call.answer(OK);
    Ok(())
}
