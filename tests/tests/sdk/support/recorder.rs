//! What a guest's run looked like from outside.

use tvm_isa::Pc;
use tvm_runtime::jam::observer::{End, HostCallEvent, LogMessage, MemoryAccess, Observer};
use tvm_runtime::{GuestExit, GuestState};

/// A host call that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSeen {
    pub id: u64,
    pub name: Option<&'static str>,
    pub pc: Pc,
    pub gas_before: u64,
    pub gas_after: u64,
    pub before: [u64; 13],
    pub after: [u64; 13],
    pub memory: Vec<MemoryAccess>,
    pub exit: Option<GuestExit>,
}

/// Everything there is to see of a run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Recorder {
    pub calls: Vec<CallSeen>,
    pub logs: Vec<LogMessage>,
    /// Exit and state at the end.
    pub end: Option<(GuestExit, GuestState)>,
}

impl Observer for Recorder {
    fn host_call(&mut self, event: &HostCallEvent<'_>) {
        let mut after = *event.regs_before;
        event.registers_set.iter().for_each(|(reg, value)| after[reg.index()] = *value);
        self.calls.push(CallSeen {
            id: event.id,
            name: event.name,
            pc: event.pc,
            gas_before: event.gas_before.0,
            gas_after: event.gas_after.0,
            before: *event.regs_before,
            after,
            memory: event.memory.to_vec(),
            exit: event.exit,
        });
    }

    fn log(&mut self, message: &LogMessage) {
        self.logs.push(message.clone());
    }

    fn end(&mut self, end: &End<'_>) {
        self.end = Some((end.exit, end.state.clone()));
    }
}
