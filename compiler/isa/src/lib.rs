//! What a PVM program means: containers, opcodes, operand decoding, basic blocks and memory layout, for each
//! Gray Paper version.
//!
//! Nothing here runs or translates code. Any bytes whatever either parse or give an error that says what is wrong;
//! every function takes time linear in what it is given, most of them constant time, but for the reference that tests
//! hold the gas model against.

#![forbid(unsafe_code)]

mod blocks;
pub mod codec;
mod container;
pub mod disasm;
pub mod gas;
mod instruction;
pub mod layout;
mod opcode;
mod operands;
mod program;
mod units;
mod validate;
mod version;

pub use blocks::{BlockStarts, Mark, Marks, Stops, Stretch};
pub use container::{Container, ContainerError, StandardProgram, Unpacked, split_metadata};
pub use instruction::{Format, Instruction};
pub use opcode::{Flow, NUMBERS, Numbering, OPERATIONS, Op, OpcodeNumbers, Operation};
pub use operands::Encoded;
pub use program::{JumpTable, MAX_SKIP, Program, ProgramError};
pub use units::{Gas, GuestAddr, Pc, Reg};
pub use validate::ValidationError;
pub use version::{BranchRule, GasModel, GpVersion, Rules, UnknownVersion, Validation};
