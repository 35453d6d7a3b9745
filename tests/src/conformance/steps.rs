//! The suite `steps`: bare programs, run and looked at in several steps.
//!
//! The files were made for GP 0.8.0. Under 0.7.x everything in them counts but gas; under 0.8.0 gas counts too, and so
//! does the listed cost of every block.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;
use tvm_isa::{Gas, GasModel, GpVersion, GuestAddr, Pc, Program, Reg, gas};
use tvm_runtime::{Guest, GuestExit, GuestState, HostAction, HostCalls, HostError};

use super::expectation::{Chunk, MappedPages, Status, Stop, compare_registers};
use super::report::Differences;
use super::translation::translate;
use super::{Case, Options, json_files, read_json};
use crate::machine::{Engine, Machine};

/// Files that store to a read-only page and expect a panic of that. The Gray Paper says page fault, and the same files
/// were withdrawn from `pvm-programs`. With the first address of the page.
const STORES_TO_READ_ONLY_PAGES: [(&str, u32); 2] =
    [("inst_store_imm_u8_trap_read_only", 0x1_0000), ("inst_store_u8_trap_read_only", 0x1_0000)];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Vector {
    name: String,
    initial_pc: u32,
    initial_gas: u64,
    program: Vec<u8>,
    steps: Vec<Step>,
    /// Block starts, in decimal, and their cost.
    block_gas_costs: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
enum Step {
    Map {
        address: u32,
        length: u32,
        #[serde(rename = "is_writable")]
        is_writable: bool,
    },
    Write {
        address: u32,
        contents: Vec<u8>,
    },
    SetReg {
        reg: usize,
        value: u64,
    },
    Run,
    Assert(Assertion),
}

#[derive(Deserialize)]
struct Assertion {
    status: Status,
    gas: u64,
    pc: u32,
    regs: [u64; Reg::COUNT],
    memory: Vec<Chunk>,
    page_fault_address: Option<u32>,
}

struct SteppedCase {
    version: GpVersion,
    vector: Vector,
    /// The program in the numbers of the version.
    program: Vec<u8>,
}

/// A machine on its way through the steps.
struct Progress<'a> {
    machine: Box<dyn Machine + 'a>,
    mapped: MappedPages,
    last_exit: Option<GuestExit>,
}

/// Goes on after the host calls that stand for `unlikely` in 0.7.x.
struct ResumeAll;

impl HostCalls for ResumeAll {
    fn host_call(&mut self, _id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok(HostAction::Resume)
    }
}

pub(super) fn load(directory: &Path, options: &Options) -> anyhow::Result<Vec<Box<dyn Case>>> {
    let version = options.version;
    let case = |path: &PathBuf| -> anyhow::Result<Box<dyn Case>> {
        let vector: Vector = read_json(path)?;
        let program =
            translate(&vector.program, version.rules()).with_context(|| format!("program of {}", path.display()))?;
        Ok(Box::new(SteppedCase { version, vector, program }))
    };
    json_files(directory)?.iter().map(case).collect()
}

impl SteppedCase {
    fn gas_counts(&self) -> bool {
        self.version.rules().gas == GasModel::PipelineBlocks
    }

    /// What the assertion says of exit, program counter and gas.
    fn expected_stop(&self, assertion: &Assertion) -> Stop {
        let stop = Stop {
            status: assertion.status,
            fault_address: assertion.page_fault_address,
            pc: assertion.pc,
            gas: self.gas_counts().then_some(assertion.gas),
        };
        match STORES_TO_READ_ONLY_PAGES.iter().find(|(name, _)| *name == self.vector.name) {
            Some((_, page)) => Stop { status: Status::PageFault, fault_address: Some(*page), ..stop },
            None => stop,
        }
    }

    fn compare_block_costs(&self, differences: &mut Differences) -> anyhow::Result<()> {
        let program = Program::parse(&self.program)?;
        for (start, &expected) in &self.vector.block_gas_costs {
            let pc = start.parse().with_context(|| format!("block start `{start}`"))?;
            let found = gas::block_cost(&program, self.version.rules(), Pc(pc));
            differences.expect(format_args!("cost of block {pc}"), expected, found.0);
        }
        Ok(())
    }
}

impl Case for SteppedCase {
    fn name(&self) -> &str {
        &self.vector.name
    }

    fn run(&self, engine: &dyn Engine) -> anyhow::Result<Differences> {
        let mut machine = engine.bare(self.version, &self.program)?;
        *machine.state_mut() = GuestState::new(Pc(self.vector.initial_pc), Gas(self.vector.initial_gas));
        let mut progress = Progress { machine, mapped: MappedPages::default(), last_exit: None };
        let mut differences = Differences::default();
        if self.gas_counts() {
            self.compare_block_costs(&mut differences)?;
        }
        for (index, step) in self.vector.steps.iter().enumerate() {
            let found = progress.step(self, step).with_context(|| format!("step {index}"))?;
            differences.extend(format_args!("step {index}"), found);
        }
        Ok(differences)
    }
}

impl Progress<'_> {
    fn step(&mut self, case: &SteppedCase, step: &Step) -> anyhow::Result<Differences> {
        let Self { machine, mapped, last_exit } = self;
        let mut differences = Differences::default();
        match step {
            &Step::Map { address, length, is_writable } => {
                mapped.map(machine.memory_mut(), address, length, is_writable)?;
            }
            Step::Write { address, contents } => {
                machine.memory_mut().initialise(GuestAddr(*address), contents)?;
            }
            &Step::SetReg { reg, value } => {
                ensure!(reg < Reg::COUNT, "the vector sets register {reg}, there are {}", Reg::COUNT);
                machine.state_mut().regs[reg] = value;
            }
            Step::Run => *last_exit = Some(machine.run(&mut ResumeAll)?),
            Step::Assert(assertion) => {
                let exit = last_exit.context("the vector asserts before it runs")?;
                case.expected_stop(assertion).compare(exit, machine.state_mut(), &mut differences);
                compare_registers(&assertion.regs, &machine.state_mut().regs, &mut differences);
                mapped.compare(machine.memory_mut(), &assertion.memory, &mut differences);
            }
        }
        Ok(differences)
    }
}
