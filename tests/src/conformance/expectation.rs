//! What vectors say about a machine's state, and its comparison with what is found.

use anyhow::ensure;
use serde::Deserialize;
use tvm_isa::{GuestAddr, Pc, Reg};
use tvm_runtime::memory::{Access, GuestMemory};
use tvm_runtime::{GuestExit, GuestState};

use super::report::Differences;

/// Bytes in memory.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// First address.
    pub address: u32,
    /// The bytes.
    pub contents: Vec<u8>,
}

/// Names of exits in the vectors.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// [`GuestExit::Halt`]
    Halt,
    /// [`GuestExit::Panic`]
    Panic,
    /// [`GuestExit::OutOfGas`]
    OutOfGas,
    /// [`GuestExit::PageFault`]
    PageFault,
}

/// How a machine must have stopped.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The exit's name.
    pub status: Status,
    /// The faulting page's first address, with a page fault.
    pub fault_address: Option<u32>,
    /// The instruction that did it.
    pub pc: u32,
    /// Remaining gas, if the vector's gas counts.
    pub gas: Option<u64>,
}

impl Stop {
    /// Notes what differs in exit, program counter and gas.
    pub fn compare(&self, exit: GuestExit, state: &GuestState, differences: &mut Differences) {
        let Self { status, fault_address, pc, gas } = *self;
        let expected = match (status, fault_address) {
            (Status::Halt, None) => GuestExit::Halt,
            (Status::Panic, None) => GuestExit::Panic,
            (Status::OutOfGas, None) => GuestExit::OutOfGas,
            (Status::PageFault, Some(address)) => GuestExit::PageFault(GuestAddr(address)),
            (status, address) => {
                return differences.note(format_args!("the vector contradicts itself: {status:?} at {address:?}"));
            }
        };
        differences.expect("exit", expected, exit);
        differences.expect("program counter", Pc(pc), state.pc);
        if let Some(gas) = gas {
            differences.expect("gas", gas, state.gas.0);
        }
    }
}

/// Notes which registers differ.
pub fn compare_registers(expected: &[u64; Reg::COUNT], found: &[u64; Reg::COUNT], differences: &mut Differences) {
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        if expected != found {
            differences.note(format_args!("register {number}: expected {expected:#x}, found {found:#x}"));
        }
    }
}

/// The pages a vector makes accessible, in the order it does so.
#[derive(Clone, Default, Debug)]
pub struct MappedPages(Vec<(u32, u32)>);

impl MappedPages {
    /// Makes the pages of a range accessible.
    ///
    /// # Errors
    /// When the range is no whole number of pages, or the system refuses.
    pub fn map(&mut self, memory: &mut GuestMemory, address: u32, len: u32, writable: bool) -> anyhow::Result<()> {
        let size = GuestAddr::PAGE_SIZE;
        ensure!(
            address.is_multiple_of(size) && len.is_multiple_of(size),
            "the vector maps {len} bytes at {address:#x}, which are no whole pages"
        );
        let (first, count) = (address / size, len / size);
        memory.set_access(first, count, if writable { Access::Write } else { Access::Read })?;
        self.0.push((first, count));
        Ok(())
    }

    /// Notes where memory differs: mapped pages hold the expected chunks and are zero elsewhere, and all chunks are in
    /// mapped pages.
    pub fn compare(&self, memory: &GuestMemory, expected: &[Chunk], differences: &mut Differences) {
        for Chunk { address, contents } in expected {
            if !memory.is_readable((*address).into(), contents.len() as u64) {
                differences.note(format_args!("memory at {address:#x}: expected {contents:?}, found it inaccessible"));
            }
        }
        for &(first, count) in &self.0 {
            for page in first..first + count {
                compare_page(memory, page, expected, differences);
            }
        }
    }
}

/// Notes the first byte of a page that differs.
fn compare_page(memory: &GuestMemory, page: u32, expected: &[Chunk], differences: &mut Differences) {
    let size = u64::from(GuestAddr::PAGE_SIZE);
    let start = u64::from(page) * size;
    let mut image = vec![0; size as usize];
    for Chunk { address, contents } in expected {
        let positions = u64::from(*address)..;
        for (at, byte) in positions.zip(contents).filter(|(at, _)| (start..start + size).contains(at)) {
            image[(at - start) as usize] = *byte;
        }
    }
    let found = match memory.read(start, size) {
        Ok(found) => found,
        Err(error) => return differences.note(error),
    };
    if let Some(at) = image.iter().zip(&found).position(|(expected, found)| expected != found) {
        let address = start + at as u64;
        differences.note(format_args!("memory at {address:#x}: expected {:#04x}, found {:#04x}", image[at], found[at]));
    }
}
