//! Reads an object's machine code and decides whether it stays in its sandbox. Nothing of the compiler is believed: this crate
//! knows what compiled code may look like ([`tvm_abi`]), not how it is made.
//!
//! What [`verify`] accepts cannot do other than this, whatever the guest's registers and memory hold:
//!
//! * **Memory**: it reads and writes `gs:[a]` for 32-bit `a`, at most 8 bytes at a time: the guest's 4 GiB and their guard page.
//!   Of what lies below, it reads the dynamic jump table, at an index that was compared with the table's length, and the
//!   addresses of text and stubs in the VM context. It writes none of that, but can pass those addresses on.
//! * **Stack**: it calls the stubs, and pushes a place where it jumps to one. The stack pointer is no operand of anything.
//! * **Control**: it jumps to starts of its own instructions; dynamic jumps go through the table, whose entries are such starts.
//!   It does not run off its end.
//! * **Traps**: it has no instruction that the CPU features of its note do not include, and divides by nothing that may be 0, nor
//!   the least number by −1.
//! * **Places**: every instruction that can fault, and every call of a stub, is known to the pc map; every place at which the
//!   host enters is the start of an instruction.
//! * **Time**: no loop is without a charge of gas (`cycles`), and who cannot pay one leaves and gets it back, so that the counter does not go
//!   below zero, which would be a huge number. Whether charges are right is not looked at, nor what else is given back, by code or by the
//!   pc map: code that gives back more than it charged may run for ever.
//!
//! What it computes is not looked at either: a wrong result is a fork of the chain, not an escape. For that there is the interpreter.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `forms` | the instructions that compiled code may have |
//! | `operands` | the registers and the memory they may name |
//! | `sweep` | one pass over the text, instruction by instruction |
//! | `sequences` | instructions that only mean something together: charges, dynamic jumps, divisions, ways out |
//! | `place_set` | sets of places in the text |
//! | `jumps` | jumps within the text |
//! | `sites` | what the pc map knows of where code is left |
//! | `places` | where may be jumped to and entered |
//! | `cycles` | that loops are charged for |
//!
//! One pass and some bytes of memory for each byte of text: about a hundred megabytes a second.

#![forbid(unsafe_code)]

mod cycles;
mod forms;
mod jumps;
mod operands;
mod place_set;
mod places;
mod sequences;
mod sites;
mod sweep;
mod violation;

use tvm_abi::{CpuFeatures, PcMap};

pub use violation::{Rule, Violation};

/// An object's parts that decide about safety.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// The machine code, without what fills up its last page.
    pub text: &'a [u8],
    /// The dynamic jump table as it is mapped below instances.
    pub jump_table: &'a [u8],
    /// How many entries of it the object claims to have, the unused entry 0 included.
    pub jump_table_slots: u32,
    /// Where the code can be entered and left.
    pub pc_map: PcMap<'a>,
    /// The features that the note asks of the CPU.
    pub cpu_features: CpuFeatures,
}

/// What was found in code that is safe.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Machine instructions, thunks not counted.
    pub instructions: u64,
    /// Accesses to guest memory among them.
    pub accesses: u64,
    /// Charges of gas.
    pub charges: u64,
    /// Jumps and branches to places in the text.
    pub jumps: u64,
    /// Dynamic jumps.
    pub dynamic_jumps: u64,
}

/// Decides whether code is safe, in a time and memory linear in its length.
///
/// # Errors
/// The first thing found that is not as it must be. Such code must not run.
pub fn verify(code: &Code<'_>) -> Result<Verified, Violation> {
    let swept = sweep::sweep(code)?;
    places::check(code, &swept)?;
    cycles::check(code, &swept)?;
    Ok(swept.counts)
}

#[cfg(test)]
mod tests;
