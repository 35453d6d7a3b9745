//! The host calls that a program gets from the command line.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::results::WHAT;
use tvm_runtime::jam::table::{HostFunction, LOG, Setting, find};
use tvm_runtime::jam::version::JamRules;
use tvm_runtime::{Guest, GuestExit, HostAction, HostCalls, HostError};

use crate::output::note;
use crate::quantity::defused;

/// Longest log message, and longest target of one, that is shown; in bytes.
const MAX_LOG_BYTES: u64 = 1 << 16;

/// JIP-1's names of the log levels.
const LEVELS: [&str; 5] = ["fatal", "warning", "info", "debug", "trace"];

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
}

impl HostCalls for CommandLineHost {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        if id == LOG && self.shows_log {
            show_log(&guest);
        }
        // `gas` may be called anywhere, and this setting has the fewest other functions.
        let entry = find(self.rules.functions, id, Setting::IsAuthorized);
        let gas = entry.filter(|entry| entry.function == HostFunction::Gas);
        let cost = gas.map_or(self.rules.unknown_call_gas.into(), |entry| entry.cost.upfront(guest.regs));
        match u128::from(guest.gas.0).checked_sub(cost) {
            Some(left) => *guest.gas = Gas(left as u64),
            None => {
                *guest.gas = Gas(0);
                return Ok(HostAction::Exit(GuestExit::OutOfGas));
            }
        }
        guest.regs[7] = if gas.is_some() { guest.gas.0 } else { WHAT };
        Ok(HostAction::Resume)
    }
}

/// JIP-1: level in φ7, target in φ8 and φ9, message in φ10 and φ11. What cannot be read is left out.
fn show_log(guest: &Guest<'_>) {
    let text = |start: usize| {
        let (address, len) = (guest.regs[start], guest.regs[start + 1]);
        let bytes = (len <= MAX_LOG_BYTES).then(|| guest.memory.read(address, len).ok()).flatten();
        bytes.map(|bytes| defused(&String::from_utf8_lossy(&bytes)))
    };
    let level = usize::try_from(guest.regs[7]).ok().and_then(|level| LEVELS.get(level)).unwrap_or(&"log");
    let target = text(8).filter(|target| !target.is_empty()).map_or(String::new(), |target| format!(" {target}"));
    match text(10) {
        Some(message) => note(&format!("[{level}{target}] {message}")),
        None => note(&format!("[{level}{target}] (message at {:#x} is not readable)", guest.regs[10])),
    }
}
