//! The program blob: code, instruction bitmask and jump table (GP A.1 and A.2).

use crate::codec::{NaturalError, decode_natural};
use crate::opcode::Op;
use crate::operands::{Encoded, WINDOW_BYTES};
use crate::units::Pc;
use crate::version::Rules;

/// The most bytes after an opcode that belong to its instruction (GP A.2).
pub const MAX_SKIP: u8 = 24;

/// A parsed program. It borrows the blob and is cheap to copy; parsing looks at the blob's lengths only.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    blob: &'a [u8],
    code: &'a [u8],
    bitmask: &'a [u8],
    jump_table: JumpTable<'a>,
}

/// The table that dynamic jumps go through (GP: j).
#[derive(Clone, Copy, Debug)]
pub struct JumpTable<'a> {
    entries: u64,
    entry_size: u8,
    bytes: &'a [u8],
}

/// Why bytes are not a program blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProgramError {
    /// A length at the front does not decode.
    #[error("program blob: {field}: {error}")]
    Length {
        /// Which length.
        field: &'static str,
        /// What is wrong with it.
        error: NaturalError,
    },
    /// The lengths do not add up to the blob's size.
    #[error("program blob: its lengths ask for {expected} bytes, but it has {found}")]
    Size {
        /// Bytes that header, jump table, code and bitmask take together.
        expected: u128,
        /// Bytes there are.
        found: usize,
    },
    /// The code is too long for 32-bit program counters.
    #[error("program blob: code of {found} bytes, at most {} are possible", u32::MAX - 32)]
    CodeTooLong {
        /// Declared code length.
        found: u64,
    },
    /// Bits of the bitmask beyond the code are set, so the blob is no encoder's output.
    #[error("program blob: the last bitmask byte {found:#04x} has bits set beyond the end of the code")]
    BitmaskPadding {
        /// The last byte of the bitmask.
        found: u8,
    },
}

impl<'a> Program<'a> {
    /// Splits a program blob into its parts, in constant time. What the instructions are is not looked at.
    ///
    /// # Errors
    /// When the blob is not exactly what its lengths say (GP: deblob fails).
    pub fn parse(blob: &'a [u8]) -> Result<Self, ProgramError> {
        let length = |field| move |error| ProgramError::Length { field, error };
        let (entries, rest) = decode_natural(blob).map_err(length("jump table length"))?;
        let (&entry_size, rest) = rest
            .split_first()
            .ok_or(length("jump table entry size")(NaturalError::Truncated { needed: 1, found: 0 }))?;
        let (code_len, rest) = decode_natural(rest).map_err(length("code length"))?;

        let table_len = u128::from(entries) * u128::from(entry_size);
        let body_len = table_len + u128::from(code_len) + u128::from(code_len).div_ceil(8);
        if body_len != rest.len() as u128 {
            let header = blob.len() - rest.len();
            return Err(ProgramError::Size { expected: body_len + header as u128, found: blob.len() });
        }
        // Instructions end at most 25 bytes past the last opcode, and that sum must stay a 32-bit number.
        if code_len > u64::from(u32::MAX - 32) {
            return Err(ProgramError::CodeTooLong { found: code_len });
        }
        let (table, rest) = rest.split_at(table_len as usize);
        let (code, bitmask) = rest.split_at(code_len as usize);
        if let (Some(&last), used @ 1..) = (bitmask.last(), code.len() % 8)
            && last >> used != 0
        {
            return Err(ProgramError::BitmaskPadding { found: last });
        }
        Ok(Self { blob, code, bitmask, jump_table: JumpTable { entries, entry_size, bytes: table } })
    }

