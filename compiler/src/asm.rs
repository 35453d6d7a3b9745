//! The assembler as lowering sees it: guest registers by number, own encodings of the instructions that make up most of
//! the code, dynasm-rs for all others.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `address` | operands with two registers, fill bytes |
//! | `buffer` | the bytes of the text while it is written |
//! | `encode` | encodings |
//! | `jumps` | jumps to blocks and cold sites |

mod address;
mod buffer;
mod encode;
mod jumps;

use tvm_abi::registers::{self, HostReg};
use tvm_abi::{CpuFeatures, TextOffset};
use tvm_isa::Reg;

use crate::optimise::RegSet;
pub use address::Sum;
use buffer::CodeBuffer;
pub use buffer::READY;
pub use encode::{Binary, BinaryImm, Extend, ShiftOp, Unary};
pub use jumps::{Jumps, Target};

/// Assembles at the assembler in `$asm`; the lines are dynasm-rs syntax.
macro_rules! emit {
    ($asm:expr $(; $($line:tt)*)?) => {
        ::dynasmrt::dynasm!($asm.ops ; .arch x64 $(; $($line)*)?)
    };
}
pub(crate) use emit;

/// Number of the scratch register in machine code.
pub const SCRATCH: u8 = registers::SCRATCH as u8;
/// Number of `rax`, which x86 division and multiplication use implicitly.
pub const RAX: u8 = HostReg::Rax as u8;
/// Number of `rcx`, which has the amount of x86 shifts by a register.
pub const RCX: u8 = HostReg::Rcx as u8;

/// The guest register in `rax`.
const IN_RAX: Reg = guest_in(HostReg::Rax);
/// The guest register in `rcx`.
const IN_RCX: Reg = guest_in(HostReg::Rcx);

/// The guest register that a host register holds.
const fn guest_in(host: HostReg) -> Reg {
    let mut index = 0;
    while registers::GUEST[index] as u8 != host as u8 {
        index += 1;
    }
    Reg::clamped(index as u8)
}

/// Host registers by number of the guest register, or by any register field of four bits: see [`Reg::clamped`].
const HOST: [u8; 16] = {
    let mut table = [0; 16];
    let mut field = 0;
    while field < 16 {
        table[field] = registers::guest(Reg::clamped(field as u8)) as u8;
        field += 1;
    }
    table
};

/// Number of the host register that holds a guest register.
#[inline(always)]
pub const fn host(reg: Reg) -> u8 {
    HOST[reg.index() & 15]
}

/// Number of the host register that holds the guest register of a register field, which may have any value.
#[inline(always)]
pub fn host_of_field(field: u8) -> u8 {
    HOST[usize::from(field.min(15))]
}

/// Operand width of machine instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 32 bits; results are sign-extended to 64 as the Gray Paper's 32-bit operations are.
    W32,
    /// 64 bits.
    W64,
}

/// An instruction with an operand in guest memory, but for its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuestForm {
    /// Prefixes and opcode without REX prefix, and how many bytes they are.
    without_rex: u64,
    len: u8,
    /// The same with a REX prefix that names low registers, and at which bit it is.
    with_rex: u64,
    rex_at: u8,
    /// What the REX prefix says besides registers.
    rex: u8,
    /// Whether the register operand has 8 bits.
    byte_reg: bool,
}

impl GuestForm {
    /// 32 bits, or an opcode that says its size itself.
    pub const fn plain(opcode: u8) -> Self {
        Self::new(&[0x65, 0x67], &[opcode], false)
    }

    /// The same, with `0f` before the opcode.
    pub const fn plain_0f(opcode: u8) -> Self {
        Self::new(&[0x65, 0x67], &[0x0f, opcode], false)
    }

    /// 64-bit operands.
    pub const fn wide(opcode: u8) -> Self {
        Self::new(&[0x65, 0x67], &[opcode], true)
    }

    /// The same, with `0f` before the opcode.
    pub const fn wide_0f(opcode: u8) -> Self {
        Self::new(&[0x65, 0x67], &[0x0f, opcode], true)
    }

    /// 16-bit operands.
    pub const fn word(opcode: u8) -> Self {
        Self::new(&[0x65, 0x67, 0x66], &[opcode], false)
    }

    /// An 8-bit register operand.
    pub const fn byte_reg(opcode: u8) -> Self {
        Self { byte_reg: true, ..Self::plain(opcode) }
    }

    const fn new(prefixes: &[u8], opcode: &[u8], wide: bool) -> Self {
        let rex = if wide { 8 } else { 0 };
        let (before, opcode_len) = (prefixes.len(), opcode.len());
        assert!(before + opcode_len <= 4, "the encoder has eight bytes for these, REX, ModRM and SIB");
        let mut bytes = [0; 8];
        let (prefixes_first, opcode_next) = bytes.split_at_mut(before);
        prefixes_first.copy_from_slice(prefixes);
        opcode_next.split_at_mut(opcode_len).0.copy_from_slice(opcode);
        let without_rex = u64::from_le_bytes(bytes);
        let below = (1 << (8 * before)) - 1;
        let with_rex = without_rex & below | (0x40 | rex as u64) << (8 * before) | (without_rex & !below) << 8;
        let (len, rex_at) = ((before + opcode_len) as u8, 8 * before as u8);
        Self { without_rex, len, with_rex, rex_at, rex, byte_reg: false }
    }
}

