//! The section headers of an object, checked against [`tvm_abi::sections`].
//!
//! Only the ELF header, the section headers and their names are read, so that the cost does not depend on the length
//! of the code. Nothing here trusts a number in the file before it has been compared with the file's length.

use std::ops::Range;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{self, header64};
use goblin::elf::section_header::{self as sh, section_header64};
use tvm_abi::Places;
use tvm_abi::sections::{self, PAGE};

use crate::LoadError;
use crate::reader::Reader;

/// Most sections in an object. TVM writes 11; line tables add some.
pub const MAX_SECTIONS: u64 = 64;

/// How everything in the file is laid out: little-endian, 64 bits.
pub(crate) const LAYOUT: Ctx = Ctx { container: Container::Big, le: Endian::Little };

/// The longest name that matters, and one byte more to tell it from longer ones.
const NAME_WINDOW: usize = sections::JUMP_TABLE.len() + 1;

/// Where in the file the sections are that loading needs.
#[derive(Clone, Debug)]
pub(crate) struct Sections {
    pub note: Range<usize>,
    pub places: Places,
}

/// What a section must look like.
struct Rule {
    name: &'static str,
    kind: u32,
    /// Alignment of its file offset, in bytes.
    align: u64,
    /// Its file offset, where that is fixed.
    offset: Option<u64>,
    /// What its length must be a multiple of, in bytes.
    unit: u64,
}

const fn rule(name: &'static str, kind: u32, align: u64, offset: Option<u64>, unit: u64) -> Rule {
    Rule { name, kind, align, offset, unit }
}

const RULES: [Rule; 7] = [
    rule(sections::NOTE, sh::SHT_NOTE, 4, None, 4),
    rule(sections::TEXT, sh::SHT_PROGBITS, PAGE, Some(sections::TEXT_FILE_OFFSET), 1),
    rule(sections::JUMP_TABLE, sh::SHT_PROGBITS, PAGE, None, PAGE),
    rule(sections::PC_MAP, sh::SHT_PROGBITS, 4, None, 1),
    rule(sections::PROGRAM, sh::SHT_PROGBITS, 1, None, 1),
    rule(sections::RO_IMAGE, sh::SHT_PROGBITS, PAGE, None, PAGE),
    rule(sections::RW_IMAGE, sh::SHT_PROGBITS, PAGE, None, PAGE),
];

type Header = section_header64::SectionHeader;

/// Finds and checks an object's sections.
#[inline]
pub(crate) fn find(object: &mut Reader<'_>) -> Result<Sections, LoadError> {
    let Headers { headers, names, at: headers_at } = section_headers(object)?;
    let len = object.len();
    let mut found: [Option<&Header>; RULES.len()] = [None; RULES.len()];
    for header in headers.iter().skip(1) {
        let name = name_of(object, &names, header)?;
        match RULES.iter().position(|rule| rule.name.as_bytes() == name) {
            Some(index) => {
                if found[index].replace(header).is_some() {
                    return Err(LoadError::Duplicate(RULES[index].name));
                }
                check(&RULES[index], header, len)?;
            }
            None if is_inert(header) => {}
            None => return Err(LoadError::Unknown(String::from_utf8_lossy(name).into_owned())),
        }
    }
    let header_of = |name: &'static str| {
        let by_name = RULES.iter().zip(found).find(|(rule, _)| rule.name == name);
        by_name.and_then(|(_, header)| header).ok_or(LoadError::Missing(name))
    };
    let at = |name| header_of(name).map(range);
    let note = at(sections::NOTE)?;
    let places = Places {
        text: at(sections::TEXT)?,
        jump_table: at(sections::JUMP_TABLE)?,
        pc_map: at(sections::PC_MAP)?,
        program: at(sections::PROGRAM)?,
        ro_image: at(sections::RO_IMAGE)?,
        rw_image: at(sections::RW_IMAGE)?,
    };
    // Else the rest would be mapped at another place than its own.
    limit(sections::TEXT, "file offset", places.text.start as u64, places.pc_map.start as u64)?;
    limit(sections::TEXT, "file offset", places.text.start as u64, places.program.start as u64)?;
    text_is_alone(&headers, headers_at, &places.text)?;
    Ok(Sections { note, places })
}

/// The section headers, where they are, and where their names are.
struct Headers {
    headers: Vec<Header>,
    at: Range<usize>,
    names: Range<usize>,
}

#[inline]
fn section_headers(object: &mut Reader<'_>) -> Result<Headers, LoadError> {
    let len = object.len();
    let elf = header64::Header::parse(object.bytes(0..header64::SIZEOF_EHDR.min(len))?)?;
    let place = "ELF header";
    let magic = u32::from_be_bytes([elf.e_ident[0], elf.e_ident[1], elf.e_ident[2], elf.e_ident[3]]);
    field(place, "magic number", magic.into(), 0x7f45_4c46)?;
    field(place, "class", elf.e_ident[header::EI_CLASS].into(), header::ELFCLASS64.into())?;
    field(place, "byte order", elf.e_ident[header::EI_DATA].into(), header::ELFDATA2LSB.into())?;
    field(place, "type", elf.e_type.into(), header::ET_REL.into())?;
    field(place, "machine", elf.e_machine.into(), header::EM_X86_64.into())?;
    field(place, "bytes in a section header", elf.e_shentsize.into(), size_of::<Header>() as u64)?;
    limit(place, "number of sections", elf.e_shnum.into(), MAX_SECTIONS)?;
    if elf.e_shnum == 0 {
        // Would mean 2^16 of them or more, or none.
        return Err(LoadError::Missing(".shstrtab"));
    }
    limit(place, "offset of the section headers", elf.e_shoff, len as u64)?;
    let at = elf.e_shoff as usize..elf.e_shoff as usize + usize::from(elf.e_shnum) * size_of::<Header>();
    // In this machine's byte order, which was asked for above. Field by field would be ten times the code.
    let headers = Header::from_bytes(object.bytes(at.clone())?, elf.e_shnum.into());
    let names = headers.get(usize::from(elf.e_shstrndx)).ok_or(LoadError::Missing(".shstrtab"))?;
    let names = in_file(".shstrtab", names, len)?;
    Ok(Headers { headers, at, names })
}

