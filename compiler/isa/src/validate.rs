//! Which programs run at all (GP A.1, the conditions of deblob beyond the blob's own format).

use crate::opcode::{DEFINED, ENDS_BLOCK, Op};
use crate::program::{MAX_SKIP, Program};
use crate::units::Pc;
use crate::version::{Rules, Validation};

/// Why a program is not valid under the rules: the first rule that is broken, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValidationError {
    /// There is no code.
    #[error("invalid program: it has no code, but at least one instruction is needed")]
    Empty,
    /// An instruction is expected where the bitmask marks none.
    #[error("invalid program: an instruction must start at {pc}, but the bitmask does not mark it (instructions have at most {} bytes)", MAX_SKIP + 1)]
    Unmarked {
        /// Where the instruction before it ends, or 0.
        pc: Pc,
    },
    /// An instruction's opcode is not defined.
    #[error("invalid program: the opcode {opcode} at {pc} is not defined")]
    UndefinedOpcode {
        /// Where it is.
        pc: Pc,
        /// The opcode byte.
        opcode: u8,
    },
    /// The last instruction lets execution run past the end.
    #[error("invalid program: the last instruction, `{}` at {pc}, does not end a basic block", op.name())]
    OpenEnd {
        /// Where the last instruction is.
        pc: Pc,
        /// What it is.
        op: Op,
    },
    /// The entry point is not the start of an instruction.
    #[error("invalid entry point: no instruction starts at {entry}")]
    Entry {
        /// The entry point.
        entry: Pc,
    },
}

impl Program<'_> {
    /// Checks what `rules` demand of a program wherever it is entered (GP 0.8.0, A.1: 𝔳_blob). Takes time linear in the
    /// code's length.
    ///
    /// # Errors
    /// With the first rule that is broken. Running the program panics at once then, its gas untouched.
    pub fn validate(&self, rules: &Rules) -> Result<(), ValidationError> {
        match rules.validation {
            Validation::ContainerOnly => Ok(()),
            Validation::WholeProgram if self.is_sound(rules) => Ok(()),
            Validation::WholeProgram => self.walk(rules),
        }
    }

    /// Checks what `rules` demand of the place where a program is entered (GP 0.8.0, A.1: 𝔳_inst). Takes constant time.
    ///
    /// # Errors
    /// When no instruction starts at `entry`. Running the program from there panics at once, its gas untouched.
    pub fn validate_entry(&self, rules: &Rules, entry: Pc) -> Result<(), ValidationError> {
        match rules.validation {
            Validation::ContainerOnly => Ok(()),
            Validation::WholeProgram if self.op_at(rules, entry).is_some() => Ok(()),
            Validation::WholeProgram => Err(ValidationError::Entry { entry }),
        }
    }

    /// Whether there is nothing to object to: a position 0, no undefined opcodes, no gaps, and an end. Finding out what is
    /// wrong takes longer.
    fn is_sound(&self, rules: &Rules) -> bool {
        let code = self.code();
        let mut flow = DEFINED;
        let mut longest = 0;
        // The mark before; as if one stood one before position 0.
        let mut before = u32::MAX;
        let mut last = 0;
        for word in 0..code.len().div_ceil(64) {
            let mut marks = self.mark_word(word);
            while marks != 0 {
                let pc = (64 * word) as u32 + marks.trailing_zeros();
                marks &= marks - 1;
                longest = pc.wrapping_sub(before).max(longest);
                last = rules.flow[usize::from(code[pc as usize])];
                flow &= last;
                before = pc;
            }
        }
        let first_is_marked = self.is_marked(0);
        longest = self.code_len().wrapping_sub(before).max(longest);
        first_is_marked && flow & DEFINED != 0 && longest <= u32::from(MAX_SKIP) + 1 && last & ENDS_BLOCK != 0
    }

    /// Walks all instructions in code order. Skip stops at every mark, so the walk meets all of them.
    fn walk(&self, rules: &Rules) -> Result<(), ValidationError> {
        let mut last = None;
        let mut end = Pc(0);
        for mark in self.marks() {
            if mark.pc != end {
                return Err(ValidationError::Unmarked { pc: end });
            }
            let opcode = self.code()[mark.pc.0 as usize];
            let op = rules.opcodes[usize::from(opcode)];
            last = Some((mark.pc, op.ok_or(ValidationError::UndefinedOpcode { pc: mark.pc, opcode })?));
            end = Pc(mark.pc.0 + u32::from(mark.length));
        }
        match last {
            _ if self.code_len() == 0 => Err(ValidationError::Empty),
            _ if end.0 != self.code_len() => Err(ValidationError::Unmarked { pc: end }),
            Some((pc, op)) if !op.terminates_block() => Err(ValidationError::OpenEnd { pc, op }),
            _ => Ok(()),
        }
    }
}
