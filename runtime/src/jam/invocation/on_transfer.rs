//! On-transfer (GP 0.7.0 B.5, Ψ_T); since GP 0.7.1 transfers are inputs of accumulate instead.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tvm_isa::Gas;
use tvm_isa::codec::encode_natural;

use super::program::{Program, code_of, run};
use super::{Chain, ENTRY_ON_TRANSFER, InvocationEnd};
use crate::engine::Engine;
use crate::error::Error;
use crate::jam::accumulate::{Context, Surroundings};
use crate::jam::call::{Call, Stop};
use crate::jam::codec::encode_transfer;
use crate::jam::dispatch::{Host, not_served};
use crate::jam::general::{self, GrowingHeap, InputsSource};
use crate::jam::observer::Observer;
use crate::jam::state::{AccountChange, AccountChanges, AccountDelta};
use crate::jam::table::{Entry, HostFunction, Setting};
use crate::jam::types::{Bytes, DeferredTransfer, Hash, Privileges, ServiceId, TimeSlot};
use crate::jam::version::JamRules;

/// What on-transfer is given (GP: d, t, s, t).
#[derive(Clone, Copy, Debug)]
pub struct OnTransferInput<'a> {
    /// The chain, with the accounts after accumulation.
    pub chain: Chain<'a>,
    /// The block's slot.
    pub slot: TimeSlot,
    /// η'_0.
    pub entropy: Hash,
    /// The receiving service.
    pub service: ServiceId,
    /// All transfers to it, in order.
    pub transfers: &'a [DeferredTransfer],
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transferred {
    /// How the guest's run ended.
    pub end: InvocationEnd,
    /// Gas used.
    pub gas_used: Gas,
    /// The receiver's account. There is no dimension to fall back to: what the guest wrote stays, however it ended.
    pub accounts: AccountChanges,
}

/// Tells a service of incoming transfers (GP 0.7.0 Ψ_T).
///
/// Amounts are credited first. Without transfers or code, or with code of more than W_C octets after its metadata,
/// nothing runs. If there is no such service, the amounts are lost.
///
/// # Errors
/// When the node's state could not be read, or the machine failed.
pub fn on_transfer(
    engine: &Engine,
    input: &OnTransferInput<'_>,
    observer: Option<&mut dyn Observer>,
) -> Result<Transferred, Error> {
    let OnTransferInput { chain, slot, entropy, service, transfers } = *input;
    let Chain { version, constants, accounts } = chain;
    let rules = JamRules::of(version);
    let not_run = |accounts| Ok(Transferred { end: InvocationEnd::NotRun, gas_used: Gas(0), accounts });
    let Some(mut account) = accounts.account(service).map_err(Error::Host)? else {
        return not_run(AccountChanges::default());
    };
    for transfer in transfers {
        account.balance = account.balance.saturating_add(transfer.amount);
    }
    let code_hash = account.code_hash;
    let preimage = accounts.preimage(service, &code_hash).map_err(Error::Host)?;
    let runnable = |preimage: &Bytes| {
        code_of(preimage).is_some_and(|code| code.len() as u64 <= u64::from(constants.service_code_bytes))
    };
    let Some(preimage) = preimage.filter(runnable).filter(|_| !transfers.is_empty()) else {
        let own = AccountChange::Changed(AccountDelta::unchanged(account));
        return not_run(AccountChanges(BTreeMap::from([(service, own)])));
    };

    // No host function of on-transfer looks at privileges or makes services.
    let privileges = Arc::new(Privileges::default());
    let surroundings = Surroundings { service, base: accounts, constants, slot };
    let context = Context::new(surroundings, &privileges, ServiceId(0), account);
    let encode = |transfer: &DeferredTransfer, _: &'static JamRules, out: &mut Vec<u8>| encode_transfer(transfer, out);
    let inputs = transfers;
    let source = InputsSource { rules, constants, entropy, inputs, encode, first_kind: 16, encoded: OnceCell::new() };

    let mut arguments = Vec::new();
    for number in [u64::from(slot.0), u64::from(service.0), transfers.len() as u64] {
        encode_natural(number, &mut arguments);
    }
    let gas = transfers.iter().fold(0, |gas: u64, transfer| gas.saturating_add(transfer.gas.0));
    let program = Program {
        engine,
        rules,
        service,
        code_hash,
        preimage,
        entry: ENTRY_ON_TRANSFER,
        gas: Gas(gas),
        arguments,
        max_output: 0,
    };
    let (ended, host) = run(program, |heap| OnTransferHost { context, source, heap }, observer)?;
    let accounts = host.context.into_regular().accounts;
    Ok(Transferred { end: ended.end, gas_used: ended.gas_used, accounts })
}

/// Serves on-transfer's host calls.
struct OnTransferHost<'a> {
    context: Context<'a>,
    source: InputsSource<'a, DeferredTransfer>,
    heap: GrowingHeap,
}

impl Host for OnTransferHost<'_> {
    const SETTING: Setting = Setting::OnTransfer;

    fn service(&self) -> ServiceId {
        self.context.service()
    }

    fn serve(&mut self, entry: &'static Entry, call: &mut Call<'_>) -> Result<(), Stop> {
        let Self { context, source, heap } = self;
        let (service, constants) = (context.service(), context.constants());
        match entry.function {
            HostFunction::Gas => general::gas(call),
            HostFunction::GrowHeap => general::grow_heap(call, entry, heap),
            HostFunction::Fetch => general::fetch(call, source),
            HostFunction::Lookup => general::lookup(call, context, service),
            HostFunction::Read => general::read(call, context),
            HostFunction::Write => general::write(call, context),
            // The text of GP 0.7.0 hands `info` the accounts before the credit. The guest's own account is shown as it is
            // now instead, as everywhere else.
            HostFunction::Info => general::info(call, context, service, constants),
            other => Err(not_served(other)),
        }
    }
}
