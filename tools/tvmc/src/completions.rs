//! `tvmc completions`: scripts that teach a shell the command line.

use clap::CommandFactory;

use crate::args::{CommandLine, CompletionsArgs};
use crate::failure::{Outcome, Status};
use crate::output::Output;

/// Prints the completion script for a shell.
pub fn completions(args: &CompletionsArgs, output: &Output) -> Outcome {
    let mut command = CommandLine::command();
    let name = command.get_name().to_owned();
    // Into memory first: the generator does not expect a reader who leaves.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output.show_text(&script)?;
    Ok(Status::Done)
}
