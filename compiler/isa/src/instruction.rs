//! One decoded instruction, and how its operand bytes are laid out (GP A.5).

use crate::opcode::Op;
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
        let length = program.skip(pc) + 1;
        let op = program.op_at(rules, pc).unwrap_or(Op::Trap);
        Self::decode_operands(program, op, pc, length)
    }

    /// Decodes the operands of an instruction whose operation and length are known.
    #[must_use]
    #[inline]
    pub fn decode_operands(program: &Program<'_>, op: Op, pc: Pc, length: u8) -> Self {
        let bytes = program.window(pc);
        let skip = usize::from(length) - 1;
        let mut out = Self { op, pc, length, a: Reg::default(), b: Reg::default(), d: Reg::default(), x: 0, y: 0 };
        let low = |byte: u8| Reg::clamped(byte & 15);
        let high = |byte: u8| Reg::clamped(byte >> 4);
        let target = |offset: u64| u64::from(pc.0).wrapping_add(offset);
        match op.info().format {
            Format::None => {}
            Format::Imm => out.x = immediate(&bytes, 1, skip.min(4)),
            Format::RegImm64 => {
                out.a = low(bytes[1]);
                out.x = immediate(&bytes, 2, 8);
            }
            Format::ImmImm => {
                let (x, y) = immediates(&bytes, bytes[1], 2, skip, 1);
                (out.x, out.y) = (x, y);
            }
            Format::Offset => out.x = target(immediate(&bytes, 1, skip.min(4))),
            Format::RegImm => {
                out.a = low(bytes[1]);
                out.x = immediate(&bytes, 2, skip.saturating_sub(1).min(4));
            }
            Format::RegImmImm => {
                out.a = low(bytes[1]);
                (out.x, out.y) = immediates(&bytes, bytes[1] >> 4, 2, skip, 1);
            }
            Format::RegImmOffset => {
                out.a = low(bytes[1]);
                let (x, offset) = immediates(&bytes, bytes[1] >> 4, 2, skip, 1);
                (out.x, out.y) = (x, target(offset));
            }
            Format::RegReg => {
                out.d = low(bytes[1]);
                out.a = high(bytes[1]);
            }
            Format::RegRegImm => {
                out.a = low(bytes[1]);
                out.b = high(bytes[1]);
                out.x = immediate(&bytes, 2, skip.saturating_sub(1).min(4));
            }
            Format::RegRegOffset => {
                out.a = low(bytes[1]);
                out.b = high(bytes[1]);
                out.x = target(immediate(&bytes, 2, skip.saturating_sub(1).min(4)));
            }
            Format::RegRegImmImm => {
                out.a = low(bytes[1]);
                out.b = high(bytes[1]);
                (out.x, out.y) = immediates(&bytes, bytes[2], 3, skip, 2);
            }
            Format::RegRegReg => {
                out.a = low(bytes[1]);
                out.b = high(bytes[1]);
                out.d = Reg::clamped(bytes[2]);
            }
        }
        out
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

/// The instruction's bytes: the opcode and the 24 bytes after it, zero past the end of the code (GP: ζ).
pub(crate) const WINDOW_BYTES: usize = 32;

/// Sign-extends the `len` (0..=8) bytes at `at`; no bytes give zero.
#[inline]
fn immediate(bytes: &[u8; WINDOW_BYTES], at: usize, len: usize) -> u64 {
    if len == 0 {
        return 0;
    }
    let raw = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let unused_bits = 64 - 8 * len as u32;
    (((raw << unused_bits) as i64) >> unused_bits) as u64
}

/// Two immediates: the first's length is in the low three bits of `length_field`, the second takes what skip leaves
/// after `fixed` bytes of registers and lengths.
#[inline]
fn immediates(bytes: &[u8; WINDOW_BYTES], length_field: u8, at: usize, skip: usize, fixed: usize) -> (u64, u64) {
    let len_x = usize::from(length_field & 7).min(4);
    let len_y = skip.saturating_sub(len_x + fixed).min(4);
    (immediate(bytes, at, len_x), immediate(bytes, at + len_x, len_y))
}
