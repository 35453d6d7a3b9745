//! `tvmc disasm`: a program's instructions as text.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use tvm_abi::CpuFeatures;
use tvm_isa::disasm::{Disassembly, Line, LineKind, write_listing};
use tvm_isa::{GpVersion, Program};
use tvm_loader::Loaded;

use crate::args::{ContainerChoice, DisasmArgs};
use crate::failure::{Outcome, Status};
use crate::output::{Output, Report};
use crate::program_file::{self, ProgramFile, malformed};

/// Lists the program that the command line names.
pub fn disasm(args: &DisasmArgs, output: &Output) -> Outcome {
    let DisasmArgs { file, program } = args;
    let bytes = program_file::read(file)?;
    if program.container == ContainerChoice::Auto && program_file::is_elf(&bytes) {
        let loaded = Loaded::from_bytes(&bytes, CpuFeatures::V3);
        let loaded = loaded.map_err(|error| malformed(file, error))?;
        list(file, loaded.program_blob(), loaded.note().gp_version, output)
    } else {
        let program = ProgramFile::of_bytes(file, bytes, *program)?;
        list(file, program.parts()?.blob, program.gp, output)
    }
}

fn list(file: &Path, blob: &[u8], gp: GpVersion, output: &Output) -> Outcome {
    let program = Program::parse(blob).map_err(|error| malformed(file, error))?;
    let disassembly = Disassembly::new(&program, gp.rules());
    let blocks = disassembly.block_starts().count();
    let lines = Lines(&disassembly);
    output.show(&Listing {
        file: file.to_owned(),
        gp: gp.name(),
        code_bytes: program.code_len(),
        blocks,
        lines,
        program,
        version: gp,
    })?;
    Ok(Status::Done)
}

/// A program's listing. Lines are made while they are written: there may be millions.
#[derive(Serialize, Debug)]
struct Listing<'a> {
    file: PathBuf,
    gp: &'static str,
    code_bytes: u32,
    blocks: u32,
    lines: Lines<'a>,
    #[serde(skip)]
    program: Program<'a>,
    #[serde(skip)]
    version: GpVersion,
}

#[derive(Debug)]
struct Lines<'a>(&'a Disassembly<'a>);

/// A line, for programs.
#[derive(Serialize, Debug)]
struct LineReport {
    pc: u32,
    bytes: String,
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    block_start: bool,
    /// Jump table entries that lead here: numbers and ranges, as in `0, 3..5`.
    #[serde(skip_serializing_if = "String::is_empty")]
    jump_table: String,
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lines = serializer.serialize_seq(None)?;
        self.0.lines().try_for_each(|line| lines.serialize_element(&LineReport::new(&line)))?;
        lines.end()
    }
}

impl LineReport {
    fn new(line: &Line<'_>) -> Self {
        let (kind, text) = match line.kind {
            LineKind::Instruction(instruction) => (line.operation().name(), instruction.text().to_string()),
            LineKind::UndefinedOpcode(opcode) => ("undefined", format!("undefined opcode {opcode}")),
            LineKind::Gap => ("gap", String::new()),
        };
        let bytes = hex::encode(line.bytes);
        Self {
            pc: line.pc.0,
            bytes,
            kind,
            text,
            block_start: line.is_block_start,
            jump_table: line.jump_table.to_string(),
        }
    }
}

impl Report for Listing<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut text = Text { out, error: None };
        match (write_listing(&self.program, self.version.rules(), &mut text), text.error) {
            (_, Some(error)) => Err(error),
            (Err(_), None) => Err(io::Error::other("the listing could not be written")),
            (Ok(()), None) => Ok(()),
        }
    }
}

/// Text into bytes. Formatting knows no reasons, so the reason for a failure is kept here.
struct Text<'a> {
    out: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then nobody reads any more.
    struct Closing(usize);

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_reason_for_a_failed_write_is_kept() {
        let program = Program::parse(&[0, 0, 1, 0, 1]).unwrap();
        let version = GpVersion::V0_7_2;
        let disassembly = Disassembly::new(&program, version.rules());
        let (file, lines) = (PathBuf::from("x"), Lines(&disassembly));
        let listing = Listing { file, gp: version.name(), code_bytes: 1, blocks: 1, lines, program, version };
        assert!(listing.write(&mut Closing(1000)).is_ok());
        assert_eq!(listing.write(&mut Closing(10)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
