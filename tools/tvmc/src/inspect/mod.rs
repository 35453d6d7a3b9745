//! `tvmc inspect`: what is in a program or an object.

mod object;
mod program;

use crate::args::{ContainerChoice, InspectArgs};
use crate::failure::{Outcome, Status};
use crate::output::Output;
use crate::program_file::{self, ProgramFile};

/// Reports on the file that the command line names.
pub fn inspect(args: &InspectArgs, output: &Output) -> Outcome {
    let InspectArgs { file, program } = args;
    let bytes = program_file::read(file)?;
    if program.container == ContainerChoice::Auto && program_file::is_elf(&bytes) {
        output.show(&object::ObjectReport::new(file, &bytes)?)?;
    } else {
        let program = ProgramFile::of_bytes(file, bytes, *program)?;
        output.show(&program::ProgramReport::new(&program)?)?;
    }
    Ok(Status::Done)
}
