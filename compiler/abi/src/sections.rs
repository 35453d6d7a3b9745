//! The sections of a TVM object. This file is the format's specification.
//!
//! An object is an ELF64 relocatable file for x86-64. Stock `objdump -dr`, `readelf -a` and `nm` read it. It is written
//! by the compiler with `object` and read by the loader with `goblin`. Loading takes time independent of the code's
//! size: the text is never relocated, tables are mapped as they are, and nothing is decoded before it is needed.
//!
//! The first page of the file holds ELF header, note and stub slots, the text follows at [`TEXT_FILE_OFFSET`]. Mapped
//! in one piece, the stub slots therefore lie at a fixed distance before the text, which reaches them with
//! RIP-relative calls that need no relocation.

/// Version of everything in this crate: sections, note, context, register map, stubs. Any change that would make old
/// objects misbehave under a new runtime, or the reverse, counts it up.
pub const FORMAT_VERSION: u32 = 2;

/// The note that identifies the object; see [`crate::Note`]. Written by the compiler, checked by the loader before
/// anything else is believed.
pub const NOTE: &str = ".note.tvm";

/// One 8-byte slot for each [`crate::Stub`], relocated with R_X86_64_64 against its undefined symbol. It is the only
/// relocated section. The loader writes the addresses into a private copy of the page, then makes it read-only.
pub const STUBS: &str = ".data.rel.stubs";

/// File offset of [`STUBS`].
pub const STUBS_FILE_OFFSET: u64 = 2048;

/// Machine code. Mapped read and execute from the file, shared between processes. The distance to [`STUBS`] is fixed.
pub const TEXT: &str = ".text";

/// File offset of [`TEXT`].
pub const TEXT_FILE_OFFSET: u64 = 4096;

/// The dynamic jump table: 32-bit text offsets. Entry 0 is never used; entry i + 1 belongs to entry i of the program's
/// table; [`NO_TARGET`] stands for those where no block starts. Page-aligned, and padded with `NO_TARGET` to whole
/// pages, because the runtime maps it below every instance's context.
pub const JUMP_TABLE: &str = ".rodata.jumptable";

/// Jump table entry of a target that is no block start: negative, which the code tests for.
pub const NO_TARGET: u32 = u32::MAX;

/// Machine code to program counters; see [`crate::PcMap`]. Mapped read-only, decoded at exits only.
pub const PC_MAP: &str = ".tvm.pcmap";

/// The program blob itself, for the interpreter that finishes what compiled code leaves, and for disassembly.
pub const PROGRAM: &str = ".tvm.program";

/// Image of the guest's read-only data, page-aligned and padded to whole pages. Mapped straight into guest memory.
pub const RO_IMAGE: &str = ".tvm.ro";

/// Image of the guest's initialised read-write data, page-aligned and padded to whole pages. Mapped copy-on-write
/// into guest memory.
pub const RW_IMAGE: &str = ".tvm.rw";

/// Alignment of everything that is mapped on its own.
pub const PAGE: u64 = 4096;
