//! What each operation costs in the pipeline model (GP 0.8.0, A.10).
//!
//! **The table is part of the identity of [`GasModel::PipelineBlocks`].** Objects are compiled with its costs inside, so
//! a row that changes later belongs to a new [`GasModel`], beside this one. A test pins the table's digest.
//!
//! [`GasModel`]: crate::GasModel
//! [`GasModel::PipelineBlocks`]: crate::GasModel::PipelineBlocks

use crate::instruction::Instruction;
use crate::opcode::{OPERATIONS, Op};
use crate::units::Reg;

/// Latency of an instruction that loads from memory, in cycles (GP: 𝔪).
const MEMORY: u8 = 25;

/// A set of registers, bit n standing for register n.
pub type Registers = u16;

/// A row of the table: what one operation asks of the modelled machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Cycles from start to result (GP: č).
    pub latency: Latency,
    /// How many of a cycle's decode slots the instruction takes (GP: ď).
    pub slots: Slots,
    /// Execution units it holds from start to result (GP: x̌).
    pub units: Units,
    /// Register fields it reads (GP: š).
    pub sources: Fields,
    /// Register fields it writes (GP: ř).
    pub destinations: Fields,
}

/// How long an instruction takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Latency {
    /// A fixed number of cycles.
    Cycles(u8),
    /// GP: 𝔟, 1 or 20 cycles by what stands at the branch's two successors; see [`branch_latency`](super::branch_latency).
    Branch,
}

/// How many decode slots an instruction takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slots {
    /// Always as many.
    Fixed(u8),
    /// GP: 𝔓(a, b), `a` when a destination register is a source register too, `b` otherwise.
    ByOverlap(u8, u8),
    /// GP: 𝔓_S(a, b), `a` when r_A is r_D, `b` otherwise.
    ByFirstSource(u8, u8),
}

/// A number for each kind of execution unit (GP: 𝔼).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Units {
    /// Arithmetic units (GP: A).
    pub a: u8,
    /// Load units (GP: L).
    pub l: u8,
    /// Store units (GP: S).
    pub s: u8,
    /// Multipliers (GP: M).
    pub m: u8,
    /// Dividers (GP: D).
    pub d: u8,
}

/// A set of an instruction's register fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fields {
    /// r_A is in the set.
    pub a: bool,
    /// r_B is in the set.
    pub b: bool,
    /// r_D is in the set.
    pub d: bool,
}

/// The units of the whole machine.
pub const MACHINE_UNITS: Units = Units { a: 4, l: 4, s: 4, m: 1, d: 1 };

const NO_UNIT: Units = Units { a: 0, l: 0, s: 0, m: 0, d: 0 };
const ALU: Units = Units { a: 1, ..NO_UNIT };
const TWO_ALUS: Units = Units { a: 2, ..NO_UNIT };
const LOAD: Units = Units { l: 1, ..ALU };
const STORE: Units = Units { s: 1, ..ALU };
const MULTIPLY: Units = Units { m: 1, ..ALU };
const DIVIDE: Units = Units { d: 1, ..ALU };

/// The table, in the order of [`Op`]'s discriminants.
pub static COSTS: [Cost; OPERATIONS.len()] = {
    let mut table = [cost(Op::Trap); OPERATIONS.len()];
    let mut row = 0;
    while row < table.len() {
        table[row] = cost(OPERATIONS[row].op);
        row += 1;
    }
    table
};

