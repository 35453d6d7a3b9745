//! The opcode table: every operation once, with its name, operand format and number in each Gray Paper version.
//!
//! Decoder, compiler, interpreter, disassembler, gas models and tests are all driven by [`OPERATIONS`].

use crate::instruction::Format;

/// One row of the opcode table.
#[derive(Debug)]
pub struct Operation {
    /// The operation.
    pub op: Op,
    /// The Gray Paper's name.
    pub name: &'static str,
    /// Layout of the operand bytes.
    pub format: Format,
    /// Opcode number in Gray Paper 0.7.x, if the operation exists there.
    pub number_0_7: Option<u8>,
    /// Opcode number in Gray Paper 0.8.x, if the operation exists there.
    pub number_0_8: Option<u8>,
    /// Whether the operation ends a basic block (GP A.3, the set T).
    pub terminates_block: bool,
}

/// For each opcode number of a version, the operation it stands for; `None` is undefined and behaves as a trap.
pub type OpcodeNumbers = [Option<Op>; 256];

/// Builds the enum and the table from one list, so that neither can miss a row of the other.
macro_rules! operations {
    ($($op:ident $name:literal $format:ident $v7:tt $v8:tt $ends:tt)*) => {
        /// An operation of the machine, independent of its opcode number.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Op {
            $(#[doc = concat!("`", $name, "`")] $op,)*
        }

        /// All operations, in the order of [`Op`]'s discriminants.
        pub static OPERATIONS: [Operation; 0 $(+ { let _ = Op::$op; 1 })*] = [
            $(Operation {
                op: Op::$op,
                name: $name,
                format: Format::$format,
                number_0_7: operations!(@number $v7),
                number_0_8: operations!(@number $v8),
                terminates_block: operations!(@ends $ends),
            },)*
        ];
    };
    (@number -) => { None };
    (@number $n:literal) => { Some($n) };
    (@ends end) => { true };
    (@ends -) => { false };
}

