//! The sections of a TVM object. This file is the format's specification.
//!
//! An object is an ELF64 relocatable file for x86-64. Stock `objdump -dr`, `readelf -a` and `nm` read it. It is written
//! by the compiler with `object` and read by the loader with `goblin`. Loading takes time independent of the code's
//! size: the text is never relocated, tables are mapped as they are, and nothing is decoded before it is needed.
//!
//! The first page of the file holds ELF header, note, section headers and their names, so that one read finds all that
//! decides about loading. The text follows at [`TEXT_FILE_OFFSET`]; it reaches the stubs through the VM context
//! ([`crate::VmContext::stubs`]) and needs no relocation: nothing is written when an object is loaded.

/// Version of everything in this crate: sections, note, context, register map, stubs. Any change that would make old
/// objects misbehave under a new runtime, or the reverse, counts it up.
pub const FORMAT_VERSION: u32 = 5;

/// The note that identifies the object; see [`crate::Note`]. Written by the compiler, checked by the loader before
/// anything else is believed.
pub const NOTE: &str = ".note.tvm";

/// Machine code. Mapped read and execute from the file, shared between processes.
pub const TEXT: &str = ".text";

/// File offset of [`TEXT`].
pub const TEXT_FILE_OFFSET: u64 = 4096;

/// The dynamic jump table: 32-bit text offsets. Entry 0 is never used; entry i + 1 belongs to entry i of the program's
/// table; [`NO_TARGET`] stands for those where no block starts. Page-aligned, and padded with `NO_TARGET` to whole
/// pages, because the runtime maps it below every instance's context.
pub const JUMP_TABLE: &str = ".rodata.jumptable";

/// Jump table entry of a target that is no block start: negative, which the code tests for.
pub const NO_TARGET: u32 = u32::MAX;

/// Machine code to program counters; see [`crate::PcMap`]. What to take it apart by is in the note. Mapped read-only, decoded
/// at exits only.
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
