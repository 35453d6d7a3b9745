//! How an instruction is written: what it does, in a notation close to C.
//!
//! * `u`, `s` behind an operator: it works on unsigned or signed numbers, as in `a0 <u a1`.
//! * `i32` in front: the operation works on the low 32 bits, and its result is sign-extended.
//! * `u16 [a0 + 4]`: the two bytes in memory there. `jump [a0 + 4]`: through the jump table, by that address.
//! * `@12`: the position 12 in the code.

use core::fmt;

use crate::instruction::{Format, Instruction};
use crate::opcode::Op;
use crate::units::Reg;

/// Writes an instruction; made by [`Instruction::text`].
#[derive(Clone, Copy, Debug)]
pub struct InstructionText(Instruction);

impl Instruction {
    /// The instruction as text, as in `if a0 <u a1 jump @60`.
    #[must_use]
    pub fn text(&self) -> InstructionText {
        InstructionText(*self)
    }
}

/// What an operation is written like. Which fields its operands are in follows from its [`Format`].
#[derive(Clone, Copy)]
enum Notation {
    /// The name and nothing else, or an immediate behind it.
    Name,
    /// A register takes the value of a register or immediate.
    Assign,
    /// A register takes the value of memory of this type.
    Load(&'static str),
    /// Memory of this type takes the value of a register or immediate.
    Store(&'static str),
    Jump,
    /// A register takes an immediate, then a jump follows.
    AssignJump,
    /// A jump if this comparison holds.
    Branch(&'static str),
    /// A register takes a value if another one compares so with zero.
    AssignIf(&'static str),
    /// A register takes the result of a named function of one or two registers.
    Function,
    /// A register takes a sum.
    Plus,
    /// The same on 32 bits.
    Plus32,
    /// A register takes the result of an operator.
    Operator(&'static str),
    /// The same on 32 bits.
    Operator32(&'static str),
    /// A register takes the result of an operator on a register and another one's complement.
    OperatorNot(&'static str),
    /// A register takes the result of an operator whose operands stand in reverse: immediate first.
    Reverse(&'static str),
    /// The same on 32 bits.
    Reverse32(&'static str),
    /// A register takes the complement of an operator's result.
    Not(&'static str),
}

#[rustfmt::skip]
fn notation(op: Op) -> Notation {
    use Notation::*;
    use Op::*;
    match op {
        Op::Trap | Fallthrough | Unlikely | Ecalli => Name,
        LoadImm64 | LoadImm | MoveReg => Assign,

        LoadU8 | LoadIndU8 => Load("u8"),
        LoadI8 | LoadIndI8 => Load("i8"),
        LoadU16 | LoadIndU16 => Load("u16"),
        LoadI16 | LoadIndI16 => Load("i16"),
        LoadU32 | LoadIndU32 => Load("u32"),
        LoadI32 | LoadIndI32 => Load("i32"),
        LoadU64 | LoadIndU64 => Load("u64"),
        StoreImmU8 | StoreU8 | StoreImmIndU8 | StoreIndU8 => Store("u8"),
        StoreImmU16 | StoreU16 | StoreImmIndU16 | StoreIndU16 => Store("u16"),
        StoreImmU32 | StoreU32 | StoreImmIndU32 | StoreIndU32 => Store("u32"),
        StoreImmU64 | StoreU64 | StoreImmIndU64 | StoreIndU64 => Store("u64"),

        Op::Jump | JumpInd => Notation::Jump,
        LoadImmJump | LoadImmJumpInd => AssignJump,
        BranchEqImm | BranchEq => Branch("=="),
        BranchNeImm | BranchNe => Branch("!="),
        BranchLtUImm | BranchLtU => Branch("<u"),
        BranchLeUImm => Branch("<=u"),
        BranchGeUImm | BranchGeU => Branch(">=u"),
        BranchGtUImm => Branch(">u"),
        BranchLtSImm | BranchLtS => Branch("<s"),
        BranchLeSImm => Branch("<=s"),
        BranchGeSImm | BranchGeS => Branch(">=s"),
        BranchGtSImm => Branch(">s"),
        CmovIzImm | CmovIz => AssignIf("=="),
        CmovNzImm | CmovNz => AssignIf("!="),

        Sbrk | CountSetBits64 | CountSetBits32 | LeadingZeroBits64 | LeadingZeroBits32 | TrailingZeroBits64
        | TrailingZeroBits32 | SignExtend8 | SignExtend16 | ZeroExtend16 | ReverseBytes | MulUpperSS | MulUpperUU
        | MulUpperSU | Max | MaxU | Min | MinU => Function,

        AddImm64 | Add64 => Plus,
        AddImm32 | Add32 => Plus32,
        Sub64 => Operator("-"),
        Sub32 => Operator32("-"),
        NegAddImm64 => Reverse("-"),
        NegAddImm32 => Reverse32("-"),
        MulImm64 | Mul64 => Operator("*"),
        MulImm32 | Mul32 => Operator32("*"),
        DivU64 => Operator("/u"),
        DivU32 => Operator32("/u"),
        DivS64 => Operator("/s"),
        DivS32 => Operator32("/s"),
        RemU64 => Operator("%u"),
        RemU32 => Operator32("%u"),
        RemS64 => Operator("%s"),
        RemS32 => Operator32("%s"),
        AndImm | And => Operator("&"),
        OrImm | Or => Operator("|"),
        XorImm | Xor => Operator("^"),
        AndInv => OperatorNot("&"),
        OrInv => OperatorNot("|"),
        Xnor => Not("^"),
        SetLtUImm | SetLtU => Operator("<u"),
        SetLtSImm | SetLtS => Operator("<s"),
        SetGtUImm => Operator(">u"),
        SetGtSImm => Operator(">s"),
        ShloLImm64 | ShloL64 => Operator("<<"),
        ShloLImm32 | ShloL32 => Operator32("<<"),
        ShloRImm64 | ShloR64 => Operator(">>u"),
        ShloRImm32 | ShloR32 => Operator32(">>u"),
        SharRImm64 | SharR64 => Operator(">>s"),
        SharRImm32 | SharR32 => Operator32(">>s"),
        RotL64 => Operator("<<<"),
        RotL32 => Operator32("<<<"),
        RotR64Imm | RotR64 => Operator(">>>"),
        RotR32Imm | RotR32 => Operator32(">>>"),
        ShloLImmAlt64 => Reverse("<<"),
        ShloLImmAlt32 => Reverse32("<<"),
        ShloRImmAlt64 => Reverse(">>u"),
        ShloRImmAlt32 => Reverse32(">>u"),
        SharRImmAlt64 => Reverse(">>s"),
        SharRImmAlt32 => Reverse32(">>s"),
        RotR64ImmAlt => Reverse(">>>"),
        RotR32ImmAlt => Reverse32(">>>"),
    }
}

/// A register or an immediate.
#[derive(Clone, Copy)]
enum Operand {
    Register(Reg),
    Immediate(u64),
}

/// A guest or jump table address: a constant, added to a register if there is one.
struct Address(Option<Reg>, u64);

/// A register plus an immediate, or minus it if that is negative.
struct Sum(Reg, u64);

/// An immediate: signed decimal, or hexadecimal where it is too large to be read as a count.
struct Immediate(u64);

/// A static jump target. Those before the code are negative.
struct Target(u64);

/// Immediates of this magnitude and above are written in hexadecimal.
const HEXADECIMAL_FROM: u64 = 1 << 16;

impl fmt::Display for InstructionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction { op, a, b, d, x, y, .. } = self.0;
        let name = op.name();
        let target = Target(self.0.target().unwrap_or_default());
        let [imm_x, imm_y] = [x, y].map(Operand::Immediate);
        let [reg_a, reg_b] = [a, b].map(Operand::Register);
        // Where the operands are: destination, left and right side of an operator; or address and stored value.
        let format = op.info().format;
        let (to, left, right) = match format {
            Format::RegRegReg => (d, reg_a, reg_b),
            Format::RegReg => (d, reg_a, reg_b),
            Format::RegRegImm => (a, reg_b, imm_x),
            _ => (a, imm_x, imm_y),
        };
        let (address, stored) = match format {
            Format::RegRegImm => (Address(Some(b), x), reg_a),
            Format::RegImmImm => (Address(Some(a), x), imm_y),
            Format::ImmImm => (Address(None, x), imm_y),
            _ => (Address(None, x), reg_a),
        };
        match notation(op) {
            Notation::Name if format == Format::None => f.write_str(name),
            Notation::Name => write!(f, "{name} {imm_x}"),
            Notation::Assign => write!(f, "{to} = {left}"),
            Notation::Load(size) => write!(f, "{to} = {size} [{address}]"),
            Notation::Store(size) => write!(f, "{size} [{address}] = {stored}"),
            Notation::Jump if format == Format::Offset => write!(f, "jump {target}"),
            Notation::Jump => write!(f, "jump [{}]", Address(Some(a), x)),
            Notation::AssignJump if format == Format::RegImmOffset => write!(f, "{a} = {imm_x}, jump {target}"),
            Notation::AssignJump => write!(f, "{a} = {imm_x}, jump [{}]", Address(Some(b), y)),
            Notation::Branch(comparison) if format == Format::RegImmOffset => {
                write!(f, "if {a} {comparison} {imm_x} jump {target}")
            }
            Notation::Branch(comparison) => write!(f, "if {a} {comparison} {b} jump {target}"),
            Notation::AssignIf(comparison) if format == Format::RegRegImm => {
                write!(f, "{to} = {imm_x} if {b} {comparison} 0")
            }
            Notation::AssignIf(comparison) => write!(f, "{to} = {a} if {b} {comparison} 0"),
            Notation::Function if format == Format::RegReg => write!(f, "{to} = {name} {a}"),
            Notation::Function => write!(f, "{to} = {name} {a}, {b}"),
            Notation::Plus if format == Format::RegRegImm => write!(f, "{to} = {}", Sum(b, x)),
            Notation::Plus => write!(f, "{to} = {left} + {right}"),
            Notation::Plus32 if format == Format::RegRegImm => write!(f, "i32 {to} = {}", Sum(b, x)),
            Notation::Plus32 => write!(f, "i32 {to} = {left} + {right}"),
            Notation::Operator(operator) => write!(f, "{to} = {left} {operator} {right}"),
            Notation::Operator32(operator) => write!(f, "i32 {to} = {left} {operator} {right}"),
            Notation::OperatorNot(operator) => write!(f, "{to} = {left} {operator} ~{right}"),
            Notation::Reverse(operator) => write!(f, "{to} = {right} {operator} {left}"),
            Notation::Reverse32(operator) => write!(f, "i32 {to} = {right} {operator} {left}"),
            Notation::Not(operator) => write!(f, "{to} = ~({left} {operator} {right})"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Register(register) => register.fmt(f),
            Self::Immediate(value) => Immediate(value).fmt(f),
        }
    }
}

impl fmt::Display for Immediate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0 as i64;
        match (value.unsigned_abs(), value < 0) {
            (0..HEXADECIMAL_FROM, _) => write!(f, "{value}"),
            (magnitude, true) => write!(f, "-{magnitude:#x}"),
            (magnitude, false) => write!(f, "{magnitude:#x}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // The address space has 32 bits; immediates are wider only by their sign.
            Self(None, address) => write!(f, "{:#x}", address as u32),
            Self(Some(register), 0) => write!(f, "{register}"),
            Self(Some(register), offset) => Sum(register, offset).fmt(f),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(register, immediate) = *self;
        match (immediate as i64) < 0 {
            true => write!(f, "{register} - {}", Immediate(immediate.wrapping_neg())),
            false => write!(f, "{register} + {}", Immediate(immediate)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0 as i64)
    }
}