    /// The whole blob this program was parsed from.
    #[must_use]
    pub fn blob(&self) -> &'a [u8] {
        self.blob
    }

    /// The code bytes.
    #[must_use]
    pub fn code(&self) -> &'a [u8] {
        self.code
    }

    /// The bits that mark where instructions start, lowest bit first, in whole bytes; bits past the code are zero.
    pub(crate) fn bitmask(&self) -> &'a [u8] {
        self.bitmask
    }

    /// The marks of positions 64·`word` to 64·`word` + 63, the first in the lowest bit; none past the end of the code.
    #[inline]
    pub(crate) fn mark_word(&self, word: usize) -> u64 {
        let rest = self.bitmask.get(8 * word..).unwrap_or(&[]);
        match rest.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        }
    }

    /// The dynamic jump table.
    #[must_use]
    pub fn jump_table(&self) -> JumpTable<'a> {
        self.jump_table
    }

    /// The code's length, which is also the first program counter past it.
    #[must_use]
    pub fn code_len(&self) -> u32 {
        self.code.len() as u32
    }

    /// Whether the bitmask marks `pc` as the start of an instruction. Past the code there are none here, although the
    /// Gray Paper continues the mask with ones there: what it gives is the trap that this gives too.
    #[must_use]
    #[inline]
    pub fn is_marked(&self, pc: u64) -> bool {
        pc < self.code.len() as u64 && self.bitmask[(pc / 8) as usize] >> (pc % 8) & 1 != 0
    }

    /// GP: skip(ı), the number of bytes between the opcode at `pc` and the next marked position, at most [`MAX_SKIP`].
    #[must_use]
    #[inline]
    pub fn skip(&self, pc: Pc) -> u8 {
        let first = pc.0 as u64 + 1;
        let byte = (first / 8) as usize;
        // 32 bits starting at `first` always suffice: ones stand for the positions past the end of the code.
        let bits = match self.bitmask.get(byte..byte + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().expect("eight bytes")),
            None => {
                let mut eight = [0xff; 8];
                let rest = self.bitmask.get(byte..).unwrap_or(&[]);
                eight[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(eight) | ones_from(self.code.len() as u64, byte as u64 * 8)
            }
        };
        ((bits >> (first % 8)).trailing_zeros() as u8).min(MAX_SKIP)
    }

    /// The operation at `pc`, if the position is marked and the opcode is defined; otherwise it acts as a trap.
    #[must_use]
    #[inline]
    pub fn op_at(&self, rules: &Rules, pc: Pc) -> Option<Op> {
        if !self.is_marked(u64::from(pc.0)) {
            return None;
        }
        rules.opcodes[usize::from(self.code[pc.0 as usize])]
    }

    /// Whether a basic block starts at `target` (GP: target ∈ ϖ). Takes constant time.
    #[must_use]
    pub fn is_block_start(&self, rules: &Rules, target: u64) -> bool {
        if target >= self.code.len() as u64 || self.op_at(rules, Pc(target as u32)).is_none() {
            return false;
        }
        target == 0
            || self
                .previous_marked(Pc(target as u32))
                .and_then(|previous| self.op_at(rules, previous))
                .is_some_and(Op::terminates_block)
    }

    /// The marked position whose instruction ends exactly at `pc`, if there is one.
    #[must_use]
    pub fn previous_marked(&self, pc: Pc) -> Option<Pc> {
        let nearest = pc.0.saturating_sub(u32::from(MAX_SKIP) + 1);
        (nearest..pc.0).rev().find(|&at| self.is_marked(u64::from(at))).map(Pc)
    }

    /// The operation at `pc` and the length of its instruction, 1 + skip, as [`Self::op_at`] and [`Self::skip`] give them;
    /// what has no operation is a trap.
    #[must_use]
    #[inline]
    pub fn fetch(&self, rules: &Rules, pc: Pc) -> (Op, u8) {
        let at = pc.0 as usize;
        let (Some(bits), Some(&opcode)) = (self.mark_and_skip(at), self.code.get(at)) else {
            return self.fetch_near_end(rules, pc);
        };
        let op = rules.opcodes[usize::from(opcode)].filter(|_| bits & 1 != 0);
        let length = (bits >> 1 | 1 << MAX_SKIP).trailing_zeros() as u8 + 1;
        (op.unwrap_or(Op::Trap), length)
    }

    /// Whether what the opcode at a marked position stands for is an end of a [`Stretch`](crate::Stretch) itself, whatever follows.
    #[must_use]
    #[inline]
    pub fn stops_at(&self, rules: &Rules, marked: Pc) -> bool {
        self.code.get(marked.0 as usize).is_some_and(|&opcode| rules.stops(opcode))
    }

    /// The opcode at a marked position and its instruction, as [`Self::fetch`] and [`Self::encoded`] give them, where the
    /// position is not so near to the end of the code that they take more than that.
    #[must_use]
    #[inline(always)]
    pub fn marked(&self, pc: Pc) -> Option<(u8, Encoded<'a>)> {
        let at = pc.0 as usize;
        let window = self.window(pc)?;
        let length = (self.mark_and_skip(at)? >> 1 | 1 << MAX_SKIP).trailing_zeros() as u8 + 1;
        Some((window[0], Encoded { window, length }))
    }

    /// Below which position [`Self::marked`] gives what it says.
    #[must_use]
    pub fn whole_below(&self) -> u32 {
        let by_code = (self.code.len() + 1).saturating_sub(WINDOW_BYTES);
        // `mark_and_skip` takes five bytes.
        let by_mask = 8 * (self.bitmask.len() + 1).saturating_sub(5);
        by_code.min(by_mask) as u32
    }

    /// Whether a position is marked, in the lowest bit, and the 24 positions behind it. `None` near to the end of the code.
    #[inline(always)]
    fn mark_and_skip(&self, at: usize) -> Option<u32> {
        // The fifth byte is not looked at: the padding that the mask's last byte may have is not among the bits.
        let [first @ .., _] = *self.bitmask.get(at / 8..)?.first_chunk::<5>()?;
        Some(u32::from_le_bytes(first) >> (at % 8))
    }

    #[cold]
    fn fetch_near_end(&self, rules: &Rules, pc: Pc) -> (Op, u8) {
        (self.op_at(rules, pc).unwrap_or(Op::Trap), self.skip(pc) + 1)
    }

    /// The instruction of `length` bytes at `pc`. `None` so near to the code's end that only [`Instruction`] has it.
    ///
    /// [`Instruction`]: crate::Instruction
    #[must_use]
    #[inline]
    pub fn encoded(&self, pc: Pc, length: u8) -> Option<Encoded<'a>> {
        self.window(pc).map(|window| Encoded { window, length })
    }

    /// The bytes from `pc` on, if the code has as many.
    #[inline]
    pub(crate) fn window(&self, pc: Pc) -> Option<&'a [u8; WINDOW_BYTES]> {
        self.code.get(pc.0 as usize..)?.first_chunk()
    }

    /// The bytes from `pc` on, zero past the end of the code (GP: ζ).
    #[cold]
    pub(crate) fn padded_window(&self, pc: Pc) -> [u8; WINDOW_BYTES] {
        let rest = &self.code[(pc.0 as usize).min(self.code.len())..];
        let mut window = [0; WINDOW_BYTES];
        let len = rest.len().min(WINDOW_BYTES);
        window[..len].copy_from_slice(&rest[..len]);
        window
    }
}

