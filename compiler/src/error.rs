//! Why a program could not be compiled.

use tvm_isa::{ContainerError, ProgramError};

/// A program that is not compiled. Malformed ones never run; those over a limit can still be interpreted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The container does not parse.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The program blob does not parse.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The version's validation refuses the program.
    #[error(transparent)]
    Invalid(#[from] tvm_isa::ValidationError),
    /// The code is longer than the compiler takes.
    #[error("code of {found} bytes, the compiler takes at most {limit}: run it with the interpreter")]
    CodeTooLong {
        /// Code bytes there are.
        found: usize,
        /// [`crate::MAX_CODE_BYTES`].
        limit: usize,
    },
    /// The machine code would be longer than 32-bit offsets allow for.
    #[error("the machine code exceeds {} bytes: run the program with the interpreter", crate::MAX_TEXT_BYTES)]
    TextTooLarge,
    /// There is no memory to write machine code to.
    #[error("no memory for the machine code")]
    NoMemory,
    /// The assembler refused what the compiler gave it: a defect of TVM.
    #[error("internal error of the compiler, please report it: {0}")]
    Assembler(String),
    /// The object could not be put together: a defect of TVM.
    #[error("internal error of the object writer, please report it: {0}")]
    Object(String),
}

impl CompileError {
    /// Whether the program itself is at fault: no engine may run it.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Container(_) | Self::Program(_) | Self::Invalid(_))
    }
}
