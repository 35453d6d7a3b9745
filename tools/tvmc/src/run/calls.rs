//! The host calls that a program gets from the command line.

use tvm_isa::{GpVersion, Reg};
use tvm_runtime::jam::MAX_LOG_BYTES;
use tvm_runtime::jam::observer::MemoryAccess;
use tvm_runtime::jam::results::WHAT;
use tvm_runtime::jam::table::{Entry, HostFunction, LOG, Setting, find};
use tvm_runtime::jam::version::JamRules;
use tvm_runtime::memory::GuestMemory;
use tvm_runtime::{Guest, GuestExit, HostAction, HostCalls, HostError};

use crate::output::note;
use crate::quantity::defused;

/// JIP-1's log levels: what each is for.
const LEVELS: [&str; 5] = ["fatal", "warning", "info", "helpful", "pedantic"];

/// Serves `gas`, shows what is logged, and knows no other call.
#[derive(Debug)]
pub struct CommandLineHost {
    rules: &'static JamRules,
    shows_log: bool,
}

impl CommandLineHost {
    /// A host that follows the rules of a version.
    pub fn new(gp: GpVersion, shows_log: bool) -> Self {
        Self { rules: JamRules::of(gp), shows_log }
    }

    /// The name of a call that is served.
    pub fn name_of(&self, id: u64) -> Option<&'static str> {
        self.served(id).map(|entry| entry.name)
    }

    /// `gas` may be called in every setting.
    fn served(&self, id: u64) -> Option<&'static Entry> {
        find(self.rules.functions, id, Setting::IsAuthorized).filter(|entry| entry.function == HostFunction::Gas)
    }
}

impl HostCalls for CommandLineHost {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        if id == LOG && self.shows_log {
            show_log(&guest);
        }
        let served = self.served(id);
        let cost = served.map_or(self.rules.unknown_call_gas.into(), |entry| entry.cost.upfront(&guest.state.regs));
        if !guest.state.charge(cost) {
            return Ok(HostAction::Exit(GuestExit::OutOfGas));
        }
        guest.state.regs[7] = if served.is_some() { guest.state.gas.0 } else { WHAT };
        Ok(HostAction::Resume)
    }
}

/// JIP-1: level in φ7, target in φ8 and φ9, message in φ10 and φ11. What cannot be read is left out.
fn show_log(guest: &Guest<'_>) {
    let text = |start: usize| {
        let bytes = text_bytes(&guest.state.regs, start, guest.memory);
        bytes.map(|bytes| defused(&String::from_utf8_lossy(&bytes)))
    };
    let level = usize::try_from(guest.state.regs[7]).ok().and_then(|level| LEVELS.get(level)).unwrap_or(&"log");
    let target = text(8).filter(|target| !target.is_empty()).map_or(String::new(), |target| format!(" {target}"));
    match text(10) {
        Some(message) => note(&format!("[{level}{target}] {message}")),
        None => note(&format!("[{level}{target}] (message at {:#x} is not readable)", guest.state.regs[10])),
    }
}

/// The memory that call `id` reads: `log` its target and its message, no other call any.
pub fn log_reads(id: u64, regs: &[u64; Reg::COUNT], memory: &GuestMemory) -> Vec<MemoryAccess> {
    if id != LOG {
        return Vec::new();
    }
    let access = |start: usize| {
        let bytes = text_bytes(regs, start, memory)?;
        Some(MemoryAccess { start: regs[start], write: false, bytes })
    };
    [8, 10].into_iter().filter_map(access).collect()
}

/// The bytes whose address is in register `start` and whose length is in the next one.
fn text_bytes(regs: &[u64; Reg::COUNT], start: usize, memory: &GuestMemory) -> Option<Vec<u8>> {
    let (address, len) = (regs[start], regs[start + 1]);
    if len > MAX_LOG_BYTES { None } else { memory.read(address, len).ok() }
}
