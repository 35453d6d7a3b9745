//! From `ecalli` to host function: who may call what, gas, and what observers get to see.

use tvm_isa::Gas;

use super::call::{Call, Record, Stop};
use super::observer::{HostCallEvent, LogMessage, Observer, Phase};
use super::results::WHAT;
use super::table::{Entry, HostFunction, LOG, Setting, find};
use super::types::ServiceId;
use super::version::JamRules;
use crate::host_call::{Guest, HostAction, HostCalls, HostError};

/// The most bytes of a log message, and of its target, that are passed on.
pub const MAX_LOG_BYTES: u64 = 1 << 16;

/// An invocation's side of host calls.
pub(crate) trait Host {
    /// Which invocation it is.
    const SETTING: Setting;

    /// The service whose code runs.
    fn service(&self) -> ServiceId;

    /// Serves a call that exists in [`Self::SETTING`] and is paid for, but for what the function itself charges.
    fn serve(&mut self, entry: &'static Entry, call: &mut Call<'_>) -> Result<(), Stop>;
}

/// Serves a guest's calls through a [`Host`].
pub(crate) struct Dispatcher<'a, H> {
    pub rules: &'static JamRules,
    pub host: H,
    pub observer: Option<&'a mut dyn Observer>,
}

impl<H: Host> HostCalls for Dispatcher<'_, H> {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        let Self { rules, host, observer } = self;
        let Some(observer) = observer else { return plain(host, rules, id, guest) };
        observer.phase(Phase::HostCall(id));
        let action = if observer.wants_host_calls() {
            observed(host, rules, *observer, id, guest)
        } else {
            plain(host, rules, id, guest)
        };
        observer.phase(Phase::Guest);
        action
    }
}

impl<H> Dispatcher<'_, H> {
    /// Tells the observer, if there is one.
    pub(crate) fn enter(&mut self, phase: Phase) {
        if let Some(observer) = &mut self.observer {
            observer.phase(phase);
        }
    }
}

fn plain<H: Host>(host: &mut H, rules: &'static JamRules, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
    let mut call = Call::new(guest, rules, None);
    action(serve(host, id, &mut call))
}

fn observed<H: Host>(
    host: &mut H,
    rules: &'static JamRules,
    observer: &mut dyn Observer,
    id: u64,
    guest: Guest<'_>,
) -> Result<HostAction, HostError> {
    let before = guest.state.clone();
    let mut record = Record::default();
    let mut call = Call::new(guest, rules, Some(&mut record));
    if id == LOG
        && let Some(message) = log_message(host.service(), &mut call)
    {
        observer.log(&message);
    }
    let entry = find(rules.functions, id, H::SETTING);
    let action = action(serve(host, id, &mut call))?;
    let gas_after: Gas = call.gas();
    observer.host_call(&HostCallEvent {
        id,
        name: entry.map(|entry| entry.name),
        pc: before.pc(),
        gas_before: before.gas,
        gas_after,
        regs_before: &before.regs,
        registers_set: &record.registers,
        memory: &record.memory,
        exit: match action {
            HostAction::Resume => None,
            HostAction::Exit(exit) => Some(exit),
        },
    });
    Ok(action)
}

fn action(served: Result<(), Stop>) -> Result<HostAction, HostError> {
    match served {
        Ok(()) => Ok(HostAction::Resume),
        Err(stop) => stop.into_exit().map(HostAction::Exit),
    }
}

/// GP B.2 to B.4, F: charges and serves a call, or answers that it is unknown.
fn serve<H: Host>(host: &mut H, id: u64, call: &mut Call<'_>) -> Result<(), Stop> {
    match find(call.rules.functions, id, H::SETTING) {
        Some(entry) => {
            call.charge(entry.cost.upfront(call.regs()))?;
            host.serve(entry, call)
        }
        None => {
            let gas = if id == LOG { call.rules.log_gas } else { call.rules.unknown_call_gas };
            call.charge(gas.into())?;
            call.answer(WHAT);
            Ok(())
        }
    }
}

/// A call that the table allows in this setting but that the setting does not serve: the table and the code contradict
/// each other, which says nothing about the guest.
pub(crate) fn not_served(function: HostFunction) -> Stop {
    Stop::Host(format!("internal error of TVM: host function {function:?} is in the table, but not served here").into())
}

/// JIP-1: φ7 level, φ8 and φ9 target, φ10 and φ11 message. Memory that is not readable, or text that is too long to be
/// meant for people, means no message.
fn log_message(service: ServiceId, call: &mut Call<'_>) -> Option<LogMessage> {
    let (level, target_start, target_len) = (call.reg(7), call.reg(8), call.reg(9));
    // JIP-1: a target of (0, 0) means that there is none.
    let target =
        if (target_start, target_len) == (0, 0) { Some(String::new()) } else { text(call, target_start, target_len) };
    let text = text(call, call.reg(10), call.reg(11));
    Some(LogMessage { service, level, target: target?, text: text? })
}

fn text(call: &mut Call<'_>, start: u64, len: u64) -> Option<String> {
    if len > MAX_LOG_BYTES {
        return None;
    }
    let bytes = call.read(start, len).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
