//! The symbol table: a symbol `pc_N` for each basic block, named after its program counter, then the jumps to the stubs.
//!
//! There are about as many symbols as the program has jumps, so they are written without formatting machinery: an entry
//! and a name are one store each.

use object::elf;
use tvm_abi::Stub;
use tvm_isa::Pc;

use crate::MAX_CODE_BYTES;
use crate::control::{THUNK_BYTES, thunk};

/// Bytes of a symbol table entry.
pub const ENTRY_BYTES: usize = 24;

/// Before the number in a name.
const PREFIX: u64 = u64::from_le_bytes(*b"pc_\0\0\0\0\0");
const PREFIX_LEN: usize = 3;

/// Most digits in the name of a block.
const MAX_DIGITS: u32 = 8;
const _: () = assert!(MAX_CODE_BYTES < 10_usize.pow(MAX_DIGITS));

/// The blocks of a program, to be named.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    /// Where each of them starts in the text.
    pub places: &'a [u32],
    /// Where the last one ends.
    pub text_end: u32,
    /// Index of the text in the section header table.
    pub text_section: u16,
}

impl Blocks<'_> {
    /// Number of symbols, the null symbol included.
    pub fn count(self) -> u32 {
        (1 + self.places.len() + Stub::THUNKS.len()) as u32
    }

    /// Appends the entries. `starts` are the blocks' program counters, in order.
    pub fn write_entries(self, starts: impl Iterator<Item = Pc>, file: &mut Vec<u8>) {
        file.reserve(self.count() as usize * ENTRY_BYTES);
        file.extend_from_slice(&[0; ENTRY_BYTES]);
        let function = elf::SymbolInfo::new(elf::STB_LOCAL, elf::STT_FUNC).0;
        let mut name = 1;
        let mut digits = Digits::default();
        let mut ends = self.places.iter().skip(1).copied();
        for (pc, &start) in starts.zip(self.places) {
            let end = ends.next().unwrap_or(self.text_end);
            file.extend_from_slice(&entry(name, function, self.text_section, start, end - start));
            name += PREFIX_LEN as u32 + digits.of(pc) + 1;
        }
        for (stub, symbol) in Stub::THUNKS {
            file.extend_from_slice(&entry(name, function, self.text_section, thunk(stub).0, THUNK_BYTES));
            name += symbol.len() as u32 + 1;
        }
    }

    /// Appends the names, in the order of the entries.
    pub fn write_names(self, starts: impl Iterator<Item = Pc>, file: &mut Vec<u8>) {
        /// Bytes that are written at once, of which those behind a name are dropped again.
        const STORE: usize = size_of::<u128>();
        file.reserve(1 + self.places.len() * (PREFIX_LEN + MAX_DIGITS as usize + 1) + STORE);
        file.push(0);
        let mut digits = Digits::default();
        for pc in starts {
            let len = digits.of(pc);
            let number = decimal(pc.0) >> (8 * (MAX_DIGITS - len));
            let name = u128::from(PREFIX) | u128::from(number) << (8 * PREFIX_LEN);
            let end = file.len() + PREFIX_LEN + len as usize + 1;
            file.extend_from_slice(&name.to_le_bytes());
            file.truncate(end);
        }
        for (_, symbol) in Stub::THUNKS {
            file.extend(symbol.bytes());
            file.push(0);
        }
    }
}

fn entry(name: u32, info: u8, section: u16, value: u32, size: u32) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[..8].copy_from_slice(&(u64::from(name) | u64::from(info) << 32 | u64::from(section) << 48).to_le_bytes());
    entry[8..16].copy_from_slice(&u64::from(value).to_le_bytes());
    entry[16..].copy_from_slice(&u64::from(size).to_le_bytes());
    entry
}

/// Counts the digits of numbers that never fall from call to call.
struct Digits {
    count: u32,
    /// The first number that has more.
    limit: u32,
}

impl Default for Digits {
    fn default() -> Self {
        Self { count: 1, limit: 10 }
    }
}

impl Digits {
    fn of(&mut self, Pc(number): Pc) -> u32 {
        while number >= self.limit {
            self.count += 1;
            self.limit *= 10;
        }
        self.count
    }
}

/// A number below 10^8 as eight decimal digits, the first in the lowest byte: in halves, then in quarters, then all at once.
fn decimal(number: u32) -> u64 {
    debug_assert!(number < 10_u32.pow(MAX_DIGITS));
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (quarters - tens * 10) << 8;
    digits + 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        let powers = (0..MAX_DIGITS).map(|power| 10_u32.pow(power));
        let near_powers = powers.flat_map(|power| [power - 1, power, power + 1]);
        let others = (0..10_000).map(|index| index * 9_973 + 7);
        for number in near_powers.chain(others).chain([99_999_999]) {
            assert_eq!(decimal(number).to_le_bytes(), format!("{number:08}").as_bytes(), "{number}");
        }
    }

    #[test]
    fn entries_name_blocks_and_stubs() {
        let starts = [0, 7, 9, 10, 99, 100, 12_345, 4_194_303].map(Pc);
        let places = [24, 30, 31, 50, 60, 70, 80, 90];
        let blocks = Blocks { places: &places, text_end: 1000, text_section: 3 };
        let (mut table, mut names) = (Vec::new(), vec![0xaa]);
        blocks.write_entries(starts.into_iter(), &mut table);
        blocks.write_names(starts.into_iter(), &mut names);
        names.remove(0);

        let entries: Vec<&[u8]> = table.chunks(ENTRY_BYTES).collect();
        assert_eq!(entries.len(), blocks.count() as usize);
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        let name_of = |entry: &[u8]| {
            let name = &names[word(entry) as usize..];
            String::from_utf8(name[..name.iter().position(|&byte| byte == 0).unwrap()].to_vec()).unwrap()
        };
        assert_eq!(entries[0], [0; ENTRY_BYTES]);
        for (index, pc) in starts.iter().enumerate() {
            let entry = entries[index + 1];
            assert_eq!(name_of(entry), format!("pc_{pc}"));
            assert_eq!((word(&entry[8..]), entry[4], entry[6]), (places[index], 2, 3));
            let end = places.get(index + 1).copied().unwrap_or(1000);
            assert_eq!(word(&entry[16..]), end - places[index]);
        }
        for (index, ((_, symbol), entry)) in Stub::THUNKS.iter().zip(&entries[1 + starts.len()..]).enumerate() {
            assert_eq!(name_of(entry), *symbol);
            assert_eq!((word(&entry[8..]), word(&entry[16..]), entry[6]), (8 * index as u32, 8, 3));
        }
        assert_eq!(names.last(), Some(&0));
    }
}
