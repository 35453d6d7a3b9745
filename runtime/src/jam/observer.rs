//! What can be watched of an invocation.

use tvm_isa::{Gas, Pc, Reg};

use super::types::{Hash, ServiceId};
use crate::exit::{GuestExit, GuestState};

/// Sees an invocation's start, each host call, and its end.
///
/// An observer changes nothing: results are the same with and without one. Calls come in the order in which the guest
/// makes them.
pub trait Observer {
    /// The guest is about to run.
    fn start(&mut self, start: &Start<'_>) {
        let _ = start;
    }

    /// A host call was served. Not called unless [`Self::wants_host_calls`].
    fn host_call(&mut self, event: &HostCallEvent<'_>) {
        let _ = event;
    }

    /// Whether [`Self::host_call`] and [`Self::log`] are to be called. What they tell has to be copied first, which takes
    /// longer than many a host function; who only times phases says no.
    fn wants_host_calls(&self) -> bool {
        true
    }

    /// The invocation enters a phase, and so leaves the one before.
    fn phase(&mut self, phase: Phase) {
        let _ = phase;
    }

    /// The guest logs something (JIP-1). Consensus knows no such call: it is also seen as one that is unknown.
    fn log(&mut self, message: &LogMessage) {
        let _ = message;
    }

    /// The guest does not run any more.
    fn end(&mut self, end: &End<'_>) {
        let _ = end;
    }
}

/// What an invocation is occupied with. Phases follow each other without gaps, so that the times between them add up to
/// the invocation's; what comes before the first is its preparation: the account, its code, and arguments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Finding the module, or loading it.
    Load,
    /// Making the instance: memory, registers, arguments.
    Instantiate,
    /// Guest code.
    Guest,
    /// The host function of this number, with the node's state that it asks.
    HostCall(u64),
    /// Taking the output and giving the memory back, cleared.
    Release,
    /// Putting together what the invocation changed. Ends when the invocation returns.
    Finish,
}

/// How a guest starts.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The service whose code runs, or that hosts the authorizer.
    pub service: ServiceId,
    /// Hash of the code's preimage.
    pub code_hash: Hash,
    /// Argument bytes in guest memory.
    pub arguments: &'a [u8],
    /// Where they are.
    pub arguments_start: u64,
    /// Registers, gas and program counter.
    pub state: &'a GuestState,
}

/// How a guest ends.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The guest's exit.
    pub exit: GuestExit,
    /// Registers, gas and program counter at the exit. Not all registers are exact where
    /// [`crate::Module::shows_registers_at`] says so.
    pub state: &'a GuestState,
}

/// A part of guest memory that a host call read or wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryAccess {
    /// First address; anything when there are no bytes.
    pub start: u64,
    /// Whether it was written.
    pub write: bool,
    /// What was read or written.
    pub bytes: Vec<u8>,
}

/// A host call that was served.
#[derive(Clone, Copy, Debug)]
pub struct HostCallEvent<'a> {
    /// The call's number.
    pub id: u64,
    /// Its name; `None` when the call is unknown here.
    pub name: Option<&'static str>,
    /// Where the `ecalli` is.
    pub pc: Pc,
    /// Gas before the call was charged.
    pub gas_before: Gas,
    /// Gas afterwards.
    pub gas_after: Gas,
    /// Registers before.
    pub regs_before: &'a [u64; Reg::COUNT],
    /// Registers that were set, in order.
    pub registers_set: &'a [(Reg, u64)],
    /// Memory that was read and written, in order.
    pub memory: &'a [MemoryAccess],
    /// How the guest's run ended in the call, if it did.
    pub exit: Option<GuestExit>,
}

/// What a guest says through `log` (JIP-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogMessage {
    /// The service that logs.
    pub service: ServiceId,
    /// Level: 0 fatal, 1 warning, 2 info, 3 helpful, 4 pedantic.
    pub level: u64,
    /// What the message is about; empty when the guest names nothing.
    pub target: String,
    /// The message. Bytes that are no text are replaced.
    pub text: String,
}
