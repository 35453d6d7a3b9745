//! Encodings of the instructions that make up most of the code, shorter than dynasm-rs writes them and with one store each.
//!
//! A register operand is its number. The names of the operands follow the instruction's meaning: `to` is written, `from`
//! is read.

use core::hint::select_unpredictable;

use super::{Assembler, Condition, GuestForm, Width};

/// Two-operand instructions with the destination in ModRM.rm. The discriminant is the opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "x86's own names")]
pub enum Binary {
    Add = 0x01,
    Or = 0x09,
    And = 0x21,
    Sub = 0x29,
    Xor = 0x31,
    Cmp = 0x39,
    Test = 0x85,
    Mov = 0x89,
}

/// Two-operand instructions with an immediate. The discriminant is the opcode's extension in ModRM.reg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "x86's own names")]
pub enum BinaryImm {
    Add = 0,
    Or = 1,
    AddCarry = 2,
    SubBorrow = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotations. The discriminant is the opcode's extension in ModRM.reg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "x86's own names")]
pub enum ShiftOp {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// One-operand instructions. The discriminant is the opcode's extension in ModRM.reg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "x86's own names")]
pub enum Unary {
    Not = 2,
    Neg = 3,
}

/// Conversions from a part of a register to all of it. The discriminant is the second byte of the opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Extend {
    Zero8 = 0xb6,
    Zero16 = 0xb7,
    Sign8 = 0xbe,
    Sign16 = 0xbf,
}

/// Places of register numbers in an instruction whose first byte is a REX prefix: its lowest bits, and ModRM behind an
/// opcode of one byte (`1`) or two bytes (`2`).
struct Places {
    reg_1: u32,
    rm_1: u32,
    reg_2: u32,
    rm_2: u32,
}

/// For each register number.
static PLACES: [Places; 16] = {
    let mut places = [const { Places { reg_1: 0, rm_1: 0, reg_2: 0, rm_2: 0 } }; 16];
    let mut number = 0;
    while number < 16_u32 {
        let (high, low) = (number >> 3, number & 7);
        places[number as usize] = Places {
            reg_1: high << 2 | low << 19,
            rm_1: high | low << 16,
            reg_2: high << 2 | low << 27,
            rm_2: high | low << 24,
        };
        number += 1;
    }
    places
};

#[inline]
fn places(number: u8) -> &'static Places {
    &PLACES[usize::from(number & 15)]
}

/// An instruction under construction: its first bytes, of which the very first is a REX prefix, and how many they are.
#[derive(Clone, Copy)]
struct Code {
    bytes: u64,
    len: u32,
}

impl Code {
    /// An opcode of one byte with two registers.
    #[inline]
    fn one(opcode: u8, width: Width, reg: u8, rm: u8) -> Self {
        let bytes = 0xc0_0040 | u32::from(opcode) << 8 | rex_w(width) | places(reg).reg_1 | places(rm).rm_1;
        Self { bytes: bytes.into(), len: 3 }
    }

    /// An opcode of one byte with a register and an extension of the opcode in place of the other.
    #[inline]
    fn extended(opcode: u8, width: Width, extension: u8, rm: u8) -> Self {
        let modrm = 0xc0 | u32::from(extension) << 3;
        let bytes = 0x40 | modrm << 16 | u32::from(opcode) << 8 | rex_w(width) | places(rm).rm_1;
        Self { bytes: bytes.into(), len: 3 }
    }

    /// An opcode of two bytes, the first 0x0f, with two registers.
    #[inline]
    fn two(opcode: u8, width: Width, reg: u8, rm: u8) -> Self {
        let bytes = 0xc000_0f40 | u32::from(opcode) << 16 | rex_w(width) | places(reg).reg_2 | places(rm).rm_2;
        Self { bytes: bytes.into(), len: 4 }
    }

    /// With `len` more bytes.
    #[inline]
    fn then(self, bytes: u64, len: u32) -> Self {
        Self { bytes: self.bytes | bytes << (8 * self.len), len: self.len + len }
    }

    /// Without the REX prefix if that says nothing.
    #[inline]
    fn short(self) -> Self {
        let says_nothing = self.bytes as u8 == 0x40;
        let bytes = select_unpredictable(says_nothing, self.bytes >> 8, self.bytes);
        Self { bytes, len: self.len - u32::from(says_nothing) }
    }
}

