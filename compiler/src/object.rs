//! Writes the ELF object; [`tvm_abi::sections`] says what is in it.

use object::elf;
use object::write::elf::{FileHeader, Rel, SectionHeader, SectionIndex, Writer};
use tvm_abi::sections::{self, PAGE};
use tvm_abi::{NOTE_NAME, NOTE_TYPE, Note, Stub};

use crate::error::CompileError;
use crate::translate::Translation;

/// Bytes of a symbol table entry.
const SYMBOL_BYTES: u64 = 24;

/// Everything that goes into an object.
pub struct Parts<'a> {
    /// Contents of the note.
    pub note: Note,
    /// Machine code and its tables.
    pub translation: Translation,
    /// The program blob.
    pub program: &'a [u8],
    /// Initial read-only data of the guest.
    pub ro: &'a [u8],
    /// Initial read-write data of the guest.
    pub rw: &'a [u8],
}

/// A section to be written.
struct Section {
    name: &'static str,
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    align: u64,
    entry_size: u64,
    link: u32,
    info: u32,
    bytes: Vec<u8>,
}

/// Index of the text in the section header table: the third, after the null section, the note and the stubs.
const TEXT_INDEX: u16 = 3;

impl Section {
    fn new(name: &'static str, kind: elf::SectionType, flags: elf::SectionFlags, align: u64, bytes: Vec<u8>) -> Self {
        Self { name, kind, flags, align, entry_size: 0, link: 0, info: 0, bytes }
    }
}

/// Puts the object together.
pub fn write(parts: Parts<'_>) -> Result<Vec<u8>, CompileError> {
    let Parts { note, translation: Translation { text, pc_map, jump_table, blocks }, program, ro, rw } = parts;
    let text_len = text.len() as u64;
    let stub_slots = vec![0; Stub::ALL.len() * 8];
    let Symbols { table, names, first_global } = symbols(&blocks, text_len);
    let data = elf::SHF_ALLOC;
    let mut sections = vec![
        Section::new(sections::NOTE, elf::SHT_NOTE, data, 4, note_section(&note)),
        Section::new(sections::STUBS, elf::SHT_PROGBITS, data | elf::SHF_WRITE, 8, stub_slots),
        Section::new(sections::TEXT, elf::SHT_PROGBITS, data | elf::SHF_EXECINSTR, PAGE, text),
        Section::new(sections::JUMP_TABLE, elf::SHT_PROGBITS, data, PAGE, jump_table_section(&jump_table)),
        Section::new(sections::PC_MAP, elf::SHT_PROGBITS, data, 8, pc_map),
        Section::new(sections::PROGRAM, elf::SHT_PROGBITS, data, 8, program.to_vec()),
        Section::new(sections::RO_IMAGE, elf::SHT_PROGBITS, data, PAGE, padded(ro, 0)),
        Section::new(sections::RW_IMAGE, elf::SHT_PROGBITS, data | elf::SHF_WRITE, PAGE, padded(rw, 0)),
    ];
    let symtab_index = sections.len() as u32 + 1;
    sections.push(Section {
        entry_size: SYMBOL_BYTES,
        link: symtab_index + 1,
        info: first_global,
        ..Section::new(".symtab", elf::SHT_SYMTAB, elf::SectionFlags(0), 8, table)
    });
    sections.push(Section::new(".strtab", elf::SHT_STRTAB, elf::SectionFlags(0), 1, names));
    write_file(&sections, symtab_index, first_global)
}