/// A relation between two compared numbers, as x86 names it. The discriminant is its code in machine code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "x86's own names")]
pub enum Condition {
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowOrEqual = 6,
    Above = 7,
    Less = 12,
    GreaterOrEqual = 13,
    LessOrEqual = 14,
    Greater = 15,
}

impl Condition {
    /// What holds when this does not.
    pub fn inverted(self) -> Self {
        match self {
            Self::Below => Self::AboveOrEqual,
            Self::AboveOrEqual => Self::Below,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::BelowOrEqual => Self::Above,
            Self::Above => Self::BelowOrEqual,
            Self::Less => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
        }
    }

    /// The same relation with its sides exchanged.
    pub fn swapped(self) -> Self {
        match self {
            Self::Below => Self::Above,
            Self::AboveOrEqual => Self::BelowOrEqual,
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::BelowOrEqual => Self::AboveOrEqual,
            Self::Above => Self::Below,
            Self::Less => Self::Greater,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
        }
    }
}

/// Opcode of a short `jmp`.
pub const JMP_SHORT: u8 = 0xeb;
/// Opcode of a short `je`.
pub const JE_SHORT: u8 = 0x74;

/// A short jump that has been emitted, but leads nowhere yet.
#[must_use = "a jump must lead somewhere"]
pub struct JumpAhead(TextOffset);

/// Emits machine code to its place.
pub struct Assembler<'m> {
    /// The buffer that [`emit!`] writes to.
    pub ops: CodeBuffer<'m>,
    /// What the target CPU has.
    pub cpu: CpuFeatures,
    /// Whether 32-bit operations leave out the sign extension of their result.
    pub narrow: bool,
    /// The guest registers that must be kept by instructions that do not write them.
    pub needed: RegSet,
    jumps: Jumps,
}

impl<'m> Assembler<'m> {
    /// An assembler that writes from the start of `bytes` on. `jumps` are ready for the program.
    pub fn new(cpu: CpuFeatures, bytes: &'m mut [u8], jumps: Jumps) -> Self {
        Self { ops: CodeBuffer::new(bytes), cpu, narrow: false, needed: RegSet::ALL, jumps }
    }

    /// The offset of the next machine instruction.
    #[inline]
    pub fn here(&self) -> TextOffset {
        self.ops.here()
    }

    /// To be asked before the code of each guest instruction, which may take [`buffer::READY`] bytes: whether there is
    /// room for it.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.ops.is_ready()
    }

    /// The same for so many instructions.
    #[inline]
    pub fn is_ready_for(&self, instructions: usize) -> bool {
        self.ops.is_ready_for(instructions)
    }

    /// Appends the low `len` bytes of `code`, at most 16.
    #[inline]
    pub fn put_long(&mut self, code: u128, len: usize) {
        self.ops.put_long(code, len);
    }

    /// Whether the target CPU has all of `features`.
    #[inline]
    pub fn has(&self, features: CpuFeatures) -> bool {
        self.cpu.contains(features)
    }

    /// Whether the guest register in `rax` must be kept.
    pub fn needs_rax(&self) -> bool {
        self.needed.has(IN_RAX)
    }

    /// Whether the guest register in `rcx` must be kept.
    pub fn needs_rcx(&self) -> bool {
        self.needed.has(IN_RCX)
    }

    /// `mov to, from` in 64 bits, unless they are the same register.
    #[inline]
    pub fn move_reg(&mut self, to: u8, from: u8) {
        if to != from {
            self.binary(Binary::Mov, Width::W64, to, from);
        }
    }

    /// Sign-extends the low half of `reg`, in place.
    #[inline]
    pub fn sign_extend_32(&mut self, reg: u8) {
        self.move_sign_extended(reg, reg);
    }

    /// Finishes an operation of `width` whose result is in `reg`.
    #[inline]
    pub fn finish(&mut self, width: Width, reg: u8) {
        if width == Width::W32 && !self.narrow {
            self.sign_extend_32(reg);
        }
    }

    /// A jump ahead over less than 128 bytes, to where [`Self::land`] is called. `opcode` is that of the short form.
    ///
    /// For jumps within one guest instruction's code.
    pub fn jump_ahead(&mut self, opcode: u8) -> JumpAhead {
        self.ops.put(opcode.into(), 2);
        JumpAhead(self.here())
    }

    /// Lets `jump` lead here.
    pub fn land(&mut self, jump: JumpAhead) {
        let JumpAhead(from) = jump;
        let distance = i8::try_from(self.here().0 - from.0).expect("one instruction's code is shorter than that");
        self.ops.patch_byte(from, distance as u8);
    }
}
