//! Writes the ELF object; [`tvm_abi::sections`] says what is in it.
//!
//! The text is in its place already when this begins. All other sections are appended to it, each written once, then the
//! writer of `object` adds the headers. Where nobody wants an object, the sections that running code needs are put behind
//! the text in the same way, and that is all.

mod symbols;

use std::ops::Range;

use object::elf;
use object::write::WritableBuffer;
use object::write::elf::{FileHeader, SectionHeader, Writer};
use tvm_abi::sections::{self, PAGE};
use tvm_abi::{NOTE_NAME, NOTE_TYPE, Note, Placed, Places};

use crate::error::CompileError;
use crate::scratch::Scratch;
use symbols::Blocks;

/// Everything that goes into an object.
pub struct Parts<'a> {
    /// Contents of the note.
    pub note: Note,
    /// What is known about the machine code.
    pub scratch: &'a Scratch,
    /// The program blob.
    pub program: &'a [u8],
    /// Initial read-only data of the guest.
    pub ro: &'a [u8],
    /// Initial read-write data of the guest.
    pub rw: &'a [u8],
}

/// A section that is in its place in the file.
struct Section {
    name: &'static str,
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    align: u64,
    entry_size: u64,
    link: u32,
    info: u32,
    offset: u64,
    len: u64,
}

/// Index of the text in the section header table, after the null section and the note.
const TEXT_INDEX: u16 = 2;

/// Alignment of the note.
const NOTE_ALIGN: u64 = 4;

/// Puts the object together around `file`, which ends with the text.
pub fn write(mut file: Vec<u8>, parts: Parts<'_>) -> Result<Vec<u8>, CompileError> {
    let Scratch { targets, jumps, .. } = parts.scratch;
    let note = note_section(&parts.note);
    let text = sections::TEXT_FILE_OFFSET as usize..file.len();
    let text_len = text.len() as u64;
    let data = elf::SHF_ALLOC;
    let in_place = |name, kind, flags, align, offset, len| Section {
        name,
        kind,
        flags,
        align,
        entry_size: 0,
        link: 0,
        info: 0,
        offset,
        len,
    };
    let text_flags = data | elf::SHF_EXECINSTR;
    let mut sections = vec![
        in_place(sections::NOTE, elf::SHT_NOTE, data, NOTE_ALIGN, 0, note.len() as u64),
        in_place(sections::TEXT, elf::SHT_PROGBITS, text_flags, PAGE, sections::TEXT_FILE_OFFSET, text_len),
    ];
    let bits = elf::SHT_PROGBITS;
    let Places { text: _, jump_table, pc_map, program, ro_image, rw_image } = append(&mut file, text, &parts);
    for (name, flags, align, range) in [
        (sections::JUMP_TABLE, data, PAGE, jump_table),
        (sections::PC_MAP, data, ALIGN, pc_map),
        (sections::PROGRAM, data, ALIGN, program),
        (sections::RO_IMAGE, data, PAGE, ro_image),
        (sections::RW_IMAGE, data | elf::SHF_WRITE, PAGE, rw_image),
    ] {
        sections.push(in_place(name, bits, flags, align, range.start as u64, range.len() as u64));
    }
    let symbols = Blocks { places: jumps.blocks(), text_end: text_len as u32, text_section: TEXT_INDEX };
    let mut append = |name, kind, align: usize, write: &mut dyn FnMut(&mut Vec<u8>)| {
        file.resize(file.len().next_multiple_of(align), 0);
        let offset = file.len();
        write(&mut file);
        let (offset, len) = (offset as u64, (file.len() - offset) as u64);
        sections.push(in_place(name, kind, elf::SectionFlags(0), align as u64, offset, len));
    };
    append(".symtab", elf::SHT_SYMTAB, 8, &mut |file| symbols.write_entries(targets.iter(), file));
    append(".strtab", elf::SHT_STRTAB, 1, &mut |file| symbols.write_names(targets.iter(), file));
    let symtab_index = sections.len() - 1;
    let symtab = &mut sections[symtab_index - 1];
    symtab.entry_size = symbols::ENTRY_BYTES as u64;
    symtab.link = symtab_index as u32 + 1;
    // All of them are local.
    symtab.info = symbols.count();
    write_headers(file, &note, &sections)
}

/// Puts behind the text what running code needs besides. `None` if there is no room.
pub fn place(bytes: &mut [u8], text: Range<usize>, parts: Parts<'_>) -> Option<Placed> {
    let mut room = Room { bytes, at: text.end };
    let places = append(&mut room, text, &parts);
    let fits = room.at <= room.bytes.len();
    fits.then_some(Placed { note: parts.note, places })
}

/// Alignment of what is not mapped on its own.
const ALIGN: u64 = 8;

