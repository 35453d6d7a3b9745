//! Operand bytes to fields, for all formats by the same few steps (GP A.5.1 to A.5.13).
//!
//! Which format comes next is what a processor predicts worst about a program. So hardly anything here branches on it: a
//! row of masks for each operation says what is where, and what a format does not have is masked away.

use crate::instruction::{Format, Instruction};
use crate::opcode::{OPERATIONS, Op};
use crate::units::{Pc, Reg};

/// The bytes that decoding looks at: an opcode, up to two bytes of registers and lengths, and eight of immediates.
pub(crate) const WINDOW_BYTES: usize = 16;

/// Where the fields of an operation are. Masks are all ones where a field is used, else zero.
#[derive(Clone, Copy)]
struct Layout {
    /// Where the immediates start, counted from the opcode, at most 3.
    immediates_at: u8,
    /// The row of [`LENGTHS`].
    lengths: u8,
    /// Of two immediates, the lowest bit of the first's length in the bytes behind the opcode.
    length_bit: u8,
    /// Whether there are two immediates.
    two: bool,
    /// Masks: r_A is in the low or in the high half of the byte behind the opcode.
    a_low: u8,
    a_high: u8,
    /// Mask: r_B is in the high half.
    b_high: u8,
    /// Masks: r_D is in the low half, or is the next byte.
    d_low: u8,
    d_next: u8,
    /// Mask: the last immediate is relative to the program counter.
    target: u64,
}

/// Rows in the order of [`Op`]'s discriminants.
static LAYOUTS: [Layout; OPERATIONS.len()] = {
    let mut layouts = [Layout::new(Format::None); OPERATIONS.len()];
    let mut row = 0;
    while row < layouts.len() {
        layouts[row] = Layout::new(OPERATIONS[row].format);
        row += 1;
    }
    layouts
};

/// For each length of an immediate, its bits.
static BITS: [u64; 16] = {
    let mut bits = [u64::MAX; 16];
    let mut len = 0;
    while len < 8 {
        bits[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    bits
};

/// Rows of [`LENGTHS`].
const NO_IMMEDIATE: u8 = 0;
const UP_TO_4_AT_1: u8 = 1;
const UP_TO_4_AT_2: u8 = 2;
const ALWAYS_8: u8 = 3;
/// All bytes from the second or third on.
const ALL_AT_2: u8 = 4;
const ALL_AT_3: u8 = 5;

/// Bytes of the immediates, in rows of 32 by the instruction's length.
static LENGTHS: [u8; 256] = {
    let mut table = [0; 256];
    let mut length = 0;
    while length < 32_u8 {
        let at = length as usize;
        table[UP_TO_4_AT_1 as usize * 32 + at] =
            if length.saturating_sub(1) < 4 { length.saturating_sub(1) } else { 4 };
        table[UP_TO_4_AT_2 as usize * 32 + at] =
            if length.saturating_sub(2) < 4 { length.saturating_sub(2) } else { 4 };
        table[ALWAYS_8 as usize * 32 + at] = 8;
        table[ALL_AT_2 as usize * 32 + at] = length.saturating_sub(2);
        table[ALL_AT_3 as usize * 32 + at] = length.saturating_sub(3);
        length += 1;
    }
    table
};

/// Decodes the operands of an instruction, given the bytes from its opcode on.
#[inline(always)]
pub(crate) fn decode(window: &[u8; WINDOW_BYTES], op: Op, pc: Pc, length: u8) -> Instruction {
    let layout = &LAYOUTS[op as usize];
    let [_, first, next, ..] = *window;
    let [a, b, d] = layout.registers(first, next);
    let at = usize::from(layout.immediates_at & 3);
    let raw = u64::from_le_bytes(*window[at..].first_chunk().expect("eight bytes"));
    let len = LENGTHS[usize::from((layout.lengths << 5) | (length & 31))];
    let (x, y) = if layout.two {
        let stated = (u16::from_le_bytes([first, next]) >> layout.length_bit) as u8 & 7;
        let len_x = stated.min(4);
        let y = sign_extended(raw >> (8 * len_x), len.saturating_sub(len_x).min(4));
        (sign_extended(raw, len_x), y.wrapping_add(u64::from(pc.0) & layout.target))
    } else {
        (sign_extended(raw, len).wrapping_add(u64::from(pc.0) & layout.target), 0)
    };
    Instruction { op, pc, length, a, b, d, x, y }
}

/// An instruction whose operands are taken apart when they are asked for. Whoever knows the format takes less than
/// [`Instruction`] does: of the register fields, which [`Reg::clamped`] takes, and the immediate those that are there.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    pub(crate) window: &'a [u8; WINDOW_BYTES],
    pub(crate) length: u8,
}

impl Encoded<'_> {
    /// The byte that is the opcode, if an instruction starts here.
    #[must_use]
    #[inline(always)]
    pub fn opcode(self) -> u8 {
        self.window[0]
    }

    /// Bytes from the opcode to the next instruction.
    #[must_use]
    #[inline(always)]
    pub fn length(self) -> u8 {
        self.length
    }

    /// The low half of the byte behind the opcode: r_A, or r_D of [`Format::RegReg`].
    #[must_use]
    #[inline(always)]
    pub fn low(self) -> u8 {
        self.window[1] & 15
    }

    /// The high half of that byte: r_B, or r_A of [`Format::RegReg`].
    #[must_use]
    #[inline(always)]
    pub fn high(self) -> u8 {
        self.window[1] >> 4
    }

    /// The byte after that one: r_D of [`Format::RegRegReg`].
    #[must_use]
    #[inline(always)]
    pub fn next(self) -> u8 {
        self.window[2]
    }

    /// All of the instruction, whose operation and place are these.
    #[must_use]
    #[inline(always)]
    pub fn instruction(self, op: Op, pc: Pc) -> Instruction {
        decode(self.window, op, pc, self.length)
    }

    /// All registers of an operation; those it does not have are register 0.
    #[inline(always)]
    pub(crate) fn registers(self, op: Op) -> [Reg; 3] {
        LAYOUTS[op as usize].registers(self.window[1], self.window[2])
    }

    /// The immediate of [`Format::RegImm`] and [`Format::RegRegImm`].
    #[must_use]
    #[inline(always)]
    pub fn immediate(self) -> u64 {
        let len = LENGTHS[usize::from((UP_TO_4_AT_2 << 5) | (self.length & 31))];
        sign_extended(self.raw(), len)
    }

    /// The immediate of [`Format::RegImm64`].
    #[must_use]
    #[inline(always)]
    pub fn immediate_64(self) -> u64 {
        self.raw()
    }

    #[inline(always)]
    fn raw(self) -> u64 {
        let [_, _, raw @ .., _, _, _, _, _, _] = *self.window;
        u64::from_le_bytes(raw)
    }
}