fn write_file(sections: &[Section], symtab_index: u32, first_global: u32) -> Result<Vec<u8>, CompileError> {
    let failed = |error: object::write::Error| CompileError::Object(error.to_string());
    let mut out = Vec::new();
    let mut writer = Writer::new(object::Endianness::Little, true, &mut out);

    writer.reserve_file_header();
    let mut placed = Vec::with_capacity(sections.len());
    for section in sections {
        match section.name {
            sections::STUBS => writer.reserve_until(sections::STUBS_FILE_OFFSET),
            sections::TEXT => writer.reserve_until(sections::TEXT_FILE_OFFSET),
            _ => {}
        }
        let name = writer.add_section_name(section.name.as_bytes());
        writer.reserve_section_index();
        placed.push((name, writer.reserve(section.bytes.len() as u64, section.align)));
    }
    let relocations = Stub::ALL.len();
    let relocations_name = writer.add_section_name(b".rela.data.rel.stubs");
    writer.reserve_section_index();
    let relocations_offset = writer.reserve_relocations(relocations, true);
    writer.reserve_shstrtab_section_index();
    writer.reserve_shstrtab().map_err(failed)?;
    writer.reserve_section_headers();

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
    for (section, (_, offset)) in sections.iter().zip(&placed) {
        writer.pad_until(*offset);
        writer.write(&section.bytes);
    }
    writer.write_align_relocation();
    for stub in Stub::ALL {
        writer.write_relocation(
            true,
            &Rel {
                r_offset: stub.slot_offset() as u64,
                r_sym: first_global + stub as u32,
                r_type: elf::R_X86_64_64,
                r_addend: 0,
            },
        );
    }
    writer.write_shstrtab();

    writer.write_null_section_header();
    for (section, (name, offset)) in sections.iter().zip(&placed) {
        writer.write_section_header(&SectionHeader {
            sh_name: writer.section_name_offset(Some(*name)),
            sh_type: section.kind,
            sh_flags: section.flags,
            sh_addr: 0,
            sh_offset: *offset,
            sh_size: section.bytes.len() as u64,
            sh_link: section.link,
            sh_info: section.info,
            sh_addralign: section.align,
            sh_entsize: section.entry_size,
        });
    }
    writer.write_relocation_section_header(
        relocations_name,
        SectionIndex(2),
        SectionIndex(symtab_index),
        relocations_offset,
        relocations,
        true,
    );
    writer.write_shstrtab_section_header();
    Ok(out)
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

fn jump_table_section(slots: &[u32]) -> Vec<u8> {
    padded(&slots.iter().flat_map(|slot| slot.to_le_bytes()).collect::<Vec<u8>>(), sections::NO_TARGET as u8)
}

/// `bytes`, filled up to whole pages.
fn padded(bytes: &[u8], fill: u8) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(bytes.len().next_multiple_of(PAGE as usize), fill);
    out
}

struct Symbols {
    table: Vec<u8>,
    names: Vec<u8>,
    first_global: u32,
}

/// A local symbol `pc_N` for each block, then the undefined stubs.
fn symbols(blocks: &[(tvm_isa::Pc, tvm_abi::TextOffset)], text_len: u64) -> Symbols {
    let mut table = vec![0; SYMBOL_BYTES as usize];
    table.reserve(blocks.len() * SYMBOL_BYTES as usize);
    let mut names = vec![0];
    let mut add = |name: std::fmt::Arguments<'_>, info: u8, section: u16, value: u64, size: u64| {
        table.extend((names.len() as u32).to_le_bytes());
        table.extend([info, 0]);
        table.extend(section.to_le_bytes());
        table.extend(value.to_le_bytes());
        table.extend(size.to_le_bytes());
        std::io::Write::write_fmt(&mut names, name).expect("writing to a vector does not fail");
        names.push(0);
    };
    let function = elf::SymbolInfo::new(elf::STB_LOCAL, elf::STT_FUNC);
    let undefined = elf::SymbolInfo::new(elf::STB_GLOBAL, elf::STT_NOTYPE);
    let ends = blocks.iter().skip(1).map(|(_, text)| u64::from(text.0)).chain([text_len]);
    for ((pc, text), end) in blocks.iter().zip(ends) {
        let start = u64::from(text.0);
        add(format_args!("pc_{pc}"), function.0, TEXT_INDEX, start, end - start);
    }
    for stub in Stub::ALL {
        add(format_args!("{}", stub.symbol()), undefined.0, 0, 0, 0);
    }
    Symbols { table, names, first_global: 1 + blocks.len() as u32 }
}
