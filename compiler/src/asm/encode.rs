//! Encodings of the instructions that make up most of the code, shorter than dynasm-rs writes them and with one store each.
//!
//! A register operand is its number. The names of the operands follow the instruction's meaning: `to` is written, `from`
//! is read.

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

/// An instruction under construction: its first bytes, and how many they are.
#[derive(Clone, Copy)]
struct Code {
    bytes: u64,
    len: u32,
}

impl Code {
    /// A REX prefix where one is needed, or where it is `forced`.
    #[inline]
    fn rex(wide: bool, reg: u8, index: u8, base: u8, forced: bool) -> Self {
        let bits = u8::from(wide) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        let needed = bits != 0 || forced;
        Self { bytes: if needed { u64::from(0x40 | bits) } else { 0 }, len: u32::from(needed) }
    }

    /// With `len` more bytes.
    #[inline]
    fn then(self, bytes: u64, len: u32) -> Self {
        Self { bytes: self.bytes | bytes << (8 * self.len), len: self.len + len }
    }

    /// With an immediate, in one byte if it fits: then `short`, otherwise `long`, is the opcode, which `modrm` follows.
    #[inline]
    fn then_imm(self, short: u8, long: u8, modrm: u8, imm: i32) -> Self {
        let fits = i8::try_from(imm).is_ok();
        let opcode = u64::from(if fits { short } else { long });
        let mut code = self.then(opcode | u64::from(modrm) << 8 | u64::from(imm as u32) << 16, 6);
        code.len -= if fits { 3 } else { 0 };
        code
    }
}

/// ModRM of two registers.
#[inline]
fn registers(reg: u8, rm: u8) -> u8 {
    0xc0 | (reg & 7) << 3 | rm & 7
}

/// Whether an 8-bit operand needs a REX prefix to name the low byte: without it these numbers name ah to bh.
#[inline]
fn needs_rex(byte_reg: u8) -> bool {
    (4..8).contains(&byte_reg)
}

impl Assembler {
    #[inline]
    fn put(&mut self, code: Code) {
        self.ops.put(code.bytes, code.len as usize);
    }

    /// `op to, from`; a 32-bit result clears the upper half.
    #[inline]
    pub fn binary(&mut self, op: Binary, width: Width, to: u8, from: u8) {
        let code = Code::rex(width == Width::W64, from, 0, to, false);
        self.put(code.then(u64::from(op as u8) | u64::from(registers(from, to)) << 8, 2));
    }

    /// `op to, imm`, with the immediate in one byte if it fits.
    #[inline]
    pub fn binary_imm(&mut self, op: BinaryImm, width: Width, to: u8, imm: i32) {
        let code = Code::rex(width == Width::W64, 0, 0, to, false);
        self.put(code.then_imm(0x83, 0x81, registers(op as u8, to), imm));
    }

    /// `op to`
    #[inline]
    pub fn unary(&mut self, op: Unary, width: Width, to: u8) {
        let code = Code::rex(width == Width::W64, 0, 0, to, false);
        self.put(code.then(0xf7 | u64::from(registers(op as u8, to)) << 8, 2));
    }

    /// `op to, amount`
    #[inline]
    pub fn shift_imm(&mut self, op: ShiftOp, width: Width, to: u8, amount: u8) {
        let code = Code::rex(width == Width::W64, 0, 0, to, false);
        self.put(code.then(0xc1 | u64::from(registers(op as u8, to)) << 8 | u64::from(amount) << 16, 3));
    }

    /// `op to, cl`
    #[inline]
    pub fn shift_cl(&mut self, op: ShiftOp, width: Width, to: u8) {
        let code = Code::rex(width == Width::W64, 0, 0, to, false);
        self.put(code.then(0xd3 | u64::from(registers(op as u8, to)) << 8, 2));
    }

    /// `imul to, from`
    #[inline]
    pub fn multiply(&mut self, width: Width, to: u8, from: u8) {
        let code = Code::rex(width == Width::W64, to, 0, from, false);
        self.put(code.then(0xaf0f | u64::from(registers(to, from)) << 16, 3));
    }

    /// `imul to, from, imm`
    #[inline]
    pub fn multiply_imm(&mut self, width: Width, to: u8, from: u8, imm: i32) {
        let code = Code::rex(width == Width::W64, to, 0, from, false);
        self.put(code.then_imm(0x6b, 0x69, registers(to, from), imm));
    }

    /// `movsxd to, from`: the low half of `from`, sign-extended.
    #[inline]
    pub fn move_sign_extended(&mut self, to: u8, from: u8) {
        let code = Code::rex(true, to, 0, from, false);
        self.put(code.then(0x63 | u64::from(registers(to, from)) << 8, 2));
    }

    /// `movzx to, from` or `movsx to, from` into all 64 bits.
    #[inline]
    pub fn extend(&mut self, extend: Extend, to: u8, from: u8) {
        let wide = matches!(extend, Extend::Sign8 | Extend::Sign16);
        let forced = matches!(extend, Extend::Zero8 | Extend::Sign8) && needs_rex(from);
        let code = Code::rex(wide, to, 0, from, forced);
        self.put(code.then(0x0f | u64::from(extend as u8) << 8 | u64::from(registers(to, from)) << 16, 3));
    }

