//! Operands with two registers, and what fills up between instructions: what only the best tier writes.

use super::{Assembler, GuestForm};

/// A sum of registers: `base + (index << scale) + disp`, of which the registers may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum {
    /// A register as it is.
    pub base: Option<u8>,
    /// A register, and the power of two it is multiplied with, at most 3.
    pub index: Option<(u8, u8)>,
    /// A constant.
    pub disp: i32,
}

/// The recommended instruction of each length that does nothing.
const NOPS: [u64; 8] = [
    0x90,
    0x9066,
    0x00_1f0f,
    0x0040_1f0f,
    0x00_0044_1f0f,
    0x0000_441f_0f66,
    0x0000_0000_0080_1f0f,
    0x0000_0000_0084_1f0f,
];

/// Bytes of the longest one, with prefixes: no instruction is longer.
const LONGEST_NOP: usize = 15;

impl Assembler<'_> {
    /// An instruction on guest memory at `(base + index + disp) mod 2^32`. The address-size prefix makes the processor
    /// compute the address in 32 bits. An immediate may follow.
    pub fn guest_operand_at(&mut self, form: GuestForm, reg: u8, at: Sum) {
        let Sum { base, index: Some((index, scale)), disp } = at else {
            return self.guest_operand(form, reg, at.base, at.disp);
        };
        let (head, len) = form.head(reg, index, base.unwrap_or(0));
        self.ops.put(head, len as usize);
        self.indexed(reg, base, index, scale, disp);
    }

    /// `lea to, [base + (index << scale)]` in 64 bits.
    pub fn lea_scaled(&mut self, to: u8, base: Option<u8>, index: u8, scale: u8, disp: i32) {
        self.ops.put(u64::from(rex(true, to, index, base.unwrap_or(0))) | 0x8d00, 2);
        self.indexed(to, base, index, scale, disp);
    }

    /// ModRM and SIB, and the shortest displacement.
    fn indexed(&mut self, reg: u8, base: Option<u8>, index: u8, scale: u8, disp: i32) {
        let reg = (reg & 7) << 3;
        let sib = scale << 6 | (index & 7) << 3;
        let Some(base) = base else {
            self.ops.put(u64::from(0x04 | reg) | u64::from(sib | 5) << 8, 2);
            return self.ops.put(u64::from(disp as u32), 4);
        };
        let low = base & 7;
        let (mode, disp_len) = match disp {
            0 if low != 5 => (0x00, 0),
            -128..=127 => (0x40, 1),
            _ => (0x80, 4),
        };
        self.ops.put(u64::from(mode | 4 | reg) | u64::from(sib | low) << 8, 2);
        self.ops.put(u64::from(disp as u32), disp_len);
    }

    /// Fills up with instructions that do nothing to a multiple of `alignment`, a power of two. They execute where the code before goes
    /// on into what is aligned: few long ones cost less.
    pub fn align(&mut self, alignment: u32) {
        const OPERAND_SIZE: u64 = 0x6666_6666_6666_6666;
        let mut missing = (self.here().0.wrapping_neg() & (alignment - 1)) as usize;
        while missing > 0 {
            let len = missing.min(LONGEST_NOP);
            let prefixes = len.saturating_sub(NOPS.len());
            self.ops.put(OPERAND_SIZE, prefixes);
            self.ops.put(NOPS[len - prefixes - 1], len - prefixes);
            missing -= len;
        }
    }
}

fn rex(wide: bool, reg: u8, index: u8, base: u8) -> u8 {
    0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3
}