/// The section's name, cut off where it can no longer be one that matters.
#[inline]
fn name_of<'a>(object: &'a mut Reader<'_>, names: &Range<usize>, header: &Header) -> Result<&'a [u8], LoadError> {
    let start = names.end.min(names.start.saturating_add(header.sh_name as usize));
    let window = object.bytes(start..names.end.min(start + NAME_WINDOW))?;
    Ok(window.split(|byte| *byte == 0).next().unwrap_or(&[]))
}

/// Whether the section is only for tools: not loaded, not executed, and relocates nothing.
fn is_inert(header: &Header) -> bool {
    let live = sh::SHF_ALLOC | sh::SHF_EXECINSTR;
    header.sh_flags & u64::from(live) == 0 && ![sh::SHT_REL, sh::SHT_RELA].contains(&header.sh_type)
}

#[inline]
fn check(rule: &Rule, header: &Header, file_len: usize) -> Result<(), LoadError> {
    let Rule { name, kind, align, offset, unit } = *rule;
    field(name, "section type", header.sh_type.into(), kind.into())?;
    let executable = header.sh_flags & u64::from(sh::SHF_EXECINSTR) != 0;
    field(name, "executable flag", executable.into(), (name == sections::TEXT).into())?;
    let compressed = header.sh_flags & u64::from(sh::SHF_COMPRESSED) != 0;
    field(name, "compressed flag", compressed.into(), 0)?;
    // Where nothing lies does not matter.
    let misaligned = if header.sh_size == 0 { 0 } else { header.sh_offset % align };
    field(name, "file offset modulo alignment", misaligned, 0)?;
    field(name, "file offset", header.sh_offset, offset.unwrap_or(header.sh_offset))?;
    field(name, "length modulo unit", header.sh_size % unit, 0)?;
    in_file(name, header, file_len).map(|_| ())
}

/// The symbol table and its names, for tools.
pub(crate) fn symbol_table(object: &mut Reader<'_>) -> Result<(Range<usize>, Range<usize>), LoadError> {
    let Headers { headers, .. } = section_headers(object)?;
    let table = headers.iter().find(|header| header.sh_type == sh::SHT_SYMTAB).ok_or(LoadError::Missing(".symtab"))?;
    let names = headers.get(table.sh_link as usize).ok_or(LoadError::Missing(".strtab"))?;
    field(".strtab", "section type", names.sh_type.into(), sh::SHT_STRTAB.into())?;
    Ok((in_file(".symtab", table, object.len())?, in_file(".strtab", names, object.len())?))
}

/// Text is made executable in whole pages: nothing else may lie in them.
#[inline]
fn text_is_alone(headers: &[Header], at: Range<usize>, text: &Range<usize>) -> Result<(), LoadError> {
    let end = (text.end as u64).next_multiple_of(PAGE);
    let others = headers.iter().filter(|h| ![sh::SHT_NULL, sh::SHT_NOBITS].contains(&h.sh_type));
    let others = others.filter(|h| (h.sh_offset, h.sh_size) != (text.start as u64, text.len() as u64));
    let others = others.map(|h| (h.sh_offset, h.sh_size));
    for (offset, len) in others.chain([(at.start as u64, at.len() as u64)]) {
        let apart = len == 0 || offset >= end || offset.saturating_add(len) <= text.start as u64;
        if !apart {
            return Err(LoadError::SharesText { offset, len });
        }
    }
    Ok(())
}

#[inline]
fn in_file(name: &'static str, header: &Header, file_len: usize) -> Result<Range<usize>, LoadError> {
    limit(name, "file offset", header.sh_offset, file_len as u64)?;
    limit(name, "length", header.sh_size, file_len as u64 - header.sh_offset)?;
    Ok(range(header))
}

/// The section's bytes in the file; within it once [`in_file`] agreed.
fn range(header: &Header) -> Range<usize> {
    header.sh_offset as usize..(header.sh_offset + header.sh_size) as usize
}

pub(crate) fn field(place: &'static str, field: &'static str, found: u64, expected: u64) -> Result<(), LoadError> {
    if found == expected { Ok(()) } else { Err(LoadError::Field { place, field, found, expected }) }
}

pub(crate) fn limit(place: &'static str, field: &'static str, found: u64, limit: u64) -> Result<(), LoadError> {
    if found <= limit { Ok(()) } else { Err(LoadError::Limit { place, field, found, limit }) }
}
