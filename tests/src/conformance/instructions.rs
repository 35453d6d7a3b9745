//! The suite `instructions`: one run of a bare program, from a given state to an exit.

use std::path::Path;

use serde::Deserialize;
use tvm_isa::{Gas, GpVersion, GuestAddr, Pc, Reg};
use tvm_runtime::{GuestState, StopAtHostCalls};

use super::expectation::{Chunk, MappedPages, Status, Stop, compare_registers};
use super::report::Differences;
use super::{Case, Options, Suite, expect_per_instruction_gas, json_files, read_json};
use crate::machine::Engine;

/// What files with a page fault expect too little of remaining gas. They hold the figures of charging whole blocks on
/// entry: the faulting instruction and the trap after it. GP 0.7.2 charges the faulting instruction alone.
const GAS_MISSING_AFTER_PAGE_FAULT: u64 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Vector {
    name: String,
    initial_regs: [u64; Reg::COUNT],
    initial_pc: u32,
    initial_page_map: Vec<Range>,
    initial_memory: Vec<Chunk>,
    initial_gas: u64,
    program: Vec<u8>,
    expected_status: Status,
    expected_regs: [u64; Reg::COUNT],
    expected_pc: u32,
    expected_memory: Vec<Chunk>,
    expected_gas: u64,
    expected_page_fault_address: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Range {
    address: u32,
    length: u32,
    is_writable: bool,
}

struct InstructionCase {
    version: GpVersion,
    vector: Vector,
}

pub(super) fn load(directory: &Path, options: &Options) -> anyhow::Result<Vec<Box<dyn Case>>> {
    expect_per_instruction_gas(Suite::Instructions, options)?;
    let case = |path: &std::path::PathBuf| -> anyhow::Result<Box<dyn Case>> {
        Ok(Box::new(InstructionCase { version: options.version, vector: read_json(path)? }))
    };
    json_files(directory)?.iter().map(case).collect()
}

impl Vector {
    fn expected_stop(&self) -> Stop {
        let correction = if self.expected_status == Status::PageFault { GAS_MISSING_AFTER_PAGE_FAULT } else { 0 };
        Stop {
            status: self.expected_status,
            fault_address: self.expected_page_fault_address,
            pc: self.expected_pc,
            gas: Some(self.expected_gas.saturating_add(correction)),
        }
    }
}

impl Case for InstructionCase {
    fn name(&self) -> &str {
        &self.vector.name
    }

    fn run(&self, engine: &dyn Engine) -> anyhow::Result<Differences> {
        let vector = &self.vector;
        let mut machine = engine.bare(self.version, &vector.program)?;
        let mut mapped = MappedPages::default();
        for &Range { address, length, is_writable } in &vector.initial_page_map {
            mapped.map(machine.memory_mut(), address, length, is_writable)?;
        }
        for Chunk { address, contents } in &vector.initial_memory {
            machine.memory_mut().initialise(GuestAddr(*address), contents)?;
        }
        let start = GuestState::new(Pc(vector.initial_pc), Gas(vector.initial_gas));
        *machine.state_mut() = GuestState { regs: vector.initial_regs, ..start };

        let exit = machine.run(&mut StopAtHostCalls)?;
        let mut differences = Differences::default();
        vector.expected_stop().compare(exit, machine.state_mut(), &mut differences);
        compare_registers(&vector.expected_regs, &machine.state_mut().regs, &mut differences);
        mapped.compare(machine.memory_mut(), &vector.expected_memory, &mut differences);
        Ok(differences)
    }
}
