//! PVM program in, relocatable x86_64 ELF object out.
//!
//! A pure function: no I/O, no clock, no threads, no randomness. The same input gives the same bytes on any machine.
//! Time and memory are linear in the length of the program.

#![forbid(unsafe_code)]
#![allow(clippy::useless_conversion, reason = "dynasm-rs expands to conversions that are needed for other types only")]

mod asm;
mod control;
mod error;
mod identity;
mod lower;
mod memory;
mod object;
mod optimise;
mod options;
mod scratch;
mod targets;
mod translate;

pub use error::CompileError;
pub use identity::COMPILER_IDENTITY;
pub use memory::Memory;
pub use options::CompileOptions;
pub use scratch::Scratch;
pub use targets::MAX_REGION_INSTRUCTIONS;
pub use translate::MAX_TEXT_BYTES;

use std::ops::Range;

use tvm_abi::{Note, Observed, Placed, sections};
use tvm_isa::{Program, Unpacked};

use memory::Owned;
use object::Parts;

/// Longest code the compiler takes, in bytes: more than the largest service has (GP: W_C, 4 000 000 with everything
/// around the code). The worst programs take about 220 bytes of memory per byte of code, and their objects are 128 times
/// as long (`tvm-bench scale`). Longer programs, which only inner machines can have, are interpreted.
pub const MAX_CODE_BYTES: usize = 4 << 20;

/// Compiles a program to an object.
///
/// `code_hash` is the BLAKE2b-256 of `code`; it is recorded in the object's note.
///
/// # Errors
/// When the program is malformed (see [`CompileError::is_malformed`]) or exceeds a limit of the compiler.
pub fn compile(code: &[u8], code_hash: [u8; 32], options: CompileOptions) -> Result<Vec<u8>, CompileError> {
    compile_unpacked(Unpacked::from_container(code, options.container)?, code_hash, options)
}

/// Compiles a program that is out of its container; the object is the one that [`compile`] makes of both. The data may have
/// zeros behind it, up to whole pages.
///
/// # Errors
/// As [`compile`].
pub fn compile_unpacked(
    parts: Unpacked<'_>,
    code_hash: [u8; 32],
    options: CompileOptions,
) -> Result<Vec<u8>, CompileError> {
    let (mut file, mut scratch) = (Owned::default(), Scratch::default());
    // Sections follow when the vector is free again.
    let text_and_note = |_: &mut [u8], text, parts: Parts<'_>| Some((text, parts.note));
    // Headers take what is before the text.
    let text_at = sections::TEXT_FILE_OFFSET as usize;
    let translated = translate_to(&mut file, text_at, &mut scratch, &parts, code_hash, options, text_and_note);
    let (text, note): (Range<usize>, _) = translated?;
    let Owned(mut file) = file;
    file.truncate(text.end);
    let Unpacked { blob: program, ro, rw, .. } = parts;
    object::write(file, Parts { note, scratch: &scratch, program, ro, rw })
}

/// Compiles a program to where the process that compiles it will run it: the code is the one that [`compile`] puts into an
/// object.
///
/// # Errors
/// As [`compile`], and when `memory` gives none.
pub fn compile_to(
    memory: &mut impl Memory,
    scratch: &mut Scratch,
    code: &[u8],
    code_hash: [u8; 32],
    options: CompileOptions,
) -> Result<Placed, CompileError> {
    let parts = Unpacked::from_container(code, options.container)?;
    translate_to(memory, 0, scratch, &parts, code_hash, options, object::place)
}

/// Translates a program and calls `finish` with the memory that the code is in, where in there it is, from `text_at` on, and what
/// belongs to it. Where `finish` gives nothing the memory was too short, and all begins anew in more.
fn translate_to<T>(
    memory: &mut impl Memory,
    text_at: usize,
    scratch: &mut Scratch,
    unpacked: &Unpacked<'_>,
    code_hash: [u8; 32],
    options: CompileOptions,
    finish: impl Fn(&mut [u8], Range<usize>, Parts<'_>) -> Option<T>,
) -> Result<T, CompileError> {
    /// How much more memory the next attempt gets. The attempts together then take at most a third longer than the last.
    const MORE: usize = 4;
    let CompileOptions { version, container, cpu, tier } = options;
    let Unpacked { blob, ro, rw, sizes } = *unpacked;
    let rules = version.rules();
    let program = Program::parse(blob)?;
    program.validate(rules)?;
    if program.code().len() > MAX_CODE_BYTES {
        return Err(CompileError::CodeTooLong { found: program.code().len(), limit: MAX_CODE_BYTES });
    }
    scratch.targets.scan(&program, rules);
    let mut len = translate::expected_bytes(&program, &scratch.targets) + ro.len() + rw.len();
    loop {
        let bytes = memory.of_len(len).ok_or(CompileError::NoMemory)?;
        let room = &mut bytes[text_at..];
        let translated = translate::translate(&program, rules, cpu, tier, Observed::of(container), room, scratch)?;
        let finished = translated.and_then(|text_len| {
            let note = Note {
                format_version: sections::FORMAT_VERSION,
                compiler: COMPILER_IDENTITY,
                code_hash,
                gp_version: version,
                gas_model: rules.gas,
                container,
                tier,
                cpu_features: cpu,
                sizes,
                jump_table_slots: scratch.jump_table.len() as u32,
                pc_map: scratch.map.header(),
            };
            finish(bytes, text_at..text_at + text_len, Parts { note, scratch, program: blob, ro, rw })
        });
        if let Some(finished) = finished {
            return Ok(finished);
        }
        len = len.checked_mul(MORE).ok_or(CompileError::TextTooLarge)?;
    }
}
