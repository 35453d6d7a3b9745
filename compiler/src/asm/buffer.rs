//! The text while it is written: machine code goes straight to its place, in an object or where it will run.

use dynasmrt::{AssemblyOffset, DynasmApi};
use tvm_abi::TextOffset;

/// Most bytes that may be written after [`CodeBuffer::is_ready`] said yes, before it must be asked again: more than the
/// longest code of one guest instruction and of what goes before its region.
pub const READY: usize = 256;

/// Said when more is written than there is room for: a defect of the compiler, which its tests would meet.
const NOT_READY: &str = "code is written where there is room";

/// Writes machine code from the start of some bytes on.
///
/// There are bytes behind the next instruction, whatever they are, so that an instruction of any length is one store of
/// fixed length: what it writes too far, the next one overwrites. Whether there are any is not asked with each store, but
/// once for each guest instruction, by [`CodeBuffer::is_ready`].
pub struct CodeBuffer<'m> {
    /// The text, and room behind it.
    bytes: &'m mut [u8],
    /// Where the next instruction goes.
    at: usize,
}

impl<'m> CodeBuffer<'m> {
    /// A buffer without any text yet.
    pub fn new(bytes: &'m mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of the next machine instruction.
    #[inline]
    pub fn here(&self) -> TextOffset {
        TextOffset(self.at as u32)
    }

    /// Whether [`READY`] bytes can be written.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.at + READY + size_of::<u128>() <= self.bytes.len()
    }

    /// Whether [`READY`] bytes can be written so many times.
    #[inline]
    pub fn is_ready_for(&self, times: usize) -> bool {
        self.at + READY * times + size_of::<u128>() <= self.bytes.len()
    }

    /// Appends the low `len` bytes of `code`, at most 8. Panics where there is no room.
    #[inline]
    pub fn put(&mut self, code: u64, len: usize) {
        debug_assert!(len <= 8);
        *self.bytes[self.at..].first_chunk_mut().expect(NOT_READY) = code.to_le_bytes();
        self.at += len;
    }

    /// Appends the low `len` bytes of `code`, at most 16. Panics where there is no room.
    #[inline]
    pub fn put_long(&mut self, code: u128, len: usize) {
        debug_assert!(len <= 16);
        *self.bytes[self.at..].first_chunk_mut().expect(NOT_READY) = code.to_le_bytes();
        self.at += len;
    }

    /// Appends the low `first_len` bytes of `first`, at most 7, then the low `second_len` bytes of `second`.
    #[inline]
    pub fn put_two(&mut self, first: u64, first_len: usize, second: u32, second_len: usize) {
        debug_assert!(first_len < 8 && second_len <= 4);
        let place: &mut [u8; 16] = self.bytes[self.at..].first_chunk_mut().expect(NOT_READY);
        place[..8].copy_from_slice(&first.to_le_bytes());
        let middle = first_len & 7;
        place[middle..middle + 4].copy_from_slice(&second.to_le_bytes());
        self.at += first_len + second_len;
    }

    /// Replaces the byte before `end`.
    pub fn patch_byte(&mut self, end: TextOffset, value: u8) {
        self.bytes[end.0 as usize - 1] = value;
    }

    /// Replaces the four bytes before `end`.
    #[inline]
    pub fn patch_word(&mut self, end: TextOffset, value: u32) {
        let end = end.0 as usize;
        self.bytes[end - 4..end].copy_from_slice(&value.to_le_bytes());
    }
}

impl Extend<u8> for CodeBuffer<'_> {
    #[inline]
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        bytes.into_iter().for_each(|byte| self.push(byte));
    }
}

impl<'a> Extend<&'a u8> for CodeBuffer<'_> {
    #[inline]
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, bytes: T) {
        bytes.into_iter().for_each(|&byte| self.push(byte));
    }
}

/// What dynasm-rs writes the rarer instructions with.
impl DynasmApi for CodeBuffer<'_> {
    fn offset(&self) -> AssemblyOffset {
        AssemblyOffset(self.here().0 as usize)
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.put(byte.into(), 1);
    }

    fn align(&mut self, alignment: usize, with: u8) {
        while !(self.here().0 as usize).is_multiple_of(alignment) {
            self.push(with);
        }
    }

    #[inline]
    fn push_i16(&mut self, value: i16) {
        self.push_u16(value as u16);
    }

    #[inline]
    fn push_i32(&mut self, value: i32) {
        self.push_u32(value as u32);
    }

    #[inline]
    fn push_i64(&mut self, value: i64) {
        self.push_u64(value as u64);
    }

    #[inline]
    fn push_u16(&mut self, value: u16) {
        self.put(value.into(), 2);
    }

    #[inline]
    fn push_u32(&mut self, value: u32) {
        self.put(value.into(), 4);
    }

    #[inline]
    fn push_u64(&mut self, value: u64) {
        self.put(value, 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_any_length_follows_what_is_there() {
        let mut bytes = vec![0xaa; 20_000];
        let mut buffer = CodeBuffer::new(&mut bytes);
        let mut expected = Vec::new();
        for index in 0_u64.. {
            let len = index as usize % 9;
            if !buffer.is_ready() {
                break;
            }
            buffer.put((u64::MAX / 3) ^ index, len);
            expected.extend(&((u64::MAX / 3) ^ index).to_le_bytes()[..len]);
            buffer.put_long(u128::MAX / 7, 13);
            expected.extend(&(u128::MAX / 7).to_le_bytes()[..13]);
        }
        assert_eq!(buffer.here().0 as usize, expected.len());
        assert!(bytes.len() - expected.len() < READY + 16);
        assert_eq!(bytes[..expected.len()], expected);
    }

    #[test]
    fn patches_end_where_they_should() {
        let mut bytes = vec![0; 16];
        let mut buffer = CodeBuffer::new(&mut bytes);
        buffer.put(0x1122_3344_5566_7788, 8);
        buffer.patch_word(TextOffset(6), 0xaabb_ccdd);
        buffer.patch_byte(TextOffset(1), 0xee);
        assert_eq!(bytes[..8], [0xee, 0x77, 0xdd, 0xcc, 0xbb, 0xaa, 0x22, 0x11]);
    }
}
