//! Loads and stores.
//!
//! Each is one machine instruction on guest memory, `gs:[r32 + disp]`: the processor computes the address modulo 2^32
//! as the Gray Paper does, and faults where a page does not allow the access, with nothing changed.

use tvm_abi::TextOffset;
use tvm_isa::{Encoded, Instruction, Op, Reg};

use crate::asm::{Assembler, GuestForm, Sum, host, host_of_field};

/// Bytes of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Size {
    U8,
    U16,
    U32,
    U64,
}

/// What is transferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// Memory to register A, zero-extended.
    Load,
    /// Memory to register A, sign-extended.
    LoadSigned,
    /// Register A to memory.
    Store,
    /// The last immediate to memory.
    StoreImm,
}

/// Where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address {
    /// The first immediate.
    Absolute,
    /// Register A plus the first immediate.
    BaseA,
    /// Register B plus the first immediate.
    BaseB,
}

/// A guest memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    form: GuestForm,
    address: Address,
    /// Bytes of the immediate that is stored; none if a register is.
    imm_len: u8,
    /// All ones if register A is transferred, else zero.
    reg_mask: u8,
    /// Whether register A is stored.
    stores_register: bool,
}

/// The access an operation makes, if it makes one.
#[rustfmt::skip]
pub const fn access(op: Op) -> Option<Access> {
    use Address::{Absolute, BaseA, BaseB};
    use Size::{U8, U16, U32, U64};
    use Transfer::{Load, LoadSigned, Store, StoreImm};
    let (transfer, size, address) = match op {
        Op::StoreImmU8     => (StoreImm, U8, Absolute),
        Op::StoreImmU16    => (StoreImm, U16, Absolute),
        Op::StoreImmU32    => (StoreImm, U32, Absolute),
        Op::StoreImmU64    => (StoreImm, U64, Absolute),
        Op::LoadU8         => (Load, U8, Absolute),
        Op::LoadI8         => (LoadSigned, U8, Absolute),
        Op::LoadU16        => (Load, U16, Absolute),
        Op::LoadI16        => (LoadSigned, U16, Absolute),
        Op::LoadU32        => (Load, U32, Absolute),
        Op::LoadI32        => (LoadSigned, U32, Absolute),
        Op::LoadU64        => (Load, U64, Absolute),
        Op::StoreU8        => (Store, U8, Absolute),
        Op::StoreU16       => (Store, U16, Absolute),
        Op::StoreU32       => (Store, U32, Absolute),
        Op::StoreU64       => (Store, U64, Absolute),
        Op::StoreImmIndU8  => (StoreImm, U8, BaseA),
        Op::StoreImmIndU16 => (StoreImm, U16, BaseA),
        Op::StoreImmIndU32 => (StoreImm, U32, BaseA),
        Op::StoreImmIndU64 => (StoreImm, U64, BaseA),
        Op::StoreIndU8     => (Store, U8, BaseB),
        Op::StoreIndU16    => (Store, U16, BaseB),
        Op::StoreIndU32    => (Store, U32, BaseB),
        Op::StoreIndU64    => (Store, U64, BaseB),
        Op::LoadIndU8      => (Load, U8, BaseB),
        Op::LoadIndI8      => (LoadSigned, U8, BaseB),
        Op::LoadIndU16     => (Load, U16, BaseB),
        Op::LoadIndI16     => (LoadSigned, U16, BaseB),
        Op::LoadIndU32     => (Load, U32, BaseB),
        Op::LoadIndI32     => (LoadSigned, U32, BaseB),
        Op::LoadIndU64     => (Load, U64, BaseB),
        _ => return None,
    };
    let (imm_len, reg_mask) = match (transfer, size) {
        (StoreImm, U8)  => (1, 0),
        (StoreImm, U16) => (2, 0),
        (StoreImm, _)   => (4, 0), // Sign-extended to 64 bits by the machine instruction.
        _               => (0, u8::MAX),
    };
    let stores_register = matches!(transfer, Store);
    Some(Access { form: form(transfer, size), address, imm_len, reg_mask, stores_register })
}

impl Access {
    /// Whether it is of the commonest form: between register A and memory at register B plus an immediate.
    pub const fn is_common(&self) -> bool {
        matches!(self.address, Address::BaseB)
    }