#[rustfmt::skip]
operations! {
//  operation            name                      format        0.7 0.8 ends a block
    Trap                 "trap"                    None          0   0   end
    Fallthrough          "fallthrough"             None          1   1   end
    Unlikely             "unlikely"                None          -   2   -
    Ecalli               "ecalli"                  Imm           10  10  -
    LoadImm64            "load_imm_64"             RegImm64      20  20  -
    StoreImmU8           "store_imm_u8"            ImmImm        30  30  -
    StoreImmU16          "store_imm_u16"           ImmImm        31  31  -
    StoreImmU32          "store_imm_u32"           ImmImm        32  32  -
    StoreImmU64          "store_imm_u64"           ImmImm        33  33  -
    Jump                 "jump"                    Offset        40  40  end
    JumpInd              "jump_ind"                RegImm        50  50  end
    LoadImm              "load_imm"                RegImm        51  51  -
    LoadU8               "load_u8"                 RegImm        52  52  -
    LoadI8               "load_i8"                 RegImm        53  53  -
    LoadU16              "load_u16"                RegImm        54  54  -
    LoadI16              "load_i16"                RegImm        55  55  -
    LoadU32              "load_u32"                RegImm        56  56  -
    LoadI32              "load_i32"                RegImm        57  57  -
    LoadU64              "load_u64"                RegImm        58  58  -
    StoreU8              "store_u8"                RegImm        59  59  -
    StoreU16             "store_u16"               RegImm        60  60  -
    StoreU32             "store_u32"               RegImm        61  61  -
    StoreU64             "store_u64"               RegImm        62  62  -
    StoreImmIndU8        "store_imm_ind_u8"        RegImmImm     70  70  -
    StoreImmIndU16       "store_imm_ind_u16"       RegImmImm     71  71  -
    StoreImmIndU32       "store_imm_ind_u32"       RegImmImm     72  72  -
    StoreImmIndU64       "store_imm_ind_u64"       RegImmImm     73  73  -
    LoadImmJump          "load_imm_jump"           RegImmOffset  80  80  end
    BranchEqImm          "branch_eq_imm"           RegImmOffset  81  81  end
    BranchNeImm          "branch_ne_imm"           RegImmOffset  82  82  end
    BranchLtUImm         "branch_lt_u_imm"         RegImmOffset  83  83  end
    BranchLeUImm         "branch_le_u_imm"         RegImmOffset  84  84  end
    BranchGeUImm         "branch_ge_u_imm"         RegImmOffset  85  85  end
    BranchGtUImm         "branch_gt_u_imm"         RegImmOffset  86  86  end
    BranchLtSImm         "branch_lt_s_imm"         RegImmOffset  87  87  end
    BranchLeSImm         "branch_le_s_imm"         RegImmOffset  88  88  end
    BranchGeSImm         "branch_ge_s_imm"         RegImmOffset  89  89  end
    BranchGtSImm         "branch_gt_s_imm"         RegImmOffset  90  90  end
    MoveReg              "move_reg"                RegReg        100 100 -
    Sbrk                 "sbrk"                    RegReg        101 -   -
    CountSetBits64       "count_set_bits_64"       RegReg        102 101 -
    CountSetBits32       "count_set_bits_32"       RegReg        103 102 -
    LeadingZeroBits64    "leading_zero_bits_64"    RegReg        104 103 -
    LeadingZeroBits32    "leading_zero_bits_32"    RegReg        105 104 -
    TrailingZeroBits64   "trailing_zero_bits_64"   RegReg        106 105 -
    TrailingZeroBits32   "trailing_zero_bits_32"   RegReg        107 106 -
    SignExtend8          "sign_extend_8"           RegReg        108 107 -
    SignExtend16         "sign_extend_16"          RegReg        109 108 -
    ZeroExtend16         "zero_extend_16"          RegReg        110 109 -
    ReverseBytes         "reverse_bytes"           RegReg        111 110 -
    StoreIndU8           "store_ind_u8"            RegRegImm     120 120 -
    StoreIndU16          "store_ind_u16"           RegRegImm     121 121 -
    StoreIndU32          "store_ind_u32"           RegRegImm     122 122 -
    StoreIndU64          "store_ind_u64"           RegRegImm     123 123 -
    LoadIndU8            "load_ind_u8"             RegRegImm     124 124 -
    LoadIndI8            "load_ind_i8"             RegRegImm     125 125 -
    LoadIndU16           "load_ind_u16"            RegRegImm     126 126 -
    LoadIndI16           "load_ind_i16"            RegRegImm     127 127 -
    LoadIndU32           "load_ind_u32"            RegRegImm     128 128 -
    LoadIndI32           "load_ind_i32"            RegRegImm     129 129 -
    LoadIndU64           "load_ind_u64"            RegRegImm     130 130 -
    AddImm32             "add_imm_32"              RegRegImm     131 131 -
    AndImm               "and_imm"                 RegRegImm     132 132 -
    XorImm               "xor_imm"                 RegRegImm     133 133 -
    OrImm                "or_imm"                  RegRegImm     134 134 -
    MulImm32             "mul_imm_32"              RegRegImm     135 135 -
    SetLtUImm            "set_lt_u_imm"            RegRegImm     136 136 -
    SetLtSImm            "set_lt_s_imm"            RegRegImm     137 137 -
    ShloLImm32           "shlo_l_imm_32"           RegRegImm     138 138 -
    ShloRImm32           "shlo_r_imm_32"           RegRegImm     139 139 -
    SharRImm32           "shar_r_imm_32"           RegRegImm     140 140 -
    NegAddImm32          "neg_add_imm_32"          RegRegImm     141 141 -
    SetGtUImm            "set_gt_u_imm"            RegRegImm     142 142 -
    SetGtSImm            "set_gt_s_imm"            RegRegImm     143 143 -
    ShloLImmAlt32        "shlo_l_imm_alt_32"       RegRegImm     144 144 -
    ShloRImmAlt32        "shlo_r_imm_alt_32"       RegRegImm     145 145 -
    SharRImmAlt32        "shar_r_imm_alt_32"       RegRegImm     146 146 -
    CmovIzImm            "cmov_iz_imm"             RegRegImm     147 147 -
    CmovNzImm            "cmov_nz_imm"             RegRegImm     148 148 -
    AddImm64             "add_imm_64"              RegRegImm     149 149 -
    MulImm64             "mul_imm_64"              RegRegImm     150 150 -
    ShloLImm64           "shlo_l_imm_64"           RegRegImm     151 151 -
    ShloRImm64           "shlo_r_imm_64"           RegRegImm     152 152 -
    SharRImm64           "shar_r_imm_64"           RegRegImm     153 153 -
    NegAddImm64          "neg_add_imm_64"          RegRegImm     154 154 -
    ShloLImmAlt64        "shlo_l_imm_alt_64"       RegRegImm     155 155 -
    ShloRImmAlt64        "shlo_r_imm_alt_64"       RegRegImm     156 156 -
    SharRImmAlt64        "shar_r_imm_alt_64"       RegRegImm     157 157 -
    RotR64Imm            "rot_r_64_imm"            RegRegImm     158 158 -
    RotR64ImmAlt         "rot_r_64_imm_alt"        RegRegImm     159 159 -
    RotR32Imm            "rot_r_32_imm"            RegRegImm     160 160 -
    RotR32ImmAlt         "rot_r_32_imm_alt"        RegRegImm     161 161 -
    BranchEq             "branch_eq"               RegRegOffset  170 170 end
    BranchNe             "branch_ne"               RegRegOffset  171 171 end
    BranchLtU            "branch_lt_u"             RegRegOffset  172 172 end
    BranchLtS            "branch_lt_s"             RegRegOffset  173 173 end
    BranchGeU            "branch_ge_u"             RegRegOffset  174 174 end
    BranchGeS            "branch_ge_s"             RegRegOffset  175 175 end
    LoadImmJumpInd       "load_imm_jump_ind"       RegRegImmImm  180 180 end
    Add32                "add_32"                  RegRegReg     190 190 -
    Sub32                "sub_32"                  RegRegReg     191 191 -
    Mul32                "mul_32"                  RegRegReg     192 192 -
    DivU32               "div_u_32"                RegRegReg     193 193 -
    DivS32               "div_s_32"                RegRegReg     194 194 -
    RemU32               "rem_u_32"                RegRegReg     195 195 -
    RemS32               "rem_s_32"                RegRegReg     196 196 -
    ShloL32              "shlo_l_32"               RegRegReg     197 197 -
    ShloR32              "shlo_r_32"               RegRegReg     198 198 -
    SharR32              "shar_r_32"               RegRegReg     199 199 -
    Add64                "add_64"                  RegRegReg     200 200 -
    Sub64                "sub_64"                  RegRegReg     201 201 -
    Mul64                "mul_64"                  RegRegReg     202 202 -
    DivU64               "div_u_64"                RegRegReg     203 203 -
    DivS64               "div_s_64"                RegRegReg     204 204 -
    RemU64               "rem_u_64"                RegRegReg     205 205 -
    RemS64               "rem_s_64"                RegRegReg     206 206 -
    ShloL64              "shlo_l_64"               RegRegReg     207 207 -
    ShloR64              "shlo_r_64"               RegRegReg     208 208 -
    SharR64              "shar_r_64"               RegRegReg     209 209 -
    And                  "and"                     RegRegReg     210 210 -
    Xor                  "xor"                     RegRegReg     211 211 -
    Or                   "or"                      RegRegReg     212 212 -
    MulUpperSS           "mul_upper_s_s"           RegRegReg     213 213 -
    MulUpperUU           "mul_upper_u_u"           RegRegReg     214 214 -
    MulUpperSU           "mul_upper_s_u"           RegRegReg     215 215 -
    SetLtU               "set_lt_u"                RegRegReg     216 216 -
    SetLtS               "set_lt_s"                RegRegReg     217 217 -
    CmovIz               "cmov_iz"                 RegRegReg     218 218 -
    CmovNz               "cmov_nz"                 RegRegReg     219 219 -
    RotL64               "rot_l_64"                RegRegReg     220 220 -
    RotL32               "rot_l_32"                RegRegReg     221 221 -
    RotR64               "rot_r_64"                RegRegReg     222 222 -
    RotR32               "rot_r_32"                RegRegReg     223 223 -
    AndInv               "and_inv"                 RegRegReg     224 224 -
    OrInv                "or_inv"                  RegRegReg     225 225 -
    Xnor                 "xnor"                    RegRegReg     226 226 -
    Max                  "max"                     RegRegReg     227 227 -
    MaxU                 "max_u"                   RegRegReg     228 228 -
    Min                  "min"                     RegRegReg     229 229 -
    MinU                 "min_u"                   RegRegReg     230 230 -
}

