//! Objects made by hand from the format's description, so that they can be wrong in every way.

use tvm_abi::sections::{self, FORMAT_VERSION, PAGE};
use tvm_abi::{CpuFeatures, Note, PcMapBuilder, PcMapHeader, Region, TextOffset};
use tvm_isa::layout::Sizes;
use tvm_isa::{Container, Gas, GasModel, GpVersion, Pc};

/// Bytes of a section header.
pub const HEADER: usize = 64;

pub const PROGBITS: u32 = 1;
pub const SYMTAB: u32 = 2;
pub const STRTAB: u32 = 3;
pub const RELA: u32 = 4;
pub const NOTE: u32 = 7;

pub const WRITE: u64 = 1;
pub const ALLOC: u64 = 2;
pub const EXEC: u64 = 4;

/// A section of the object to be.
pub struct Section {
    pub name: &'static str,
    pub kind: u32,
    pub flags: u64,
    pub align: u64,
    pub link: u32,
    pub info: u32,
    pub bytes: Vec<u8>,
}

impl Section {
    pub fn new(name: &'static str, kind: u32, flags: u64, align: u64, bytes: Vec<u8>) -> Self {
        Self { name, kind, flags, align, link: 0, info: 0, bytes }
    }
}

pub fn note() -> Note {
    Note {
        format_version: FORMAT_VERSION,
        compiler: [1; 32],
        code_hash: [2; 32],
        gp_version: GpVersion::V0_7_2,
        gas_model: GasModel::PerInstruction,
        container: Container::Standard,
        tier: tvm_abi::Tier::Fast,
        cpu_features: CpuFeatures::BASELINE,
        sizes: Sizes { ro: 4096, rw: 5000, heap_pages: 1, stack: 4096 },
        jump_table_slots: 3,
        pc_map: pc_map().0,
    }
}

/// The pc map of a program of one region.
pub fn pc_map() -> (PcMapHeader, Vec<u8>) {
    let mut map = PcMapBuilder::default();
    map.region(Region { text: TextOffset(0), pc: Pc(0), charge: Gas(1) });
    map.finish()
}

/// A note section with this descriptor.
pub fn note_section(descriptor: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [4, descriptor.len() as u32, 1] {
        out.extend(word.to_le_bytes());
    }
    out.extend(b"TVM\0");
    out.extend(descriptor);
    out
}

/// A symbol table entry: `name` is an offset in the names.
pub fn symbol(name: usize, section: u16, value: u64, len: u64) -> Vec<u8> {
    let mut out = (name as u32).to_le_bytes().to_vec();
    out.extend([0, 0]);
    out.extend(section.to_le_bytes());
    out.extend(value.to_le_bytes());
    out.extend(len.to_le_bytes());
    out
}

/// What the code of [`sections`] returns.
pub const RETURNED: u32 = 0x0123_4567;

/// The sections of a good object.
pub fn sections() -> Vec<Section> {
    // mov eax, RETURNED; ret; int3; int3
    let mut text = vec![0xb8];
    text.extend(RETURNED.to_le_bytes());
    text.extend([0xc3, 0xcc, 0xcc]);
    let names = b"\0pc_0\0undefined\0".to_vec();
    let table = [symbol(0, 0, 0, 0), symbol(1, 2, 0, 8), symbol(6, 0, 0, 0)].concat();
    let page = |byte| vec![byte; PAGE as usize];
    vec![
        Section::new(sections::NOTE, NOTE, ALLOC, 4, note_section(&note().encode())),
        Section::new(sections::TEXT, PROGBITS, ALLOC | EXEC, PAGE, text),
        Section::new(sections::JUMP_TABLE, PROGBITS, ALLOC, PAGE, page(0xff)),
        Section::new(sections::PC_MAP, PROGBITS, ALLOC, 8, pc_map().1),
        Section::new(sections::PROGRAM, PROGBITS, ALLOC, 8, b"program".to_vec()),
        Section::new(sections::RO_IMAGE, PROGBITS, ALLOC, PAGE, page(0x11)),
        Section::new(sections::RW_IMAGE, PROGBITS, ALLOC | WRITE, PAGE, page(0x22).repeat(2)),
        Section { link: 9, ..Section::new(".symtab", SYMTAB, 0, 8, table) },
        Section::new(".strtab", STRTAB, 0, 1, names),
    ]
}

/// The object of these sections, which are numbered from 1.
pub fn build(sections: &[Section]) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    let mut names = vec![0];
    let mut headers = vec![0; HEADER];
    for section in sections {
        let least = match section.name {
            sections::TEXT => sections::TEXT_FILE_OFFSET as usize,
            _ => 0,
        };
        out.resize(least.max(out.len().next_multiple_of(section.align as usize)), 0);
        headers.extend(header(names.len(), out.len(), section));
        names.extend(section.name.as_bytes());
        names.push(0);
        out.extend(&section.bytes);
    }
    let own_name = names.len();
    names.extend(b".shstrtab\0");
    let at = out.len();
    out.extend(&names);
    out.resize(out.len().next_multiple_of(8), 0);
    let headers_at = out.len() as u64;
    headers.extend(header(own_name, at, &Section::new(".shstrtab", STRTAB, 0, 1, names)));
    out.extend(&headers);

    out[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let count = (sections.len() + 2) as u16;
    for (at, number) in [(16, 1), (18, 62), (20, 1), (52, 64), (58, HEADER as u16), (60, count), (62, count - 1)] {
        out[at..at + 2].copy_from_slice(&u16::to_le_bytes(number));
    }
    out[40..48].copy_from_slice(&headers_at.to_le_bytes());
    out
}

fn header(name: usize, offset: usize, section: &Section) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend((name as u32).to_le_bytes());
    out.extend(section.kind.to_le_bytes());
    for word in [section.flags, 0, offset as u64, section.bytes.len() as u64] {
        out.extend(word.to_le_bytes());
    }
    out.extend(section.link.to_le_bytes());
    out.extend(section.info.to_le_bytes());
    out.extend(section.align.to_le_bytes());
    out.extend([0; 8]);
    out
}