    /// `cmovcc to, from`
    #[inline]
    pub fn move_if(&mut self, condition: Condition, to: u8, from: u8) {
        let code = Code::rex(true, to, 0, from, false);
        self.put(code.then(0x400f | (condition as u64) << 8 | u64::from(registers(to, from)) << 16, 3));
    }

    /// `setcc` of the low byte of `to`; the others stay.
    #[inline]
    pub fn set_if(&mut self, condition: Condition, to: u8) {
        let code = Code::rex(false, 0, 0, to, needs_rex(to));
        self.put(code.then(0x900f | (condition as u64) << 8 | u64::from(registers(0, to)) << 16, 3));
    }

    /// Sets a register to a constant in the shortest way that leaves the flags alone.
    #[inline]
    pub fn load_constant(&mut self, to: u8, value: u64) {
        let low = u64::from(0xb8 | to & 7);
        if let Ok(small) = u32::try_from(value) {
            self.put(Code::rex(false, 0, 0, to, false).then(low | u64::from(small) << 8, 5));
        } else if let Ok(small) = i32::try_from(value as i64) {
            let code = Code::rex(true, 0, 0, to, false);
            self.put(code.then(0xc7 | u64::from(registers(0, to)) << 8 | u64::from(small as u32) << 16, 6));
        } else {
            self.put(Code::rex(true, 0, 0, to, false).then(low, 1));
            self.ops.put(value, 8);
        }
    }

    /// `lea to, [base + disp]`; a 32-bit result is not yet sign-extended.
    #[inline]
    pub fn lea_disp(&mut self, width: Width, to: u8, base: u8, disp: i32) {
        let code = Code::rex(width == Width::W64, to, 0, base, false).then(0x8d, 1);
        let (code, disp_len) = memory_operand(code, to, base, disp);
        self.ops.put(code.bytes | u64::from(disp as u32) << (8 * code.len), (code.len + disp_len) as usize);
    }

    /// `lea to, [base + index]`; a 32-bit result is not yet sign-extended.
    #[inline]
    pub fn lea_sum(&mut self, width: Width, to: u8, base: u8, index: u8) {
        // rbp and r13 as base need a displacement, rsp cannot be an index.
        let (base, index) = if base & 7 == 5 { (index, base) } else { (base, index) };
        let sib = u64::from((index & 7) << 3 | base & 7);
        let needs_disp = u8::from(base & 7 == 5);
        let modrm = u64::from(needs_disp << 6 | (to & 7) << 3 | 4);
        let code = Code::rex(width == Width::W64, to, index, base, false);
        self.put(code.then(0x8d | modrm << 8 | sib << 16, 3 + u32::from(needs_disp)));
    }

    /// An instruction on guest memory at `(base + disp) mod 2^32`, or at `disp mod 2^32` without base, followed by an
    /// immediate of `imm_len` bytes, at most 4. The address-size prefix makes the processor compute the address in 32 bits.
    #[inline]
    pub fn guest_operand(&mut self, form: GuestForm, reg: u8, base: Option<u8>, disp: i32, (imm, imm_len): (u32, u32)) {
        let GuestForm { prefixes, prefixes_len, opcode, opcode_len, wide, byte_reg } = form;
        let rex = Code::rex(wide, reg, 0, base.unwrap_or(0), byte_reg && needs_rex(reg));
        let prefixes = Code { bytes: prefixes.into(), len: prefixes_len.into() };
        let code = prefixes.then(rex.bytes, rex.len).then(opcode.into(), opcode_len.into());
        let (head, disp_len) = match base {
            Some(base) => memory_operand(code, reg, base, disp),
            None => (code.then(0x2504 | u64::from(reg & 7) << 3, 2), 4),
        };
        // At least four bytes, two prefixes, opcode and ModRM, and at most seven: REX and two bytes of opcode exclude 0x66.
        let tail = u64::from(disp as u32) & ((1 << (8 * disp_len)) - 1) | u64::from(imm) << (8 * disp_len);
        let low = head.bytes | tail << (8 * head.len);
        let high = tail >> (64 - 8 * head.len);
        self.ops.put_long(u128::from(low) | u128::from(high) << 64, (head.len + disp_len + imm_len) as usize);
    }
}

/// With ModRM, SIB where the base needs one; and the length of the shortest displacement.
#[inline]
fn memory_operand(code: Code, reg: u8, base: u8, disp: i32) -> (Code, u32) {
    let low = base & 7;
    let (mode, disp_len) = match disp {
        0 if low != 5 => (0x00, 0),
        -128..=127 => (0x40, 1),
        _ => (0x80, 4),
    };
    let needs_sib = low == 4;
    let sib = if needs_sib { 0x2400 } else { 0 };
    (code.then(u64::from(mode | (reg & 7) << 3 | low) | sib, 1 + u32::from(needs_sib)), disp_len)
}
