//! The suite `spi`: standard programs, run with arguments and without host calls.

use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use serde::Deserialize;
use tvm_isa::{Container, Gas, GpVersion, Pc, Reg};
use tvm_runtime::StopAtHostCalls;

use super::expectation::{Status, Stop, compare_registers};
use super::report::Differences;
use super::{Case, Options, Suite, expect_per_instruction_gas, read_json};
use crate::machine::Engine;

/// The file that holds all cases.
const CASES: &str = "spi-vectors.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    /// File name.
    program: String,
    /// Hexadecimal, with `0x`.
    args: String,
    entry_pc: u32,
    initial_gas: u64,
    expected_status: Status,
    expected_pc: u32,
    expected_gas: u64,
    expected_regs: [u64; Reg::COUNT],
    /// Hexadecimal: the memory from register 7 up to register 8, which these programs leave at the end of their output.
    expected_bytes_r7_to_r8: Option<String>,
}

struct SpiCase {
    name: String,
    version: GpVersion,
    vector: Vector,
    program: Rc<[u8]>,
    arguments: Vec<u8>,
    output: Option<Vec<u8>>,
}

pub(super) fn load(directory: &Path, options: &Options) -> anyhow::Result<Vec<Box<dyn Case>>> {
    expect_per_instruction_gas(Suite::Spi, options)?;
    let programs = options.blobs.as_deref().unwrap_or(directory);
    let vectors: Vec<Vector> = read_json(&directory.join(CASES))?;
    let case = |vector: Vector| -> anyhow::Result<Box<dyn Case>> {
        let path = programs.join(&vector.program);
        let program = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?.into();
        Ok(Box::new(SpiCase {
            name: format!("{} {} with {} gas", vector.program, vector.args, vector.initial_gas),
            version: options.version,
            program,
            arguments: bytes(&vector.args)?,
            output: vector.expected_bytes_r7_to_r8.as_deref().map(bytes).transpose()?,
            vector,
        }))
    };
    vectors.into_iter().map(case).collect()
}

fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits = text.strip_prefix("0x").with_context(|| format!("expected 0x and digits, found `{text}`"))?;
    hex::decode(digits).with_context(|| format!("expected 0x and digits, found `{text}`"))
}

impl Case for SpiCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, engine: &dyn Engine) -> anyhow::Result<Differences> {
        let vector = &self.vector;
        let mut machine =
            engine.standard(self.version, Container::detect(&self.program)?, &self.program, &self.arguments)?;
        machine.state_mut().pc = Pc(vector.entry_pc);
        machine.state_mut().gas = Gas(vector.initial_gas);

        let exit = machine.run(&mut StopAtHostCalls)?;
        let mut differences = Differences::default();
        let stop = Stop {
            status: vector.expected_status,
            fault_address: None,
            pc: vector.expected_pc,
            gas: Some(vector.expected_gas),
        };
        stop.compare(exit, machine.state_mut(), &mut differences);
        if machine.shows_registers_at(exit) {
            compare_registers(&vector.expected_regs, &machine.state_mut().regs, &mut differences);
        }
        if let Some(expected) = &self.output {
            let [start, end] = [7, 8].map(|number: usize| machine.state_mut().regs[number]);
            match machine.memory_mut().read(start, end.saturating_sub(start)) {
                Ok(found) => differences.expect("output", expected, &found),
                Err(error) => differences.note(format_args!("output: {error}")),
            }
        }
        Ok(differences)
    }
}