#[rustfmt::skip]
const fn cost(op: Op) -> Cost {
    use Op::*;
    use Slots::{ByFirstSource, ByOverlap, Fixed};
    let (sources, destinations) = registers(op);
    let (latency, slots, units) = match op {
        Trap | Fallthrough                                       => (2, Fixed(1), NO_UNIT),
        Unlikely                                                 => (40, Fixed(1), NO_UNIT),
        // Only draft vectors have sbrk in this model; their generator charged it like a host call.
        Ecalli | Sbrk                                            => (100, Fixed(4), ALU),
        LoadImm64                                                => (1, Fixed(2), NO_UNIT),
        LoadImm                                                  => (1, Fixed(1), NO_UNIT),
        // Done by the decoder: never starts, so its latency is never used.
        MoveReg                                                  => (0, Fixed(1), NO_UNIT),
        Jump | LoadImmJump                                       => (15, Fixed(1), NO_UNIT),
        JumpInd | LoadImmJumpInd                                 => (22, Fixed(1), NO_UNIT),

        BranchEqImm | BranchNeImm | BranchLtUImm | BranchLeUImm | BranchGeUImm | BranchGtUImm | BranchLtSImm
        | BranchLeSImm | BranchGeSImm | BranchGtSImm | BranchEq | BranchNe | BranchLtU | BranchLtS | BranchGeU
        | BranchGeS => return Cost { latency: Latency::Branch, slots: Fixed(1), units: ALU, sources, destinations },

        LoadU8 | LoadI8 | LoadU16 | LoadI16 | LoadU32 | LoadI32 | LoadU64 | LoadIndU8 | LoadIndI8 | LoadIndU16
        | LoadIndI16 | LoadIndU32 | LoadIndI32 | LoadIndU64      => (MEMORY, Fixed(1), LOAD),
        StoreImmU8 | StoreImmU16 | StoreImmU32 | StoreImmU64 | StoreU8 | StoreU16 | StoreU32 | StoreU64
        | StoreImmIndU8 | StoreImmIndU16 | StoreImmIndU32 | StoreImmIndU64 | StoreIndU8 | StoreIndU16 | StoreIndU32
        | StoreIndU64                                            => (25, Fixed(1), STORE),

        Add64 | Sub64 | And | Xor | Or | AndImm | XorImm | OrImm | AddImm64 | ShloLImm64 | ShloRImm64 | SharRImm64
        | RotR64Imm | ReverseBytes                               => (1, ByOverlap(1, 2), ALU),
        Add32 | Sub32 | AddImm32 | ShloLImm32 | ShloRImm32 | SharRImm32 | RotR32Imm | Xnor
                                                                 => (2, ByOverlap(2, 3), ALU),
        CountSetBits64 | CountSetBits32 | LeadingZeroBits64 | LeadingZeroBits32 | SignExtend8 | SignExtend16
        | ZeroExtend16                                           => (1, Fixed(1), ALU),
        TrailingZeroBits64 | TrailingZeroBits32                  => (2, Fixed(1), TWO_ALUS),

        ShloL64 | ShloR64 | SharR64 | RotL64 | RotR64            => (1, ByFirstSource(2, 3), ALU),
        ShloL32 | ShloR32 | SharR32 | RotL32 | RotR32            => (2, ByFirstSource(3, 4), ALU),
        ShloLImmAlt64 | ShloRImmAlt64 | SharRImmAlt64 | RotR64ImmAlt
                                                                 => (1, Fixed(3), ALU),
        ShloLImmAlt32 | ShloRImmAlt32 | SharRImmAlt32 | RotR32ImmAlt
                                                                 => (2, Fixed(4), ALU),

        SetLtU | SetLtS | SetLtUImm | SetLtSImm | SetGtUImm | SetGtSImm
                                                                 => (3, Fixed(3), ALU),
        CmovIz | CmovNz                                          => (2, Fixed(2), ALU),
        CmovIzImm | CmovNzImm | NegAddImm64 | AndInv | OrInv     => (2, Fixed(3), ALU),
        NegAddImm32                                              => (3, Fixed(4), ALU),
        Max | MaxU | Min | MinU                                  => (3, ByOverlap(2, 3), ALU),

        Mul64 | MulImm64                                         => (3, ByOverlap(1, 2), MULTIPLY),
        Mul32 | MulImm32                                         => (4, ByOverlap(2, 3), MULTIPLY),
        MulUpperSS | MulUpperUU                                  => (4, Fixed(4), MULTIPLY),
        MulUpperSU                                               => (6, Fixed(4), MULTIPLY),
        DivU32 | DivS32 | RemU32 | RemS32 | DivU64 | DivS64 | RemU64 | RemS64
                                                                 => (60, Fixed(4), DIVIDE),
    };
    Cost { latency: Latency::Cycles(latency), slots, units, sources, destinations }
}

/// The register fields that an operation reads and those it writes, whether or not a given run changes them (GP A.5).
const fn registers(op: Op) -> (Fields, Fields) {
    use crate::instruction::Format;
    use Op::*;
    const NONE: Fields = Fields { a: false, b: false, d: false };
    const A: Fields = Fields { a: true, ..NONE };
    const B: Fields = Fields { b: true, ..NONE };
    const D: Fields = Fields { d: true, ..NONE };
    const AB: Fields = Fields { b: true, ..A };
    const ABD: Fields = Fields { d: true, ..AB };
    match (OPERATIONS[op as usize].format, op) {
        (Format::None | Format::Imm | Format::ImmImm | Format::Offset, _) => (NONE, NONE),
        (Format::RegImm64, _) => (NONE, A),
        (Format::RegImm, JumpInd | StoreU8 | StoreU16 | StoreU32 | StoreU64) => (A, NONE),
        (Format::RegImm, _) => (NONE, A),
        (Format::RegImmImm, _) => (A, NONE),
        (Format::RegImmOffset, LoadImmJump) => (NONE, A),
        (Format::RegImmOffset, _) => (A, NONE),
        (Format::RegReg, _) => (A, D),
        (Format::RegRegImm, StoreIndU8 | StoreIndU16 | StoreIndU32 | StoreIndU64) => (AB, NONE),
        (Format::RegRegImm, CmovIzImm | CmovNzImm) => (AB, A),
        (Format::RegRegImm, _) => (B, A),
        (Format::RegRegOffset, _) => (AB, NONE),
        (Format::RegRegImmImm, _) => (B, A),
        (Format::RegRegReg, CmovIz | CmovNz) => (ABD, D),
        (Format::RegRegReg, _) => (AB, D),
    }
}

impl Cost {
    /// The row of `op`.
    #[must_use]
    #[inline]
    pub fn of(op: Op) -> &'static Self {
        &COSTS[op as usize]
    }
}

impl Fields {
    /// The registers that these fields of `instruction` name.
    #[must_use]
    pub fn registers(self, instruction: &Instruction) -> Registers {
        let bit = |used, reg: Reg| if used { 1 << reg.index() } else { 0 };
        bit(self.a, instruction.a) | bit(self.b, instruction.b) | bit(self.d, instruction.d)
    }
}

impl Slots {
    /// The slots that `instruction` takes when its sources and destinations are these; at most 4, a cycle's slots.
    #[must_use]
    pub fn count(self, instruction: &Instruction, sources: Registers, destinations: Registers) -> u8 {
        match self {
            Self::Fixed(slots) => slots,
            Self::ByOverlap(overlapping, apart) => {
                if sources & destinations != 0 {
                    overlapping
                } else {
                    apart
                }
            }
            Self::ByFirstSource(same, different) => {
                if instruction.a == instruction.d {
                    same
                } else {
                    different
                }
            }
        }
    }
}
