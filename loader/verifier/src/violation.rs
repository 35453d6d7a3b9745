//! What is wrong with code.

use tvm_abi::TextOffset;

/// Code that must not run, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("machine code at {:#x}: {rule}; the object must not run: remove it, and report its program", at.0)]
pub struct Violation {
    /// Where in the text.
    pub at: TextOffset,
    /// What is expected there, and what was found.
    pub rule: Rule,
}

/// A rule that code breaks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// More code than offsets can tell.
    #[error("expected less than 2 GiB of code")]
    Length,
    /// The text begins with the jumps to the stubs.
    #[error("expected the thunks that jump to the stubs")]
    Thunks,
    /// Bytes that are no instruction, or only the start of one.
    #[error("expected an instruction, found bytes that are none")]
    Undecodable,
    /// An instruction that the compiler has no use for.
    #[error("expected an instruction of compiled code, found `{0}`")]
    Form(String),
    /// An instruction that the CPU need not have.
    #[error("expected only instructions of the note's CPU features, found `{0}`")]
    Feature(String),
    /// A register that is not the guest's.
    #[error("expected registers of the guest, found {0}")]
    Register(String),
    /// Memory that is not the guest's.
    #[error("expected guest memory, `gs:[r32 + n]` of at most 8 bytes, found another memory operand")]
    Memory,
    /// Memory of the VM context, used otherwise than by the one sequence that may.
    #[error("expected the VM context or the jump table only in dynamic jumps and calls of stubs")]
    Context,
    /// The gas counter, used otherwise than by charges.
    #[error("expected gas to be charged with a branch to the stub for when it does not fit, or given back")]
    Gas,
    /// A division without the questions before it.
    #[error("expected a division right behind the questions whether it divides by 0 or −1")]
    Division,
    /// A dynamic jump without the questions before it.
    #[error("expected a dynamic jump to be compared with the table's {slots} entries")]
    DynamicJump {
        /// Entries in the table.
        slots: u32,
    },
    /// A way out that is none of those there are.
    #[error("expected calls and pushes only to leave through a stub")]
    Leave,
    /// The end of the text can be reached.
    #[error("expected the last instruction to leave")]
    End,
    /// A jump to where no instruction starts, or into a sequence.
    #[error("expected to lead to the start of an instruction, found {target:#x}")]
    Target {
        /// Where it leads.
        target: u64,
    },
    /// An entry of the jump table that leads to where no instruction starts, or a table shorter than it claims.
    #[error("expected entry {slot} of the jump table to lead to the start of an instruction, found {target:#x}")]
    TableEntry {
        /// The entry.
        slot: u32,
        /// Where it leads.
        target: u32,
    },
    /// More entries than the table has, or than can be mapped.
    #[error("expected at most {most} entries in the jump table, found {slots}")]
    TableLength {
        /// Entries it claims to have.
        slots: u32,
        /// Entries it can have.
        most: usize,
    },
    /// A region of the pc map that starts elsewhere than at an instruction, or before the one in front of it.
    #[error("expected the region of pc {pc} to start at an instruction, behind the regions before it")]
    Region {
        /// Where it starts in the program.
        pc: u32,
    },
    /// An instruction at which code can be left, and of which the pc map knows nothing.
    #[error("expected a site in the pc map for an instruction at which code is left")]
    NoSite,
    /// A site of the pc map at which code is not left.
    #[error("expected the pc map's sites to be places at which code is left")]
    Site,
    /// A loop without a charge.
    #[error("expected every loop to be charged for")]
    Uncharged,
}

impl Rule {
    /// That it is broken at a place.
    pub(crate) fn broken_at(self, at: u32) -> Violation {
        Violation { at: TextOffset(at), rule: self }
    }
}
