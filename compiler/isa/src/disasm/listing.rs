//! A whole program as one text.

use core::fmt::{self, Write};

use super::{Disassembly, Line, LineKind};
use crate::gas::block_cost;
use crate::opcode::Op;
use crate::program::Program;
use crate::version::Rules;

/// Room for the bytes of most instructions, in characters.
const BYTES_COLUMN: usize = 24;

/// The most bytes of a gap that are shown: gaps can be as long as the code.
const MAX_GAP_BYTES: usize = 8;

/// Writes the listing of a program: each block with its label, its gas and the jump table entries that lead to it, each
/// instruction with position and bytes, and what is wrong with a line, if anything is.
///
/// The text and the time it takes are linear in the blob's length.
///
/// ```
/// # use tvm_isa::{GpVersion, Program, disasm::write_listing};
/// let program = Program::parse(&[0, 0, 4, 51, 7, 9, 0, 0b1001])?;
/// let mut listing = String::new();
/// write_listing(&program, GpVersion::V0_7_2.rules(), &mut listing).expect("a String takes everything");
/// assert!(listing.contains("a0 = 9"));
/// # Ok::<(), tvm_isa::ProgramError>(())
/// ```
///
/// # Errors
/// Those of `out`.
pub fn write_listing(program: &Program<'_>, rules: &Rules, out: &mut impl Write) -> fmt::Result {
    let disassembly = Disassembly::new(program, rules);
    write_head(program, rules, &disassembly, out)?;
    for line in disassembly.lines() {
        if line.is_block_start {
            write_label(program, rules, &line, out)?;
        }
        write_line(&disassembly, &line, out)?;
    }
    let astray = disassembly.jump_table().astray();
    if !astray.is_empty() {
        writeln!(out, "\n; jump table {astray}: to no instruction")?;
    }
    Ok(())
}

fn write_head(
    program: &Program<'_>,
    rules: &Rules,
    disassembly: &Disassembly<'_>,
    out: &mut impl Write,
) -> fmt::Result {
    let (blocks, bytes) = (disassembly.block_starts().count(), program.code_len());
    writeln!(out, "; Gray Paper {}, {bytes} bytes of code, {blocks} basic blocks", rules.version)?;
    let table = program.jump_table();
    if !table.is_empty() {
        let (entries, size) = (table.len(), table.entry_size());
        writeln!(out, "; jump table of {entries} entries of {size} bytes; the address of entry n is 2 * (n + 1)")?;
    }
    Ok(())
}

fn write_label(program: &Program<'_>, rules: &Rules, line: &Line<'_>, out: &mut impl Write) -> fmt::Result {
    write!(out, "\n@{}: ; gas {}", line.pc, block_cost(program, rules, line.pc))?;
    if !line.jump_table.is_empty() {
        write!(out, ", jump table {}", line.jump_table)?;
    }
    writeln!(out)
}

fn write_line(disassembly: &Disassembly<'_>, line: &Line<'_>, out: &mut impl Write) -> fmt::Result {
    write!(out, "{:>7}  ", line.pc)?;
    let shown = match line.kind {
        LineKind::Gap => &line.bytes[..line.bytes.len().min(MAX_GAP_BYTES)],
        LineKind::Instruction(_) | LineKind::UndefinedOpcode(_) => line.bytes,
    };
    for byte in shown {
        write!(out, "{byte:02x} ")?;
    }
    let padding = BYTES_COLUMN.saturating_sub(3 * shown.len());
    write!(out, "{:padding$} ", "")?;
    match line.kind {
        LineKind::Instruction(instruction) => {
            write!(out, "{}", instruction.text())?;
            if let Some(target) = instruction.target()
                && !disassembly.block_starts().contains(target)
            {
                write!(out, " ; no block starts there")?;
            }
        }
        LineKind::UndefinedOpcode(opcode) => write!(out, "{} ; undefined opcode {opcode}", Op::Trap.name())?,
        LineKind::Gap => write!(out, "; {} bytes in no instruction", line.bytes.len())?,
    }
    if !line.is_block_start && !line.jump_table.is_empty() {
        write!(out, " ; jump table {}, but no block starts here", line.jump_table)?;
    }
    writeln!(out)
}
