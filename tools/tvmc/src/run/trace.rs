//! `tvmc trace`: a run with every host call written down.

use std::io::{self, Write};

use serde::Serialize;
use tvm_abi::Tier;
use tvm_isa::Reg;
use tvm_isa::layout::ARGUMENTS_START;
use tvm_runtime::jam::observer::{End, HostCallEvent, Observer, Start};
use tvm_runtime::jam::trace::TraceWriter;
use tvm_runtime::jam::types::{Hash, ServiceId};
use tvm_runtime::{Guest, HostAction, HostCalls, HostError};

use crate::args::{EngineChoice, TraceArgs};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Report, Stream};

use super::calls::{CommandLineHost, log_reads};
use super::prepared::Prepared;
use super::report::RunReport;
use super::request::Request;
use super::status_of;

/// Runs the program that the command line names, and writes what its host calls do.
pub fn trace(args: TraceArgs, output: &Output) -> Outcome {
    let TraceArgs { start } = args;
    let mut request = Request::try_from(start)?;
    // A trace has all registers at its end, also after a panic: the best tier does not keep those.
    if request.engine == EngineChoice::Compiled {
        request.tier.get_or_insert(Tier::Fast);
    }
    let mut prepared = Prepared::new(&request, output)?;
    let host = CommandLineHost::new(request.program.gp, false);
    let mut traced = Traced { host, writer: TraceWriter::new(output.stream()) };
    traced.writer.start(&Start {
        service: ServiceId(0),
        code_hash: Hash(request.code_hash),
        arguments: &request.arguments,
        arguments_start: ARGUMENTS_START.0.into(),
        state: prepared.instance.state(),
    });
    let exit = prepared.run(&mut traced)?;
    traced.writer.end(&End { exit, state: prepared.instance.state() });
    let lines = traced.writer.finish().and_then(Stream::finish).map_err(Failure::output)?;
    output.show(&TraceReport { run: RunReport::new(&request, &prepared, exit), trace: lines })?;
    Ok(status_of(exit))
}

/// The document of `run` with the trace in it. People have seen the trace already.
#[derive(Serialize, Debug)]
struct TraceReport {
    #[serde(flatten)]
    run: RunReport,
    trace: Vec<String>,
}

impl Report for TraceReport {
    fn write(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// A host whose calls are written down.
struct Traced {
    host: CommandLineHost,
    writer: TraceWriter<Stream>,
}

impl HostCalls for Traced {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        let Guest { state, memory } = guest;
        let before = state.clone();
        let reads = log_reads(id, &before.regs, memory);
        let action = self.host.host_call(id, Guest { state: &mut *state, memory })?;
        // A call that goes on has answered in φ7, and has set nothing else.
        let answer = (Reg::clamped(7), state.regs[7]);
        let registers_set = if action == HostAction::Resume { &[answer][..] } else { &[] };
        self.writer.host_call(&HostCallEvent {
            id,
            name: self.host.name_of(id),
            pc: before.pc(),
            gas_before: before.gas,
            gas_after: state.gas,
            regs_before: &before.regs,
            registers_set,
            memory: &reads,
            exit: match action {
                HostAction::Resume => None,
                HostAction::Exit(exit) => Some(exit),
            },
        });
        Ok(action)
    }
}