/// Puts the sections behind the text.
fn append(out: &mut impl Append, text: Range<usize>, parts: &Parts<'_>) -> Places {
    let Parts { note: _, scratch: Scratch { map, jump_table, .. }, program, ro, rw } = *parts;
    let jump_table = section(out, PAGE, |out| {
        jump_table.iter().for_each(|slot| out.put(&slot.to_le_bytes()));
        out.fill(PAGE, sections::NO_TARGET as u8);
    });
    let pc_map = section(out, ALIGN, |out| map.write(|bytes| out.put(bytes)));
    let program = section(out, ALIGN, |out| out.put(program));
    let [ro_image, rw_image] = [ro, rw].map(|image| {
        section(out, PAGE, |out| {
            out.put(image);
            out.fill(PAGE, 0);
        })
    });
    Places { text, jump_table, pc_map, program, ro_image, rw_image }
}

fn section<A: Append>(out: &mut A, align: u64, write: impl FnOnce(&mut A)) -> Range<usize> {
    out.fill(align, 0);
    let start = out.len();
    write(out);
    start..out.len()
}

/// What sections are appended to.
trait Append {
    fn len(&self) -> usize;
    fn put(&mut self, bytes: &[u8]);
    /// Fills up to a multiple of `align`.
    fn fill(&mut self, align: u64, byte: u8);
}

impl Append for Vec<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn fill(&mut self, align: u64, byte: u8) {
        self.resize(self.len().next_multiple_of(align as usize), byte);
    }
}

/// Bytes that are filled from the front. What does not fit is counted and not written.
struct Room<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Room<'_> {
    fn advance(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.at;
        self.at += len;
        self.bytes.get_mut(start..self.at)
    }
}

impl Append for Room<'_> {
    fn len(&self) -> usize {
        self.at
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.advance(bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn fill(&mut self, align: u64, byte: u8) {
        let end = self.at.next_multiple_of(align as usize);
        if let Some(place) = self.advance(end - self.at) {
            place.fill(byte);
        }
    }
}

/// A file whose sections are in their places. Writing overwrites it; where the writer pads, what is there stays.
struct InPlace {
    file: Vec<u8>,
    at: usize,
}

impl WritableBuffer for InPlace {
    fn reserve(&mut self, size: u64) -> Result<(), ()> {
        self.file.reserve_exact((size as usize).saturating_sub(self.file.len()));
        Ok(())
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        self.write_zeros(bytes.len() as u64);
        self.file[self.at - bytes.len()..self.at].copy_from_slice(bytes);
    }

    fn write_zeros(&mut self, additional: u64) {
        self.at += additional as usize;
        if self.file.len() < self.at {
            self.file.resize(self.at, 0);
        }
    }
}

/// Writes what is not yet in the file, all before the text: file header, note, names of sections, section headers.
fn write_headers(file: Vec<u8>, note: &[u8], sections: &[Section]) -> Result<Vec<u8>, CompileError> {
    let failed = |error: object::write::Error| CompileError::Object(error.to_string());
    let mut out = InPlace { file, at: 0 };
    let mut writer = Writer::new(object::Endianness::Little, true, &mut out);

    writer.reserve_file_header();
    let mut names = Vec::with_capacity(sections.len());
    for section in sections {
        names.push(writer.add_section_name(section.name.as_bytes()));
        writer.reserve_section_index();
    }
    writer.reserve_shstrtab_section_index();
    let note_offset = writer.reserve(note.len() as u64, NOTE_ALIGN);
    writer.reserve_shstrtab().map_err(failed)?;
    writer.reserve_section_headers();
    debug_assert!(writer.reserved_len() <= sections::TEXT_FILE_OFFSET);

    writer
        .write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_REL,
            e_machine: elf::EM_X86_64,
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        })
        .map_err(failed)?;
    writer.pad_until(note_offset);
    writer.write(note);
    writer.write_shstrtab();
    writer.write_null_section_header();
    for (section, name) in sections.iter().zip(&names) {
        writer.write_section_header(&SectionHeader {
            sh_name: writer.section_name_offset(Some(*name)),
            sh_type: section.kind,
            sh_flags: section.flags,
            sh_addr: 0,
            sh_offset: if section.name == sections::NOTE { note_offset } else { section.offset },
            sh_size: section.len,
            sh_link: section.link,
            sh_info: section.info,
            sh_addralign: section.align,
            sh_entsize: section.entry_size,
        });
    }
    writer.write_shstrtab_section_header();
    Ok(out.file)
}

/// An ELF note with TVM's descriptor.
fn note_section(note: &Note) -> Vec<u8> {
    let descriptor = note.encode();
    let mut out = Vec::new();
    for word in [NOTE_NAME.len() as u32 + 1, descriptor.len() as u32, NOTE_TYPE] {
        out.extend(word.to_le_bytes());
    }
    out.extend(NOTE_NAME);
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(descriptor);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}
