//! TVM's machines.

use anyhow::Context;
use tvm_isa::{Container, Gas, GpVersion, GuestAddr, Reg};
use tvm_runtime::memory::Access;
use tvm_runtime::{GuestExit, StopAtHostCalls};
use tvm_tests::differential::{Case, Pages};
use tvm_tests::machine::{self, Engine};

use crate::machine::{Effect, Machine};

/// The version that both engines know.
pub const VERSION: GpVersion = GpVersion::V0_8_0;

/// A machine of TVM.
pub struct Ours<'a> {
    machine: Box<dyn machine::Machine + 'a>,
    /// Whether the version lets the program start where it was told to.
    may_start: bool,
    at_host_call: bool,
}

/// How a guest is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Program counter.
    pub entry: u32,
    /// Argument bytes.
    pub arguments: Vec<u8>,
    /// Gas.
    pub gas: u64,
}

impl<'a> Ours<'a> {
    /// The generated case, about to start with this gas. `None` when the program is refused.
    pub fn bare(engine: &dyn Engine, case: &'a Case, gas: u64) -> anyhow::Result<Option<Self>> {
        let mut machine = match engine.bare(VERSION, &case.blob) {
            Ok(machine) => machine,
            Err(error) if engine.is_malformed(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        case.prepare(machine.as_mut(), Gas(gas))?;
        let may_start = machine.may_start_at(case.entry);
        Ok(Some(Self { machine, may_start, at_host_call: false }))
    }

    /// A guest, about to start.
    pub fn standard(engine: &dyn Engine, jam: &'a [u8], start: &Start) -> anyhow::Result<Self> {
        let mut machine = engine.standard(VERSION, Container::Jam, jam, &start.arguments)?;
        let state = machine.state_mut();
        state.pc = tvm_isa::Pc(start.entry);
        state.gas = Gas(start.gas);
        let may_start = machine.may_start_at(start.entry);
        Ok(Self { machine, may_start, at_host_call: false })
    }
}

impl Machine for Ours<'_> {
    fn run(&mut self) -> anyhow::Result<GuestExit> {
        if !self.may_start {
            // GP 0.8.0, A.1: such an invocation panics without having done anything.
            return Ok(GuestExit::Panic);
        }
        if std::mem::take(&mut self.at_host_call) {
            self.machine.skip_host_call();
        }
        let exit = self.machine.run(&mut StopAtHostCalls)?;
        self.at_host_call = matches!(exit, GuestExit::HostCall(_));
        Ok(exit)
    }

    fn pc(&mut self) -> Option<u32> {
        Some(self.machine.state_mut().pc.0)
    }

    fn gas(&mut self) -> u64 {
        self.machine.state_mut().gas.0
    }

    fn regs(&mut self) -> [u64; Reg::COUNT] {
        self.machine.state_mut().regs
    }

    fn read(&mut self, address: u32, len: u32) -> anyhow::Result<Vec<u8>> {
        self.machine.memory_mut().read(address.into(), len.into()).context("TVM's memory")
    }

    fn apply(&mut self, effect: &Effect) -> anyhow::Result<()> {
        let page_of = |address: u32| address / GuestAddr::PAGE_SIZE;
        match *effect {
            Effect::Register(index, value) => self.machine.state_mut().regs[index] = value,
            Effect::Gas(gas) => self.machine.state_mut().gas = Gas(gas),
            Effect::Write(address, ref bytes) => self.machine.memory_mut().initialise(GuestAddr(address), bytes)?,
            Effect::Map { page, readable: _ } => {
                self.machine.memory_mut().set_access(page_of(page), 1, Access::Write)?;
            }
            Effect::GrowHeap { end, count } => self.machine.memory_mut().set_access(end, count, Access::Write)?,
        }
        Ok(())
    }
}

/// The pages of a case that guests can write.
pub fn writable(case: &Case) -> impl Iterator<Item = &Pages> {
    case.pages.iter().filter(|pages| pages.writable)
}
