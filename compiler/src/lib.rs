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
mod object;
mod optimise;
mod options;
mod targets;
mod translate;

pub use error::CompileError;
pub use identity::COMPILER_IDENTITY;
pub use options::CompileOptions;
pub use translate::{MAX_REGION_INSTRUCTIONS, MAX_TEXT_BYTES};

use tvm_abi::{Note, Observed, sections};
use tvm_isa::{Program, Unpacked};

/// Longest code the compiler takes, in bytes: more than the largest service has (GP: W_C, 4 000 000 with everything
/// around the code). The worst programs take about 180 bytes of memory per byte of code, and their objects are 136 times
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
    let CompileOptions { version, container, cpu, tier } = options;
    let rules = version.rules();
    let program = Program::parse(parts.blob)?;
    program.validate(rules)?;
    if program.code().len() > MAX_CODE_BYTES {
        return Err(CompileError::CodeTooLong { found: program.code().len(), limit: MAX_CODE_BYTES });
    }
    let translation = translate::translate(&program, rules, cpu, tier, Observed::of(container))?;
    let note = Note {
        format_version: sections::FORMAT_VERSION,
        compiler: COMPILER_IDENTITY,
        code_hash,
        gp_version: version,
        gas_model: rules.gas,
        container,
        tier,
        cpu_features: cpu,
        sizes: parts.sizes,
        jump_table_slots: translation.jump_table.len() as u32,
    };
    object::write(object::Parts { note, translation, program: parts.blob, ro: parts.ro, rw: parts.rw })
}
