//! An object's contents, checked.

use goblin::elf::sym::{Sym, SymIterator, Symtab};
use tvm_abi::sections;
use tvm_abi::{CpuFeatures, NOTE_NAME, NOTE_TYPE, Note, Placed, Places, TextOffset};
use tvm_isa::layout::{self, Layout};

use crate::LoadError;
use crate::reader::Reader;
use crate::sections::{LAYOUT, Sections, field, find, limit, symbol_table};

/// Bytes of an ELF note before its descriptor, with TVM's name.
const NOTE_HEADER_BYTES: usize = 12 + (NOTE_NAME.len() + 1).next_multiple_of(4);

/// Bytes of a symbol table entry.
const SYMBOL_BYTES: usize = 24;

/// What has been read of an object that passed all checks.
#[derive(Debug)]
pub(crate) struct Checked {
    pub sections: Sections,
    pub note: Note,
}

/// Checks all that can be checked in a time that does not depend on the length of the code, and finds the sections.
///
/// What remains is trust in the machine code and in the numbers of jump table and pc map: it follows from where the
/// object was kept.
#[inline]
pub(crate) fn check(object: &mut Reader<'_>, host: CpuFeatures) -> Result<Checked, LoadError> {
    let sections = find(object)?;
    let note = note(object.bytes(sections.note.clone())?)?;
    checked(sections, note, host)
}

/// The same for code without an object around it, which this process's compiler has put into `memory`.
pub(crate) fn check_placed(memory: &[u8], placed: Placed, host: CpuFeatures) -> Result<Checked, LoadError> {
    let Placed { note, places } = placed;
    limit("memory", "length of the code", places.end() as u64, memory.len() as u64)?;
    checked(Sections { note: 0..0, places }, note, host)
}

/// Checks what the note says.
#[inline]
fn checked(sections: Sections, note: Note, host: CpuFeatures) -> Result<Checked, LoadError> {
    let needed = note.cpu_features;
    if !host.contains(needed) {
        return Err(LoadError::CpuFeatures { needed, host });
    }
    tables_fit(&sections.places, &note)?;
    Ok(Checked { sections, note })
}

#[inline]
fn note(section: &[u8]) -> Result<Note, LoadError> {
    let (header, descriptor) = section.split_at_checked(NOTE_HEADER_BYTES).ok_or(LoadError::NoteHeader)?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (name_len, descriptor_len, kind) = (word(0) as usize, word(4) as usize, word(8));
    let is_ours = name_len == NOTE_NAME.len() + 1
        && kind == NOTE_TYPE
        && header[12..].strip_prefix(NOTE_NAME).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
        && descriptor_len.checked_next_multiple_of(4) == Some(descriptor.len());
    if !is_ours {
        return Err(LoadError::NoteHeader);
    }
    Ok(Note::decode(&descriptor[..descriptor_len])?)
}

/// The note promises no more than the sections hold, and the images fit into the guest's regions.
#[inline]
fn tables_fit(places: &Places, note: &Note) -> Result<(), LoadError> {
    field(sections::PC_MAP, "length", places.pc_map.len() as u64, note.pc_map.map_len())?;
    let slots = u64::from(note.jump_table_slots);
    limit(sections::NOTE, "number of jump table entries", slots, places.jump_table.len() as u64 / 4)?;
    // Regions past the end of guest memory: their size in bytes is the number found.
    let layout = Layout::new(note.sizes);
    limit(sections::NOTE, "guest memory", layout.err().unwrap_or(0), 1 << 32)?;
    let pages = |bytes: u32| layout::pages(bytes.into());
    limit(sections::RO_IMAGE, "length", places.ro_image.len() as u64, pages(note.sizes.ro))?;
    limit(sections::RW_IMAGE, "length", places.rw_image.len() as u64, pages(note.sizes.rw))
}

/// A named place in an object's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub start: TextOffset,
    /// Its length in bytes.
    pub len: u64,
}

/// The symbols of an object's text in the order of the symbol table, for tools. Loading does not need them.
///
/// # Errors
/// When the object's sections are not as they should be.
pub fn symbols(object: &[u8]) -> Result<Vec<Symbol>, LoadError> {
    let sections = find(&mut Reader::of_bytes(object))?;
    let (at, names) = symbol_table(&mut Reader::of_bytes(object))?;
    let names = &object[names];
    let table = Symtab::parse(&object[..at.end], at.start, at.len() / SYMBOL_BYTES, LAYOUT)?;
    let in_text = |symbol: &Sym| symbol.st_shndx != 0 && symbol.st_name != 0;
    let text_len = sections.places.text.len() as u64;
    let symbol = |symbol: Sym| {
        let name = names.get(symbol.st_name..)?.split(|byte| *byte == 0).next()?;
        let start = u32::try_from(symbol.st_value).ok().filter(|start| u64::from(*start) <= text_len)?;
        let name = String::from_utf8_lossy(name).into_owned();
        Some(Symbol { name, start: TextOffset(start), len: symbol.st_size })
    };
    let entries: SymIterator<'_> = table.iter();
    Ok(entries.filter(in_text).filter_map(symbol).collect())
}