/// Sign-extends the low `len` bytes (0..=8); no bytes give zero.
#[inline(always)]
fn sign_extended(raw: u64, len: u8) -> u64 {
    let bits = BITS[usize::from(len & 15)];
    let sign = bits ^ (bits >> 1);
    ((raw & bits) ^ sign).wrapping_sub(sign)
}

impl Layout {
    /// r_A, r_B and r_D in the two bytes behind the opcode.
    #[inline(always)]
    fn registers(&self, first: u8, next: u8) -> [Reg; 3] {
        let (low, high) = (first & 15, first >> 4);
        let a = Reg::clamped((low & self.a_low) | (high & self.a_high));
        let b = Reg::clamped(high & self.b_high);
        let d = Reg::clamped((low & self.d_low) | (next & self.d_next));
        [a, b, d]
    }

    const fn new(format: Format) -> Self {
        const ALL: u8 = u8::MAX;
        /// No operands.
        const NONE: Layout = Layout {
            immediates_at: 1,
            lengths: NO_IMMEDIATE,
            length_bit: 0,
            two: false,
            a_low: 0,
            a_high: 0,
            b_high: 0,
            d_low: 0,
            d_next: 0,
            target: 0,
        };
        /// One immediate behind the opcode.
        const ONE: Layout = Layout { lengths: UP_TO_4_AT_1, ..NONE };
        /// One immediate behind a byte of registers, with r_A.
        const A_ONE: Layout = Layout { immediates_at: 2, lengths: UP_TO_4_AT_2, a_low: ALL, ..NONE };
        /// The same with r_B.
        const AB_ONE: Layout = Layout { b_high: ALL, ..A_ONE };
        /// Two immediates behind a byte with a length in its low half.
        const TWO: Layout = Layout { immediates_at: 2, lengths: ALL_AT_2, two: true, ..NONE };
        /// Two immediates behind a byte with r_A in its low half and a length in its high half.
        const A_TWO: Layout = Layout { a_low: ALL, length_bit: 4, ..TWO };
        /// Two immediates behind a byte of registers and one with a length.
        const AB_TWO: Layout =
            Layout { immediates_at: 3, lengths: ALL_AT_3, a_low: ALL, b_high: ALL, length_bit: 8, ..TWO };
        /// All bits of the program counter.
        const RELATIVE: u64 = u64::MAX;
        match format {
            Format::None => NONE,
            Format::Imm => ONE,
            Format::RegImm64 => Layout { lengths: ALWAYS_8, ..A_ONE },
            Format::ImmImm => TWO,
            Format::Offset => Layout { target: RELATIVE, ..ONE },
            Format::RegImm => A_ONE,
            Format::RegImmImm => A_TWO,
            Format::RegImmOffset => Layout { target: RELATIVE, ..A_TWO },
            Format::RegReg => Layout { d_low: ALL, a_high: ALL, ..NONE },
            Format::RegRegImm => AB_ONE,
            Format::RegRegOffset => Layout { target: RELATIVE, ..AB_ONE },
            Format::RegRegImmImm => AB_TWO,
            Format::RegRegReg => Layout { a_low: ALL, b_high: ALL, d_next: ALL, ..NONE },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats one by one, as the Gray Paper has them.
    fn by_format(window: &[u8; WINDOW_BYTES], op: Op, pc: Pc, length: u8) -> Instruction {
        let skip = usize::from(length) - 1;
        let none = Reg::default();
        let mut out = Instruction { op, pc, length, a: none, b: none, d: none, x: 0, y: 0 };
        let low = Reg::clamped(window[1] & 15);
        let high = Reg::clamped(window[1] >> 4);
        let target = |offset: u64| u64::from(pc.0).wrapping_add(offset);
        let immediate = |at: usize, len: usize| {
            let negative = len > 0 && window[at + len - 1] >= 0x80;
            let mut bytes = [if negative { 0xff } else { 0 }; 8];
            bytes[..len].copy_from_slice(&window[at..at + len]);
            u64::from_le_bytes(bytes)
        };
        let immediates = |length_field: u8, at: usize| {
            let len_x = usize::from(length_field % 8).min(4);
            let len_y = skip.saturating_sub(at - 1 + len_x).min(4);
            (immediate(at, len_x), immediate(at + len_x, len_y))
        };
        let rest = skip.saturating_sub(1).min(4);
        match op.info().format {
            Format::None => {}
            Format::Imm => out.x = immediate(1, skip.min(4)),
            Format::RegImm64 => (out.a, out.x) = (low, immediate(2, 8)),
            Format::ImmImm => (out.x, out.y) = immediates(window[1], 2),
            Format::Offset => out.x = target(immediate(1, skip.min(4))),
            Format::RegImm => (out.a, out.x) = (low, immediate(2, rest)),
            Format::RegImmImm | Format::RegImmOffset => {
                out.a = low;
                (out.x, out.y) = immediates(window[1] / 16, 2);
                if op.info().format == Format::RegImmOffset {
                    out.y = target(out.y);
                }
            }
            Format::RegReg => (out.d, out.a) = (low, high),
            Format::RegRegImm => (out.a, out.b, out.x) = (low, high, immediate(2, rest)),
            Format::RegRegOffset => (out.a, out.b, out.x) = (low, high, target(immediate(2, rest))),
            Format::RegRegImmImm => {
                (out.a, out.b) = (low, high);
                (out.x, out.y) = immediates(window[2], 3);
            }
            Format::RegRegReg => (out.a, out.b, out.d) = (low, high, Reg::clamped(window[2])),
        }
        out
    }

    #[test]
    fn all_operations_at_all_lengths_are_as_the_formats_say() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for operation in &OPERATIONS {
            for length in 1..=25 {
                // Every first byte, which has the registers and most lengths.
                for first in 0..=u8::MAX {
                    let (low, high) = (random(), random());
                    let mut window = (u128::from(low) << 64 | u128::from(high)).to_le_bytes();
                    window[1] = first;
                    let pc = Pc(random() as u32 >> (random() % 32));
                    let expected = by_format(&window, operation.op, pc, length);
                    assert_eq!(decode(&window, operation.op, pc, length), expected, "{window:?}");
                    let Instruction { a, b, d, x, .. } = expected;
                    let encoded = Encoded { window: &window, length };
                    let (low, high) = (Reg::clamped(encoded.low()), Reg::clamped(encoded.high()));
                    match operation.format {
                        Format::RegImm => assert_eq!((low, encoded.immediate()), (a, x)),
                        Format::RegImm64 => assert_eq!((low, encoded.immediate_64()), (a, x)),
                        Format::RegReg => assert_eq!((low, high), (d, a)),
                        Format::RegRegImm => assert_eq!((low, high, encoded.immediate()), (a, b, x)),
                        Format::RegRegReg => assert_eq!((low, high, Reg::clamped(encoded.next())), (a, b, d)),
                        _ => {}
                    }
                }
            }
        }
    }
}
