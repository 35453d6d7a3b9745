//! One decoded instruction, and how its operand bytes are laid out (GP A.5).

use crate::opcode::Op;
use crate::operands;
use crate::program::Program;
use crate::units::{Pc, Reg};
use crate::version::Rules;

/// Layout of the bytes that follow an opcode (GP A.5.1 to A.5.13).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// No operands.
    None,
    /// `x`: immediate of up to 4 bytes.
    Imm,
    /// `a`, `x`: register and an immediate of always 8 bytes.
    RegImm64,
    /// `x`, `y`: two immediates.
    ImmImm,
    /// `x`: jump target.
    Offset,
    /// `a`, `x`: register and immediate.
    RegImm,
    /// `a`, `x`, `y`: register and two immediates.
    RegImmImm,
    /// `a`, `x`, `y`: register, immediate and jump target.
    RegImmOffset,
    /// `d`, `a`: destination and source register.
    RegReg,
    /// `a`, `b`, `x`: two registers and an immediate.
    RegRegImm,
    /// `a`, `b`, `x`: two registers and a jump target.
    RegRegOffset,
    /// `a`, `b`, `x`, `y`: two registers and two immediates.
    RegRegImmImm,
    /// `a`, `b`, `d`: two sources and a destination.
    RegRegReg,
}

/// A decoded instruction. Fields that the operation's [`Format`] does not use are zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// What it does. Undefined opcodes and positions that start no instruction decode as [`Op::Trap`].
    pub op: Op,
    /// Where it starts.
    pub pc: Pc,
    /// Bytes from its opcode to the next instruction: 1 + skip, in 1..=25.
    pub length: u8,
    /// Register field A (GP: r_A).
    pub a: Reg,
    /// Register field B (GP: r_B).
    pub b: Reg,
    /// Register field D (GP: r_D).
    pub d: Reg,
    /// First immediate, sign-extended, or the absolute jump target of the formats with one offset.
    /// Targets are ı + offset modulo 2^64, so one before the code is a huge number, in no block.
    pub x: u64,
    /// Second immediate, or the absolute jump target of [`Format::RegImmOffset`].
    pub y: u64,
}

impl Instruction {
    /// Decodes the instruction at `pc`; any `pc` and any bytes decode to something (GP A.2).
    #[must_use]
    #[inline]
    pub fn decode(program: &Program<'_>, rules: &Rules, pc: Pc) -> Self {
        let (op, length) = program.fetch(rules, pc);
        Self::decode_operands(program, op, pc, length)
    }

    /// Decodes the operands of an instruction whose operation and length are known.
    #[must_use]
    #[inline]
    pub fn decode_operands(program: &Program<'_>, op: Op, pc: Pc, length: u8) -> Self {
        let padded;
        let window = match program.window(pc) {
            Some(window) => window,
            None => {
                padded = program.padded_window(pc);
                &padded
            }
        };
        operands::decode(window, op, pc, length)
    }

    /// The program counter after this instruction.
    #[must_use]
    #[inline]
    pub fn next_pc(&self) -> Pc {
        Pc(self.pc.0.saturating_add(u32::from(self.length)))
    }

    /// The static jump target, if the operation has one.
    #[must_use]
    #[inline]
    pub fn target(&self) -> Option<u64> {
        match self.op.info().format {
            Format::Offset | Format::RegRegOffset => Some(self.x),
            Format::RegImmOffset => Some(self.y),
            _ => None,
        }
    }
}
