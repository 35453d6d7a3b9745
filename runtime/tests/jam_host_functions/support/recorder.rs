//! What guests' host calls did.

use tvm_isa::Gas;
use tvm_runtime::GuestExit;
use tvm_runtime::jam::observer::{HostCallEvent, LogMessage, MemoryAccess, Observer};

/// A host call that was made.
#[derive(Clone, Debug)]
pub struct CallSeen {
    pub id: u64,
    pub name: Option<&'static str>,
    pub gas_before: u64,
    pub gas_after: u64,
    /// Registers afterwards.
    pub after: [u64; 13],
    pub memory: Vec<MemoryAccess>,
    pub exit: Option<GuestExit>,
}

impl CallSeen {
    /// Gas that the call took.
    pub fn cost(&self) -> u64 {
        self.gas_before - self.gas_after
    }

    /// What it wrote to memory.
    pub fn written(&self) -> Vec<u8> {
        self.memory.iter().filter(|access| access.write).flat_map(|access| access.bytes.clone()).collect()
    }
}

/// Records host calls.
#[derive(Default, Debug)]
pub struct Recorder {
    pub calls: Vec<CallSeen>,
    pub logs: Vec<LogMessage>,
}

impl Observer for Recorder {
    fn host_call(&mut self, event: &HostCallEvent<'_>) {
        let mut after = *event.regs_before;
        event.registers_set.iter().for_each(|(reg, value)| after[reg.index()] = *value);
        let (Gas(gas_before), Gas(gas_after)) = (event.gas_before, event.gas_after);
        self.calls.push(CallSeen {
            id: event.id,
            name: event.name,
            gas_before,
            gas_after,
            after,
            memory: event.memory.to_vec(),
            exit: event.exit,
        });
    }

    fn log(&mut self, message: &LogMessage) {
        self.logs.push(message.clone());
    }
}