/// Opcode numbers of Gray Paper 0.7.x.
pub static NUMBERS_0_7: OpcodeNumbers = numbers(false);

/// Opcode numbers of Gray Paper 0.8.x.
pub static NUMBERS_0_8: OpcodeNumbers = numbers(true);

/// A numbering of the operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbering {
    /// That of GP 0.7.
    Gp0_7,
    /// That of GP 0.8.
    Gp0_8,
}

/// The numberings, in the order of [`Numbering`]'s discriminants.
pub const NUMBERS: [&OpcodeNumbers; 2] = [&NUMBERS_0_7, &NUMBERS_0_8];

/// Which operations end a basic block, in the order of [`Op`]'s discriminants: smaller than [`OPERATIONS`], and asked for
/// every instruction.
static TERMINATES_BLOCK: [bool; OPERATIONS.len()] = {
    let mut table = [false; OPERATIONS.len()];
    let mut row = 0;
    while row < table.len() {
        table[row] = OPERATIONS[row].terminates_block;
        row += 1;
    }
    table
};

/// How execution goes on behind each opcode number of a version, as a set of the bits below.
pub type Flow = [u8; 256];

/// Bit of [`Flow`]: the number is defined.
pub const DEFINED: u8 = 1;
/// Bit of [`Flow`]: the operation ends a basic block.
pub const ENDS_BLOCK: u8 = 2;
/// Bit of [`Flow`]: execution may leave the program here or go on elsewhere: a block ends, the host is called, or the number
/// is not defined, which is a trap.
pub const STOPS: u8 = 8;
/// Bit of [`Flow`]: a stop that ends no block.
pub const ONLY_STOPS: u8 = 4;

