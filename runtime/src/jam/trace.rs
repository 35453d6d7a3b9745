//! Invocations as text, one event a line, after the draft of JIP-6.
//!
//! ```text
//! program blake2b-256=0x<hash>
//! memwrite 0xfeff0000 len=3 <- 0x060003       arguments
//! start pc=5 gas=20000000 r00=0xffff0000 …    registers that are 0 are left out
//! ecalli=1 pc=93537 gas=19999962 r00=0xb04 …  gas before the call is charged
//! memread 0x00032980 len=32 -> 0x635a…        what the host read,
//! memwrite 0x000327a0 len=134 <- 0x0a00…      wrote
//! setreg r07 <- 0x86                          and set;
//! setgas <- 19999952                          gas afterwards
//! HALT pc=… gas=… r00=…                       or PANIC=<the host call that panicked, or 0>, or OOG
//! ```
//!
//! Invocations are separated by an empty line. Accesses to no bytes are left out. The draft's `program` line has the
//! whole program; here it is the hash of the code's preimage.

use std::fmt::Write as _;
use std::io;

use tvm_isa::Reg;

use super::observer::{End, HostCallEvent, MemoryAccess, Observer, Start};
use crate::exit::{GuestExit, GuestState};

/// Writes what it observes.
#[derive(Debug)]
pub struct TraceWriter<W> {
    out: W,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
    /// Whether an invocation was written already.
    started: bool,
    /// The host call that the guest's run ended in.
    ended_in: u64,
}

impl<W: io::Write> TraceWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, error: None, started: false, ended_in: 0 }
    }

    /// Gives `out` back.
    ///
    /// # Errors
    /// The first error that writing met.
    pub fn finish(self) -> io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.out),
        }
    }

    fn write(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = self.out.write_all(text.as_bytes()).err();
        }
    }
}

impl<W: io::Write> Observer for TraceWriter<W> {
    fn start(&mut self, start: &Start<'_>) {
        let Start { service: _, code_hash, arguments, arguments_start, state } = *start;
        let mut text = String::new();
        if std::mem::replace(&mut self.started, true) {
            text.push('\n');
        }
        self.ended_in = 0;
        line(&mut text, format_args!("program blake2b-256=0x{code_hash}"));
        let arguments = MemoryAccess { start: arguments_start, write: true, bytes: arguments.to_vec() };
        push_access(&mut text, &arguments);
        push_state(&mut text, "start", state);
        self.write(&text);
    }

    fn host_call(&mut self, event: &HostCallEvent<'_>) {
        let HostCallEvent { id, name: _, pc, gas_before, gas_after, regs_before, registers_set, memory, exit } = *event;
        let mut text = String::new();
        let before = GuestState { pc, gas: gas_before, regs: *regs_before, charged: false };
        push_state(&mut text, &format!("ecalli={id}"), &before);
        memory.iter().for_each(|access| push_access(&mut text, access));
        for (reg, value) in registers_set {
            line(&mut text, format_args!("setreg r{:02} <- {value:#x}", reg.index()));
        }
        line(&mut text, format_args!("setgas <- {gas_after}"));
        if exit.is_some() {
            self.ended_in = id;
        }
        self.write(&text);
    }

    fn end(&mut self, end: &End<'_>) {
        let End { exit, state } = *end;
        let word = match exit {
            GuestExit::Halt => "HALT".to_owned(),
            GuestExit::OutOfGas => "OOG".to_owned(),
            GuestExit::Panic | GuestExit::PageFault(_) | GuestExit::HostCall(_) => format!("PANIC={}", self.ended_in),
        };
        let mut text = String::new();
        push_state(&mut text, &word, state);
        self.write(&text);
    }
}

fn push_state(text: &mut String, word: &str, state: &GuestState) {
    let GuestState { pc, gas, regs, charged: _ } = state;
    let mut rest = format!("{word} pc={pc} gas={gas}");
    for reg in Reg::all().filter(|reg| regs[reg.index()] != 0) {
        push(&mut rest, format_args!(" r{:02}={:#x}", reg.index(), regs[reg.index()]));
    }
    line(text, format_args!("{rest}"));
}

fn push_access(text: &mut String, access: &MemoryAccess) {
    let MemoryAccess { start, write, bytes } = access;
    if bytes.is_empty() {
        return;
    }
    let (word, arrow) = if *write { ("memwrite", "<-") } else { ("memread", "->") };
    push(text, format_args!("{word} {start:#010x} len={} {arrow} 0x", bytes.len()));
    bytes.iter().for_each(|byte| push(text, format_args!("{byte:02x}")));
    text.push('\n');
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    push(text, line);
    text.push('\n');
}

/// Writing to a string cannot fail.
fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(part);
}