    /// The register that the address is counted from.
    pub fn base(&self, instruction: &Instruction) -> Option<Reg> {
        match self.address {
            Address::BaseA => Some(instruction.a),
            Address::BaseB => Some(instruction.b),
            Address::Absolute => None,
        }
    }

    /// The register whose contents are stored.
    pub fn data(&self, instruction: &Instruction) -> Option<Reg> {
        self.stores_register.then_some(instruction.a)
    }

    /// Emits what follows the operands of the machine instruction.
    #[inline]
    fn put_immediate(&self, asm: &mut Assembler, instruction: &Instruction) {
        if self.imm_len != 0 {
            asm.ops.put(instruction.y, self.imm_len.into());
        }
    }
}

/// Emits the access at another address than the instruction's own.
pub fn lower_at(asm: &mut Assembler, access: &Access, instruction: &Instruction, at: Sum) -> TextOffset {
    let site = asm.here();
    asm.guest_operand_at(access.form, host(instruction.a) & access.reg_mask, at);
    access.put_immediate(asm, instruction);
    site
}

/// Emits an access of the commonest form ([`Access::is_common`]) as it is encoded.
#[inline(always)]
pub fn lower_encoded(asm: &mut Assembler, access: &Access, encoded: Encoded<'_>) -> TextOffset {
    let (a, b) = (host_of_field(encoded.low()), host_of_field(encoded.high()));
    let site = asm.here();
    asm.guest_operand(access.form, a, Some(b), encoded.immediate() as i32);
    site
}

/// Emits the access; gives the offset of the machine instruction that may fault.
#[inline]
pub fn lower(asm: &mut Assembler, access: &Access, instruction: &Instruction) -> TextOffset {
    let Access { form, address, reg_mask, .. } = *access;
    let base = match address {
        Address::BaseA => Some(host(instruction.a)),
        Address::BaseB => Some(host(instruction.b)),
        Address::Absolute => None,
    };
    let site = asm.here();
    asm.guest_operand(form, host(instruction.a) & reg_mask, base, instruction.x as i32);
    access.put_immediate(asm, instruction);
    site
}

/// The machine instruction of an operation with an operand in guest memory.
pub const fn operation(op: Op, wide: bool) -> GuestForm {
    let opcode = match op {
        Op::Add64 | Op::Add32 => 0x03,
        Op::Or => 0x0b,
        Op::And => 0x23,
        Op::Sub64 | Op::Sub32 => 0x2b,
        Op::Xor => 0x33,
        Op::Mul64 | Op::Mul32 if wide => return GuestForm::wide_0f(0xaf),
        Op::Mul64 | Op::Mul32 => return GuestForm::plain_0f(0xaf),
        _ => panic!("no operation that takes an operand from memory"),
    };
    if wide { GuestForm::wide(opcode) } else { GuestForm::plain(opcode) }
}

/// The machine instruction of a transfer.
const fn form(transfer: Transfer, size: Size) -> GuestForm {
    match (transfer, size) {
        (Transfer::Load, Size::U8) => GuestForm::plain_0f(0xb6),
        (Transfer::Load, Size::U16) => GuestForm::plain_0f(0xb7),
        (Transfer::Load, Size::U32) => GuestForm::plain(0x8b),
        (Transfer::Load, Size::U64) => GuestForm::wide(0x8b),
        (Transfer::LoadSigned, Size::U8) => GuestForm::wide_0f(0xbe),
        (Transfer::LoadSigned, Size::U16) => GuestForm::wide_0f(0xbf),
        (Transfer::LoadSigned, Size::U32 | Size::U64) => GuestForm::wide(0x63),
        (Transfer::Store, Size::U8) => GuestForm::byte_reg(0x88),
        (Transfer::Store, Size::U16) => GuestForm::word(0x89),
        (Transfer::Store, Size::U32) => GuestForm::plain(0x89),
        (Transfer::Store, Size::U64) => GuestForm::wide(0x89),
        (Transfer::StoreImm, Size::U8) => GuestForm::plain(0xc6),
        (Transfer::StoreImm, Size::U16) => GuestForm::word(0xc7),
        (Transfer::StoreImm, Size::U32) => GuestForm::plain(0xc7),
        (Transfer::StoreImm, Size::U64) => GuestForm::wide(0xc7),
    }
}