/// What stands in [`NUMBERS_0_7`], as [`Flow`].
pub static FLOW_0_7: Flow = flow(&NUMBERS_0_7);

/// What stands in [`NUMBERS_0_8`], as [`Flow`].
pub static FLOW_0_8: Flow = flow(&NUMBERS_0_8);

const fn flow(numbers: &OpcodeNumbers) -> Flow {
    let mut flow = [STOPS | ONLY_STOPS; 256];
    let mut number = 0;
    while number < flow.len() {
        if let Some(op) = numbers[number] {
            let ends_block = if op.terminates_block() { ENDS_BLOCK | STOPS } else { 0 };
            let calls_host = if op.calls_host() && !op.terminates_block() { STOPS | ONLY_STOPS } else { 0 };
            flow[number] = DEFINED | ends_block | calls_host;
        }
        number += 1;
    }
    flow
}

const fn numbers(v0_8: bool) -> OpcodeNumbers {
    let mut table = [None; 256];
    let mut row = 0;
    while row < OPERATIONS.len() {
        let operation = &OPERATIONS[row];
        let number = if v0_8 { operation.number_0_8 } else { operation.number_0_7 };
        if let Some(number) = number {
            assert!(table[number as usize].is_none(), "two operations share an opcode number");
            table[number as usize] = Some(operation.op);
        }
        row += 1;
    }
    table
}

impl Op {
    /// This operation's row of the table.
    #[must_use]
    pub fn info(self) -> &'static Operation {
        &OPERATIONS[self as usize]
    }

    /// The Gray Paper's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Whether the operation is served outside of the program: it may see the gas, and change memory.
    #[must_use]
    #[inline]
    pub const fn calls_host(self) -> bool {
        matches!(self, Self::Ecalli | Self::Sbrk)
    }

    /// How many low bytes of its value a store writes; `None` of other operations.
    #[must_use]
    #[inline]
    pub const fn stored_bytes(self) -> Option<usize> {
        match self {
            Self::StoreU8 | Self::StoreIndU8 | Self::StoreImmU8 | Self::StoreImmIndU8 => Some(1),
            Self::StoreU16 | Self::StoreIndU16 | Self::StoreImmU16 | Self::StoreImmIndU16 => Some(2),
            Self::StoreU32 | Self::StoreIndU32 | Self::StoreImmU32 | Self::StoreImmIndU32 => Some(4),
            Self::StoreU64 | Self::StoreIndU64 | Self::StoreImmU64 | Self::StoreImmIndU64 => Some(8),
            _ => None,
        }
    }

    /// Whether the operation ends a basic block (GP A.3).
    #[must_use]
    #[inline]
    pub const fn terminates_block(self) -> bool {
        TERMINATES_BLOCK[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_discriminant() {
        for (index, operation) in OPERATIONS.iter().enumerate() {
            assert_eq!(operation.op as usize, index);
        }
    }

    #[test]
    fn each_version_defines_139_opcodes() {
        assert_eq!(NUMBERS_0_7.iter().flatten().count(), 139);
        assert_eq!(NUMBERS_0_8.iter().flatten().count(), 139);
    }

    #[test]
    fn version_differences_are_the_listed_ones() {
        for operation in &OPERATIONS {
            let expected = match (operation.op, operation.number_0_7) {
                (Op::Unlikely, None) => Some(2),
                (Op::Sbrk, Some(101)) => None,
                (_, Some(number @ 102..=111)) => Some(number - 1),
                (_, number) => number,
            };
            assert_eq!(operation.number_0_8, expected, "{}", operation.name);
        }
    }
}
