//! Programs as text that people can read.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mod` | [`Disassembly`]: the lines of a program, each with what is known about its place |
//! | `text` | how an instruction is written |
//! | `jump_table` | which jump table entries lead where |
//! | `listing` | [`write_listing`]: all of it as one text |
//!
//! A disassembly shows what the bytes mean under given rules, reachable or not: it covers every byte of the code once.
//! Making one and walking it takes time linear in the blob, however large a number of entries the jump table claims.

mod jump_table;
mod listing;
mod text;

use crate::blocks::{BlockStarts, Mark, Marks};
use crate::instruction::Instruction;
use crate::opcode::Op;
use crate::program::Program;
use crate::units::Pc;
use crate::version::Rules;

pub use jump_table::{Entries, JumpTableIndex};
pub use listing::write_listing;
pub use text::InstructionText;

/// A program, with the indices that its lines need.
#[derive(Clone, Debug)]
pub struct Disassembly<'a> {
    program: Program<'a>,
    rules: &'a Rules,
    block_starts: BlockStarts,
    jump_table: JumpTableIndex,
}

/// One line: an instruction, or bytes that belong to none.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Where the line's bytes start in the code.
    pub pc: Pc,
    /// The bytes, opcode first. Operands are read from the bytes behind if these are too few (GP A.2: ζ).
    pub bytes: &'a [u8],
    /// What the bytes are.
    pub kind: LineKind,
    /// Whether a basic block starts here.
    pub is_block_start: bool,
    /// The jump table entries that lead here. A jump through them panics unless a block starts here.
    pub jump_table: Entries<'a>,
}

/// What the bytes of a line are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineKind {
    /// A marked position with a defined opcode.
    Instruction(Instruction),
    /// A marked position whose opcode is not defined; it acts as a trap, and makes a program invalid from 0.8.0 on.
    UndefinedOpcode(u8),
    /// Bytes in front of the first mark or more than 24 behind one. Executing them is a trap, too.
    Gap,
}

/// The lines of a program in code order; made by [`Disassembly::lines`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    disassembly: &'a Disassembly<'a>,
    marks: core::iter::Peekable<Marks<'a>>,
    /// Where the next line starts.
    pc: u32,
}

impl<'a> Disassembly<'a> {
    /// Prepares a program's lines.
    #[must_use]
    pub fn new(program: &Program<'a>, rules: &'a Rules) -> Self {
        Self {
            program: *program,
            rules,
            block_starts: BlockStarts::new(program, rules),
            jump_table: JumpTableIndex::new(program),
        }
    }

    /// All lines in code order. Together their bytes are the code.
    #[must_use]
    pub fn lines(&'a self) -> Lines<'a> {
        Lines { disassembly: self, marks: self.program.marks().peekable(), pc: 0 }
    }

    /// The program's block starts.
    #[must_use]
    pub fn block_starts(&self) -> &BlockStarts {
        &self.block_starts
    }

    /// The jump table entries by target.
    #[must_use]
    pub fn jump_table(&self) -> &JumpTableIndex {
        &self.jump_table
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let Disassembly { program, rules, block_starts, jump_table } = self.disassembly;
        let pc = Pc(self.pc);
        if self.pc == program.code_len() {
            return None;
        }
        let (end, kind) = match self.marks.peek() {
            Some(&Mark { pc: marked, length }) if marked == pc => {
                self.marks.next();
                let kind = match program.op_at(rules, pc) {
                    Some(op) => LineKind::Instruction(Instruction::decode_operands(program, op, pc, length)),
                    None => LineKind::UndefinedOpcode(program.code()[pc.0 as usize]),
                };
                (pc.0 + u32::from(length), kind)
            }
            next => (next.map_or(program.code_len(), |mark| mark.pc.0), LineKind::Gap),
        };
        self.pc = end;
        Some(Line {
            pc,
            bytes: &program.code()[pc.0 as usize..end as usize],
            kind,
            is_block_start: block_starts.contains(u64::from(pc.0)),
            jump_table: jump_table.entries_to(pc),
        })
    }
}

impl Line<'_> {
    /// The line's instruction. Where none is, that is the trap that execution meets.
    #[must_use]
    pub fn operation(&self) -> Op {
        match self.kind {
            LineKind::Instruction(instruction) => instruction.op,
            LineKind::UndefinedOpcode(_) | LineKind::Gap => Op::Trap,
        }
    }
}