/// A word whose bits stand for positions `base..base + 64`, with those at `limit` and beyond set.
fn ones_from(limit: u64, base: u64) -> u64 {
    match limit.saturating_sub(base) {
        inside @ 0..64 => u64::MAX << inside,
        _ => 0,
    }
}

impl<'a> JumpTable<'a> {
    /// Number of entries. Entries of zero bytes take no room, so this may be any number.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether the table has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes in each entry.
    #[must_use]
    pub fn entry_size(&self) -> u8 {
        self.entry_size
    }

    /// Entry `index`: a little-endian number of any width. Values that do not fit 64 bits are in no block, which is
    /// what `u64::MAX` says too.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u64> {
        if index >= self.entries {
            return None;
        }
        let size = usize::from(self.entry_size);
        let start = index as usize * size;
        let entry = &self.bytes[start..start + size];
        let (low, high) = entry.split_at(size.min(8));
        if high.iter().any(|&byte| byte != 0) {
            return Some(u64::MAX);
        }
        Some(low.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::GpVersion;

    /// A blob without jump table whose marked positions are given.
    pub(crate) fn blob(code: &[u8], marked: &[usize]) -> Vec<u8> {
        let mut blob = vec![0, 0];
        crate::codec::encode_natural(code.len() as u64, &mut blob);
        blob.extend_from_slice(code);
        let mut mask = vec![0; code.len().div_ceil(8)];
        for at in marked {
            mask[at / 8] |= 1 << (at % 8);
        }
        blob.extend(mask);
        blob
    }

    #[test]
    fn what_is_near_to_the_end_is_told() {
        for len in 0..200 {
            let blob = blob(&vec![0; len], &[]);
            let program = Program::parse(&blob).unwrap();
            for pc in 0..len as u32 + 3 {
                assert_eq!(program.marked(Pc(pc)).is_some(), pc < program.whole_below(), "{pc} of {len}");
            }
        }
    }

    #[test]
    fn skip_stops_at_24_and_at_the_end() {
        for len in [1, 7, 8, 9, 24, 25, 26, 31, 32, 33, 63, 64, 65, 100] {
            let blob = blob(&vec![0; len], &[0]);
            let program = Program::parse(&blob).unwrap();
            assert_eq!(usize::from(program.skip(Pc(0))), (len - 1).min(24), "code of {len} bytes");
            assert_eq!(program.skip(Pc(len as u32 - 1)), 0);
            assert_eq!(program.skip(Pc(len as u32 + 5)), 0);
        }
    }

    #[test]
    fn skip_finds_the_next_mark_at_every_distance() {
        for start in 0..20 {
            for distance in 1..30 {
                let blob = blob(&[0; 80], &[start, start + distance]);
                let program = Program::parse(&blob).unwrap();
                assert_eq!(usize::from(program.skip(Pc(start as u32))), (distance - 1).min(24));
            }
        }
    }

    #[test]
    fn block_starts_follow_terminators_only() {
        let rules = GpVersion::V0_7_2.rules();
        // fallthrough, load_imm (2 bytes), trap, undefined opcode, trap
        let blob = blob(&[1, 51, 0, 0, 99, 0], &[0, 1, 3, 4, 5]);
        let program = Program::parse(&blob).unwrap();
        let starts: Vec<u64> = (0..8).filter(|&at| program.is_block_start(rules, at)).collect();
        assert_eq!(starts, [0, 1]);
        assert!(!program.is_block_start(rules, u64::MAX));
    }

    #[test]
    fn sizes_must_match_exactly() {
        let good = blob(&[0, 1, 2], &[0]);
        assert!(Program::parse(&good).is_ok());
        assert!(matches!(Program::parse(&good[..good.len() - 1]), Err(ProgramError::Size { .. })));
        let mut long = good.clone();
        long.push(0);
        assert!(matches!(Program::parse(&long), Err(ProgramError::Size { .. })));
        let mut padded = good;
        *padded.last_mut().unwrap() |= 8;
        assert_eq!(Program::parse(&padded).unwrap_err(), ProgramError::BitmaskPadding { found: 9 });
    }

    #[test]
    fn a_huge_table_of_empty_entries_is_all_zeros() {
        let mut blob = Vec::new();
        crate::codec::encode_natural(u64::MAX, &mut blob);
        blob.extend([0, 1, 0, 1]);
        let program = Program::parse(&blob).unwrap();
        assert_eq!(program.jump_table().len(), u64::MAX);
        assert_eq!(program.jump_table().get(u64::MAX - 1), Some(0));
        assert_eq!(program.jump_table().get(u64::MAX), None);
    }

    #[test]
    fn wide_jump_table_entries_keep_their_value_or_leave_the_code() {
        let mut blob = vec![2, 10, 1];
        blob.extend([7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        blob.extend([7, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        blob.extend([0, 1]);
        let program = Program::parse(&blob).unwrap();
        assert_eq!(program.jump_table().get(0), Some(7));
        assert_eq!(program.jump_table().get(1), Some(u64::MAX));
    }
}
