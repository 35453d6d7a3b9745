//! What a golden entry is made from.

use tvm_isa::{GpVersion, Op};
use tvm_tests::assemble::{Assembler, Inst};

/// A program, and which of its instructions is shown.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is special about the program around the instruction; empty if nothing is.
    pub note: String,
    /// The operation shown.
    pub op: Op,
    /// Where it is; the start of a region.
    pub pc: u32,
    /// The program.
    pub blob: Vec<u8>,
    /// What of the region's code is shown.
    pub shown: Shown,
    /// Whether the program is a service's, rather than one of an inner machine.
    pub service: bool,
}

/// A part of a region's code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// What follows the charge.
    Instructions,
    /// The charge.
    Charge,
    /// What follows the charge, under all of the region's instructions instead of one.
    Region,
    /// All code of the program, charges included, but for the cold sites.
    Program,
}

impl Entry {
    /// An instruction without control flow, at the start of a block of its own.
    pub fn straight(inst: Inst) -> Self {
        Self::straight_of(GpVersion::V0_7_2, inst)
    }

    /// The same under another version's numbers.
    pub fn straight_of(version: GpVersion, inst: Inst) -> Self {
        let mut asm = Assembler::new(version);
        let pc = asm.push(inst);
        // No code of its own: where it ends the block, the next one's begins.
        asm.op(Op::Fallthrough);
        asm.op(Op::Trap);
        Self { note: String::new(), op: inst.op, pc, blob: asm.blob(), shown: Shown::Instructions, service: false }
    }

    /// The instruction at `pc` of a program.
    pub fn at(note: &str, op: Op, pc: u32, asm: &Assembler) -> Self {
        Self { note: note.to_owned(), op, pc, blob: asm.blob(), shown: Shown::Instructions, service: false }
    }
}
