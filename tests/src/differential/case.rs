//! One program with the state it starts in.

use serde::{Deserialize, Serialize};
use tvm_isa::{Gas, GpVersion, Pc};
use tvm_runtime::memory::Access;

use crate::assemble::{Memory, standard};
use crate::machine::Machine;

/// First page and number of pages of what [`Case::standard`] has of its own: data and heap, the page behind them, the stack.
pub const OUTER_PAGES: [(u32, u32); 3] = [(0x20, 3), (0x23, 1), (0xf_efdf, 1)];

/// Everything that determines a run. Serialises to a file that `tvm-differential --replay` takes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Case {
    /// Gray Paper version, as its name.
    pub version: String,
    /// The program blob.
    #[serde(with = "hex")]
    pub blob: Vec<u8>,
    /// Whether it runs as a standard program, with a stack and a heap besides the pages of the case, as services do; else
    /// bare, as inner machines do.
    #[serde(default)]
    pub outer: bool,
    /// Where execution starts.
    pub entry: u32,
    /// Registers at the start.
    pub regs: [u64; 13],
    /// Mapped pages and their first bytes.
    pub pages: Vec<Pages>,
    /// Gas at the start.
    pub gas: u64,
}

/// Some accessible pages.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Pages {
    /// First page.
    pub first: u32,
    /// Number of pages.
    pub count: u32,
    /// Whether they can be written.
    pub writable: bool,
    /// Contents from the first byte on.
    #[serde(with = "hex")]
    pub contents: Vec<u8>,
}

impl Case {
    /// The version whose rules apply.
    pub fn version(&self) -> anyhow::Result<GpVersion> {
        Ok(self.version.parse()?)
    }

    /// The standard program, for a case that runs as one.
    #[must_use]
    pub fn standard(&self) -> Option<Vec<u8>> {
        let memory = Memory { rw: &[0xd7; 5000], heap_pages: 1, stack: 4096, ..Memory::default() };
        self.outer.then(|| standard(memory, &self.blob))
    }

    /// Brings a fresh machine into the state the case starts in.
    pub fn prepare(&self, machine: &mut dyn Machine, gas: Gas) -> anyhow::Result<()> {
        for Pages { first, count, writable, contents } in &self.pages {
            let access = if *writable { Access::Write } else { Access::Read };
            machine.memory_mut().set_access(*first, *count, access)?;
            machine.memory_mut().initialise(tvm_isa::GuestAddr(first << 12), contents)?;
        }
        let state = machine.state_mut();
        state.pc = Pc(self.entry);
        state.gas = gas;
        state.regs = self.regs;
        Ok(())
    }
}
