//! Accumulate (GP B.4, Ψ_A).

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tvm_isa::Gas;
use tvm_isa::codec::encode_natural;

use super::program::{Output, Program, code_of, run};
use super::{Chain, ENTRY_ACCUMULATE, InvocationEnd};
use crate::engine::Engine;
use crate::error::Error;
use crate::jam::accumulate::{AccumulateHost, Context, Layer, Surroundings, changes, first_service_id};
use crate::jam::codec::encode_input;
use crate::jam::general::InputsSource;
use crate::jam::observer::Observer;
use crate::jam::state::{AccountChange, AccountChanges, AccountDelta};
use crate::jam::types::{
    AccumulationInput, AuthorizerQueue, Bytes, DeferredTransfer, Hash, Privileges, ServiceAccount, ServiceId, TimeSlot,
};
use crate::jam::version::JamRules;

/// What accumulate is given (GP: e, t, s, g, i).
#[derive(Clone, Copy, Debug)]
pub struct AccumulateInput<'a> {
    /// The chain, with the accounts of the partial state.
    pub chain: Chain<'a>,
    /// The partial state's privileges.
    pub privileges: &'a Arc<Privileges>,
    /// The block's slot.
    pub slot: TimeSlot,
    /// η'_0.
    pub entropy: Hash,
    /// The service.
    pub service: ServiceId,
    /// Gas limit.
    pub gas: Gas,
    /// Operands and transfers, in order.
    pub inputs: &'a [AccumulationInput],
}

/// What came of it (GP eq:acconeout), as changes of what the invocation was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accumulated {
    /// How the guest's run ended.
    pub end: InvocationEnd,
    /// Gas used (GP: u).
    pub gas_used: Gas,
    /// Changes of accounts: the service's own, whose record is there even if nothing else happened to it than being
    /// credited; new ones; ejected ones.
    pub accounts: AccountChanges,
    /// Privileges as the service left them; `None` if it did not touch them.
    pub privileges: Option<Arc<Privileges>>,
    /// Staging validator set, if the service set it: keys of 336 octets behind each other.
    pub staging: Option<Bytes>,
    /// Authorizer queues that the service set, by core.
    pub queues: BTreeMap<u16, AuthorizerQueue>,
    /// Transfers to be delivered later (GP: t).
    pub transfers: Vec<DeferredTransfer>,
    /// What the accumulation yields (GP: y).
    pub yielded: Option<Hash>,
    /// Preimages to be given to services (GP: p), by service and hash.
    pub provisions: BTreeMap<(ServiceId, Hash), Bytes>,
}

/// Accumulates a service (GP Ψ_A).
///
/// Amounts of incoming transfers are credited first and stay credited whatever happens, but if there is no such service
/// they are lost. Without code, or with code of more than W_C octets after its metadata, nothing runs.
///
/// # Errors
/// When the node's state could not be read, or the machine failed. Nothing about the guest follows from it.
pub fn accumulate(
    engine: &Engine,
    input: &AccumulateInput<'_>,
    observer: Option<&mut dyn Observer>,
) -> Result<Accumulated, Error> {
    let AccumulateInput { chain, privileges, slot, entropy, service, gas, inputs } = *input;
    let Chain { version, constants, accounts } = chain;
    let rules = JamRules::of(version);
    let Some(before) = accounts.account(service).map_err(Error::Host)? else {
        return Ok(Accumulated::not_run(AccountChanges::default()));
    };
    let credited = credit(&before, inputs);
    let preimage = accounts.preimage(service, &before.code_hash).map_err(Error::Host)?;
    let runnable = |preimage: &Bytes| {
        code_of(preimage).is_some_and(|code| code.len() as u64 <= u64::from(constants.service_code_bytes))
    };
    let Some(preimage) = preimage.filter(runnable) else {
        let own = AccountChange::Changed(AccountDelta::unchanged(credited));
        return Ok(Accumulated::not_run(AccountChanges(BTreeMap::from([(service, own)]))));
    };

    let first_id = first_service_id(rules, accounts, service, &entropy, slot).map_err(Error::Host)?;
    let surroundings = Surroundings { service, base: accounts, constants, slot };
    let context = Context::new(surroundings, privileges, first_id, credited);
    let encode =
        |input: &AccumulationInput, rules: &'static JamRules, out: &mut Vec<u8>| encode_input(input, rules, out);
    let source = InputsSource { rules, constants, entropy, inputs, encode, first_kind: 14, encoded: OnceCell::new() };

    let mut arguments = Vec::new();
    for number in [u64::from(slot.0), u64::from(service.0), inputs.len() as u64] {
        encode_natural(number, &mut arguments);
    }
    let program = Program {
        engine,
        rules,
        service,
        code_hash: before.code_hash,
        preimage,
        entry: ENTRY_ACCUMULATE,
        gas,
        arguments,
        max_output: Hash::LEN,
    };
    let (ended, host) = run(program, |heap| AccumulateHost { context, source, heap }, observer)?;
    let (layer, output) = match (ended.end, ended.output) {
        (InvocationEnd::Halt, Output::Bytes(bytes)) => (host.context.into_regular(), bytes),
        (InvocationEnd::Halt, Output::TooLong) => (host.context.into_regular(), Vec::new()),
        _ => (host.context.into_exceptional(), Vec::new()),
    };
    let mut accumulated = Accumulated::of(layer, service, chain)?;
    accumulated.end = ended.end;
    accumulated.gas_used = ended.gas_used;
    // An output of exactly a hash's length goes before what `yield` set.
    if let Ok(hash) = <[u8; 32]>::try_from(output) {
        accumulated.yielded = Some(Hash(hash));
    }
    Ok(accumulated)
}

/// The account with the incoming amounts. All balances together are what was once issued, so that the sum only leaves 64
/// bits in states that never were a chain's; it stops at the greatest number there.
fn credit(account: &ServiceAccount, inputs: &[AccumulationInput]) -> ServiceAccount {
    let mut credited = account.clone();
    for input in inputs {
        if let AccumulationInput::Transfer(transfer) = input {
            credited.balance = credited.balance.saturating_add(transfer.amount);
        }
    }
    credited
}

impl Accumulated {
    fn not_run(accounts: AccountChanges) -> Self {
        Self {
            end: InvocationEnd::NotRun,
            gas_used: Gas(0),
            accounts,
            privileges: None,
            staging: None,
            queues: BTreeMap::new(),
            transfers: Vec::new(),
            yielded: None,
            provisions: BTreeMap::new(),
        }
    }

    /// The changes of a dimension.
    fn of(mut layer: Layer, service: ServiceId, chain: Chain<'_>) -> Result<Self, Error> {
        let accounts = changes(&mut layer, service, chain.accounts).map_err(Error::Host)?;
        let Layer { accounts: _, privileges, staging, queues, next_id: _, yielded, provisions, transfers } = layer;
        Ok(Self { privileges, staging, queues, transfers, yielded, provisions, ..Self::not_run(accounts) })
    }
}
