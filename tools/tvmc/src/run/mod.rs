//! `tvmc run`: one program, from file to outcome.

mod calls;
mod prepared;
mod report;
mod request;
pub mod trace;

use tvm_runtime::{GuestExit, HostCalls, StopAtHostCalls};

use crate::args::RunArgs;
use crate::failure::{Outcome, Status, writing};
use crate::output::Output;

use calls::CommandLineHost;
use prepared::Prepared;
use report::RunReport;
use request::Request;

/// Runs the program that the command line names.
pub fn run(args: RunArgs, output: &Output) -> Outcome {
    let RunArgs { start, stop_at_host_calls, output: output_file } = args;
    let request = Request::try_from(start)?;
    let mut host: Box<dyn HostCalls> = if stop_at_host_calls {
        Box::new(StopAtHostCalls)
    } else {
        Box::new(CommandLineHost::new(request.program.gp, output.shows_log()))
    };
    let mut prepared = Prepared::new(&request, output)?;
    let exit = prepared.run(&mut *host)?;
    let report = RunReport::new(&request, &prepared, exit);
    if let (Some(path), Some(bytes)) = (&output_file, report.output_bytes()) {
        writing(std::fs::write(path, bytes), path)?;
    }
    output.show(&report)?;
    Ok(status_of(exit))
}

/// The exit code of a guest's outcome.
fn status_of(exit: GuestExit) -> Status {
    if exit == GuestExit::Halt { Status::Done } else { Status::Negative }
}
