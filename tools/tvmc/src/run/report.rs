//! What `tvmc run` says.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tvm_abi::Tier;
use tvm_isa::Reg;
use tvm_runtime::{GuestExit, Origin};

use crate::output::Report;
use crate::quantity::{duration, grouped, hex, nanos};
use crate::table::{Align, Table};

use super::prepared::{Prepared, Times};
use super::request::Request;

/// Output bytes that are shown to people; --output and --json give all of them.
const MAX_SHOWN_BYTES: usize = 1024;

/// Registers in a line.
const REGISTERS_PER_ROW: usize = 3;

/// How a run went.
#[derive(Serialize, Debug)]
pub struct RunReport {
    file: PathBuf,
    gp: &'static str,
    container: &'static str,
    code_hash: String,
    engine: &'static str,
    /// Of compiled code.
    tier: Option<&'static str>,
    cache: &'static str,
    outcome: OutcomeReport,
    pc: u32,
    gas: GasReport,
    /// The bytes that φ7 and φ8 point to after a halt; absent otherwise, and when they are not readable.
    output: Option<String>,
    registers: [String; Reg::COUNT],
    /// Whether all of them are exact: on the best tier a service that does not halt shows only what decided about its end.
    registers_exact: bool,
    time: TimeReport,
    #[serde(skip)]
    exit: GuestExit,
    #[serde(skip)]
    output_bytes: Option<Vec<u8>>,
    #[serde(skip)]
    register_values: [u64; Reg::COUNT],
}

/// A guest's outcome, for programs.
#[derive(Serialize, Debug)]
struct OutcomeReport {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_call: Option<u64>,
}

#[derive(Serialize, Debug)]
struct GasReport {
    limit: u64,
    used: u64,
    left: u64,
}

/// All in nanoseconds; see [`Times`].
#[derive(Serialize, Debug)]
struct TimeReport {
    open_ns: u64,
    load_ns: u64,
    set_up_ns: u64,
    run_ns: u64,
}

impl RunReport {
    /// The report of a run that ended with `exit`.
    pub fn new(request: &Request, prepared: &Prepared, exit: GuestExit) -> Self {
        let Prepared { engine, instance, times: Times { open, load, set_up, run } } = prepared;
        let (state, module) = (instance.state(), instance.module());
        let pointed_to = || instance.memory().read(state.regs[7], state.regs[8]).ok();
        let output_bytes = if exit == GuestExit::Halt { pointed_to() } else { None };
        Self {
            file: request.program.path.clone(),
            gp: request.program.gp.name(),
            container: request.program.container.name(),
            code_hash: hex(&request.code_hash),
            engine: if module.origin() == Origin::Interpreted { "interpreter" } else { "compiled" },
            tier: module.tier().map(Tier::name),
            cache: match (module.origin(), engine.cache()) {
                (Origin::CacheHit, _) => "hit",
                (Origin::Compiled, Some(_)) => "miss",
                (Origin::Compiled, None) | (Origin::Interpreted, _) => "off",
            },
            outcome: OutcomeReport::new(exit),
            pc: state.pc.0,
            gas: GasReport { limit: request.gas.0, used: request.gas.0.saturating_sub(state.gas.0), left: state.gas.0 },
            output: output_bytes.as_deref().map(hex),
            registers: state.regs.map(|value| format!("{value:#x}")),
            registers_exact: module.shows_registers_at(exit),
            time: TimeReport {
                open_ns: nanos(*open),
                load_ns: nanos(*load),
                set_up_ns: nanos(*set_up),
                run_ns: nanos(*run),
            },
            exit,
            output_bytes,
            register_values: state.regs,
        }
    }

    /// What the guest gave out, if it halted and pointed to readable memory.
    pub fn output_bytes(&self) -> Option<&[u8]> {
        self.output_bytes.as_deref()
    }

    fn outcome_text(&self) -> String {
        let pc = self.pc;
        match self.exit {
            GuestExit::Halt => "halt".to_owned(),
            GuestExit::Panic => format!("panic at pc {pc}"),
            GuestExit::OutOfGas => format!("out of gas at pc {pc}"),
            GuestExit::PageFault(address) => format!("page fault at {address}, pc {pc}"),
            GuestExit::HostCall(id) => format!("host call {id} at pc {pc}"),
        }
    }

    fn output_text(&self) -> String {
        let (start, len) = (self.register_values[7], self.register_values[8]);
        match &self.output_bytes {
            Some(bytes) if bytes.len() > MAX_SHOWN_BYTES => {
                let (shown, all) = (hex(&bytes[..MAX_SHOWN_BYTES]), grouped(bytes.len() as u64));
                format!("{shown}… ({all} bytes; --output FILE writes them all)")
            }
            Some(bytes) => format!("{} ({} bytes)", hex(bytes), bytes.len()),
            None if self.exit == GuestExit::Halt => format!("none: {len:#x} bytes at {start:#x} are not readable"),
            None => "none".to_owned(),
        }
    }
}

impl OutcomeReport {
    fn new(exit: GuestExit) -> Self {
        let (kind, address, host_call) = match exit {
            GuestExit::Halt => ("halt", None, None),
            GuestExit::Panic => ("panic", None, None),
            GuestExit::OutOfGas => ("out-of-gas", None, None),
            GuestExit::PageFault(address) => ("page-fault", Some(address.to_string()), None),
            GuestExit::HostCall(id) => ("host-call", None, Some(id)),
        };
        Self { kind, address, host_call }
    }
}

impl Report for RunReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let GasReport { limit, used, left } = &self.gas;
        let TimeReport { open_ns, load_ns, set_up_ns, run_ns } = &self.time;
        let [open, load, set_up, run] =
            [open_ns, load_ns, set_up_ns, run_ns].map(|ns| duration(Duration::from_nanos(*ns)));
        let mut facts = Table::of_facts();
        facts
            .fact("outcome", self.outcome_text())
            .fact("gas used", format!("{} of {}, {} left", grouped(*used), grouped(*limit), grouped(*left)))
            .fact("output", self.output_text())
            .fact("program", format!("{}, {}, GP {}", self.file.display(), self.container, self.gp))
            .fact("engine", self.tier.map_or_else(|| self.engine.to_owned(), |tier| format!("{}, {tier}", self.engine)))
            .fact("cache", self.cache)
            .fact("time", format!("load {load}, run {run} (open cache {open}, set up memory {set_up})"));
        facts.write(out, 0)?;
        let mut registers = Table::new([("", Align::Left); 2 * REGISTERS_PER_ROW]);
        let named: Vec<_> = Reg::all().zip(&self.registers).collect();
        for row in named.chunks(REGISTERS_PER_ROW) {
            registers.row(row.iter().flat_map(|(reg, value)| [format!("φ{} {reg}", reg.index()), (*value).clone()]));
        }
        let note = if self.registers_exact {
            ""
        } else {
            " (where unused, as the optimiser left them; all are exact with --tier fast)"
        };
        writeln!(out, "registers{note}")?;
        registers.write(out, 2)
    }
}