/// The bit of a REX prefix that says that operands have 64 bits.
#[inline]
fn rex_w(width: Width) -> u32 {
    match width {
        Width::W64 => 8,
        Width::W32 => 0,
    }
}

/// Whether an 8-bit operand needs a REX prefix to name the low byte: without it these numbers name ah to bh.
#[inline]
fn needs_rex(byte_reg: u8) -> bool {
    (4..8).contains(&byte_reg)
}

impl Assembler<'_> {
    #[inline]
    fn put(&mut self, code: Code) {
        self.ops.put(code.bytes, code.len as usize);
    }

    /// `op to, from`; a 32-bit result clears the upper half.
    #[inline]
    pub fn binary(&mut self, op: Binary, width: Width, to: u8, from: u8) {
        self.put(Code::one(op as u8, width, from, to).short());
    }

    /// `op to, imm`, with the immediate in one byte if it fits.
    #[inline]
    pub fn binary_imm(&mut self, op: BinaryImm, width: Width, to: u8, imm: i32) {
        let fits = i8::try_from(imm).is_ok();
        let code = Code::extended(if fits { 0x83 } else { 0x81 }, width, op as u8, to).short();
        self.put(code.then(u64::from(imm as u32), if fits { 1 } else { 4 }));
    }

    /// `op to`
    #[inline]
    pub fn unary(&mut self, op: Unary, width: Width, to: u8) {
        self.put(Code::extended(0xf7, width, op as u8, to).short());
    }

    /// `test reg, mask`, the mask sign-extended
    pub fn test_imm(&mut self, width: Width, reg: u8, mask: i32) {
        self.put(Code::extended(0xf7, width, 0, reg).then(u64::from(mask as u32), 4).short());
    }

    /// `op to, amount`
    #[inline]
    pub fn shift_imm(&mut self, op: ShiftOp, width: Width, to: u8, amount: u8) {
        self.put(Code::extended(0xc1, width, op as u8, to).then(amount.into(), 1).short());
    }

    /// `op to, cl`
    #[inline]
    pub fn shift_cl(&mut self, op: ShiftOp, width: Width, to: u8) {
        self.put(Code::extended(0xd3, width, op as u8, to).short());
    }

    /// `imul to, from`
    #[inline]
    pub fn multiply(&mut self, width: Width, to: u8, from: u8) {
        self.put(Code::two(0xaf, width, to, from).short());
    }

    /// `imul to, from, imm`
    #[inline]
    pub fn multiply_imm(&mut self, width: Width, to: u8, from: u8, imm: i32) {
        let fits = i8::try_from(imm).is_ok();
        let code = Code::one(if fits { 0x6b } else { 0x69 }, width, to, from).short();
        self.put(code.then(u64::from(imm as u32), if fits { 1 } else { 4 }));
    }

    /// `movsxd to, from`: the low half of `from`, sign-extended.
    #[inline]
    pub fn move_sign_extended(&mut self, to: u8, from: u8) {
        self.put(Code::one(0x63, Width::W64, to, from));
    }

    /// `movzx to, from` or `movsx to, from` into all 64 bits.
    #[inline]
    pub fn extend(&mut self, extend: Extend, to: u8, from: u8) {
        let (width, byte) = match extend {
            Extend::Zero8 => (Width::W32, true),
            Extend::Zero16 => (Width::W32, false),
            Extend::Sign8 => (Width::W64, true),
            Extend::Sign16 => (Width::W64, false),
        };
        let code = Code::two(extend as u8, width, to, from);
        self.put(if byte && needs_rex(from) { code } else { code.short() });
    }

    /// `cmovcc to, from`
    #[inline]
    pub fn move_if(&mut self, condition: Condition, to: u8, from: u8) {
        self.put(Code::two(0x40 | condition as u8, Width::W64, to, from));
    }

    /// `setcc` of the low byte of `to`; the others stay.
    #[inline]
    pub fn set_if(&mut self, condition: Condition, to: u8) {
        let code = Code::two(0x90 | condition as u8, Width::W32, 0, to);
        self.put(if needs_rex(to) { code } else { code.short() });
    }

    /// Sets a register to a constant in the shortest way that leaves the flags alone.
    #[inline]
    pub fn load_constant(&mut self, to: u8, value: u64) {
        let (high, low) = (u64::from(to >> 3), u64::from(0xb8 | to & 7));
        if let Ok(small) = u32::try_from(value) {
            let code = Code { bytes: 0x40 | high | low << 8 | u64::from(small) << 16, len: 6 };
            self.put(code.short());
        } else if let Ok(small) = i32::try_from(value as i64) {
            self.put(Code::extended(0xc7, Width::W64, 0, to).then(u64::from(small as u32), 4));
        } else {
            self.ops.put_long(u128::from(0x48 | high | low << 8) | u128::from(value) << 16, 10);
        }
    }

    /// `lea to, [base + disp]`; a 32-bit result is not yet sign-extended.
    #[inline]
    pub fn lea_disp(&mut self, width: Width, to: u8, base: u8, disp: i32) {
        let rex = 0x40 | rex_w(width) | u32::from(to >> 3) << 2 | u32::from(base >> 3);
        let (operand, operand_len, disp_len) = memory_operand(to, base, disp);
        let code = Code { bytes: u64::from(rex | 0x8d << 8 | operand << 16), len: 2 + operand_len };
        self.put(code.short().then(u64::from(disp as u32), disp_len));
    }

    /// `lea to, [base + index]`; a 32-bit result is not yet sign-extended.
    #[inline]
    pub fn lea_sum(&mut self, width: Width, to: u8, base: u8, index: u8) {
        // rbp and r13 as base need a displacement, rsp cannot be an index.
        let (base, index) = if base & 7 == 5 { (index, base) } else { (base, index) };
        let rex = 0x40 | rex_w(width) | u32::from(to >> 3) << 2 | u32::from(index >> 3) << 1 | u32::from(base >> 3);
        let sib = u32::from((index & 7) << 3 | base & 7);
        let needs_disp = u32::from(base & 7 == 5);
        let modrm = needs_disp << 6 | u32::from(to & 7) << 3 | 4;
        self.put(Code { bytes: u64::from(rex | 0x8d << 8 | modrm << 16 | sib << 24), len: 4 + needs_disp }.short());
    }

    /// An instruction on guest memory at `(base + disp) mod 2^32`, or at `disp mod 2^32` without base. The address-size
    /// prefix makes the processor compute the address in 32 bits. An immediate may follow.
    #[inline(always)]
    pub fn guest_operand(&mut self, form: GuestForm, reg: u8, base: Option<u8>, disp: i32) {
        let (operand, operand_len, disp_len) = match base {
            Some(base) => memory_operand(reg, base, disp),
            None => (0x2504 | u32::from(reg & 7) << 3, 2, 4),
        };
        let (head, len) = form.head(reg, 0, base.unwrap_or(0));
        // At most three prefixes, or two and an opcode of two bytes; REX, opcode, ModRM, SIB: seven bytes.
        let head = head | u64::from(operand) << (8 * len);
        self.ops.put_two(head, (len + operand_len) as usize, disp as u32, disp_len as usize);
    }
}

impl GuestForm {
    /// Prefixes and opcode for these registers, and how many bytes they are, at most five.
    #[inline(always)]
    pub(super) fn head(self, reg: u8, index: u8, base: u8) -> (u64, u32) {
        let bits = (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        let needed = self.rex | bits != 0 || self.byte_reg && needs_rex(reg);
        let with_rex = self.with_rex | u64::from(bits) << self.rex_at;
        (select_unpredictable(needed, with_rex, self.without_rex), u32::from(self.len) + u32::from(needed))
    }
}

/// ModRM, and SIB where the base needs one; how many bytes that is; and the length of the shortest displacement.
#[inline]
fn memory_operand(reg: u8, base: u8, disp: i32) -> (u32, u32, u32) {
    let low = u32::from(base & 7);
    let none = disp == 0 && low != 5;
    let mode = if none { 0 } else { select_unpredictable(i8::try_from(disp).is_ok(), 1, 2_u32) };
    let needs_sib = u32::from(low == 4);
    // 0, 1 and 4 bytes.
    let disp_len = mode << (mode >> 1);
    (mode << 6 | u32::from(reg & 7) << 3 | low | (0x2400 * needs_sib), 1 + needs_sib, disp_len)
}
