//! Loads and stores (GP A.4 for exceptions, A.5 for operands).
//!
//! An address is taken modulo 2^32, and so is each byte of an access. The first byte, in the order of the access, that
//! is not accessible decides the outcome: below 2^16 a panic, elsewhere a fault of its page. Nothing is written then.

use tvm_isa::layout::FIRST_FAULTING_ADDRESS;
use tvm_isa::{Format, GuestAddr, Instruction, Op, Reg};

use crate::exit::GuestExit;
use crate::memory::{GuestMemory, Inaccessible};

/// Executes a load or store; `None` when the instruction is neither.
#[inline]
pub(super) fn execute(
    instruction: &Instruction,
    regs: &mut [u64; Reg::COUNT],
    memory: &mut GuestMemory,
) -> Option<Result<(), GuestExit>> {
    let Instruction { op, a, b, x, y, .. } = *instruction;
    let value = |reg: Reg| regs[reg.index()];
    let (address, stored) = match op.info().format {
        Format::ImmImm => (x, y),
        Format::RegImm => (x, value(a)),
        Format::RegImmImm => (value(a).wrapping_add(x), y),
        Format::RegRegImm => (value(b).wrapping_add(x), value(a)),
        _ => return None,
    };
    let address = address as u32;
    let loaded = match op {
        Op::LoadU8 | Op::LoadIndU8 => load::<1>(memory, address),
        Op::LoadI8 | Op::LoadIndI8 => load::<1>(memory, address).map(|raw| raw as i8 as u64),
        Op::LoadU16 | Op::LoadIndU16 => load::<2>(memory, address),
        Op::LoadI16 | Op::LoadIndI16 => load::<2>(memory, address).map(|raw| raw as i16 as u64),
        Op::LoadU32 | Op::LoadIndU32 => load::<4>(memory, address),
        Op::LoadI32 | Op::LoadIndI32 => load::<4>(memory, address).map(|raw| raw as i32 as u64),
        Op::LoadU64 | Op::LoadIndU64 => load::<8>(memory, address),
        _ => {
            let bytes = &stored.to_le_bytes()[..op.stored_bytes()?];
            return Some(store(memory, address, bytes));
        }
    };
    Some(loaded.map(|value| regs[a.index()] = value))
}

/// The `N` bytes at `address` as a little-endian number.
#[inline]
fn load<const N: usize>(memory: &GuestMemory, address: u32) -> Result<u64, GuestExit> {
    let mut bytes = [0; 8];
    let (head, tail) = bytes[..N].split_at_mut(bytes_before_the_end(address, N));
    memory.read_into(address.into(), head).map_err(refused)?;
    if !tail.is_empty() {
        memory.read_into(0, tail).map_err(refused)?;
    }
    Ok(u64::from_le_bytes(bytes))
}

/// Writes `bytes`, at most 8, at `address`.
#[inline]
fn store(memory: &mut GuestMemory, address: u32, bytes: &[u8]) -> Result<(), GuestExit> {
    let (head, tail) = bytes.split_at(bytes_before_the_end(address, bytes.len()));
    // The head goes first in the order of the access, but must not be written when the tail is refused.
    if !tail.is_empty() && memory.is_writable(address.into(), head.len() as u64) {
        memory.write(0, tail).map_err(refused)?;
    }
    memory.write(address.into(), head).map_err(refused)
}

/// How many of `len` bytes at `address` lie before the end of the address space; the others are at its start.
#[inline]
fn bytes_before_the_end(address: u32, len: usize) -> usize {
    let room = (1_u64 << 32) - u64::from(address);
    len.min(room as usize)
}

/// The outcome of an access to inaccessible memory.
fn refused(inaccessible: Inaccessible) -> GuestExit {
    match inaccessible.first_bad as u32 {
        ..FIRST_FAULTING_ADDRESS => GuestExit::Panic,
        address => GuestExit::PageFault(GuestAddr(address).page_start()),
    }
}

#[cfg(test)]
mod tests;
