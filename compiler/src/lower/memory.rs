//! Loads and stores.
//!
//! Each is one machine instruction on guest memory, `gs:[r32 + disp]`: the processor computes the address modulo 2^32
//! as the Gray Paper does, and faults where a page does not allow the access, with nothing changed.

use tvm_abi::TextOffset;
use tvm_isa::{Instruction, Op, Reg};

use crate::asm::{Assembler, GuestForm, Sum, host};

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
    transfer: Transfer,
    size: Size,
    address: Address,
}

/// The access an operation makes, if it makes one.
#[rustfmt::skip]
pub fn access(op: Op) -> Option<Access> {
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
    Some(Access { transfer, size, address })
}

impl Access {
    /// The register that the address is counted from.
    pub fn base(self, instruction: &Instruction) -> Option<Reg> {
        match self.address {
            Address::BaseA => Some(instruction.a),
            Address::BaseB => Some(instruction.b),
            Address::Absolute => None,
        }
    }

    /// The register whose contents are stored.
    pub fn data(self, instruction: &Instruction) -> Option<Reg> {
        (self.transfer == Transfer::Store).then_some(instruction.a)
    }

    /// The register operand of the machine instruction, and the immediate with its length.
    fn operands(self, instruction: &Instruction) -> (u8, (u32, u32)) {
        match self.transfer {
            Transfer::StoreImm => (0, (instruction.y as u32, self.size.immediate_len())),
            _ => (host(instruction.a), (0, 0)),
        }
    }
}

/// Emits the access at another address than the instruction's own.
pub fn lower_at(asm: &mut Assembler, access: Access, instruction: &Instruction, at: Sum) -> TextOffset {
    let site = asm.here();
    let (reg, imm) = access.operands(instruction);
    asm.guest_operand_at(form(access.transfer, access.size), reg, at, imm);
    site
}

/// Emits the access; gives the offset of the machine instruction that may fault.
pub fn lower(asm: &mut Assembler, access: Access, instruction: &Instruction) -> TextOffset {
    let Access { transfer, size, address } = access;
    let (base, disp) = match address {
        Address::BaseA => (Some(host(instruction.a)), instruction.x as i32),
        Address::BaseB => (Some(host(instruction.b)), instruction.x as i32),
        Address::Absolute => (None, instruction.x as i32),
    };
    let site = asm.here();
    let (reg, imm) = access.operands(instruction);
    asm.guest_operand(form(transfer, size), reg, base, disp, imm);
    site
}

/// The machine instruction of a transfer.
fn form(transfer: Transfer, size: Size) -> GuestForm {
    match (transfer, size) {
        (Transfer::Load, Size::U8) => GuestForm::plain_0f(0xb6),
        (Transfer::Load, Size::U16) => GuestForm::plain_0f(0xb7),
        (Transfer::Load, Size::U32) => GuestForm::plain(0x8b),
        (Transfer::Load, Size::U64) => GuestForm::plain(0x8b).wide(),
        (Transfer::LoadSigned, Size::U8) => GuestForm::plain_0f(0xbe).wide(),
        (Transfer::LoadSigned, Size::U16) => GuestForm::plain_0f(0xbf).wide(),
        (Transfer::LoadSigned, Size::U32 | Size::U64) => GuestForm::plain(0x63).wide(),
        (Transfer::Store, Size::U8) => GuestForm::plain(0x88).byte_reg(),
        (Transfer::Store, Size::U16) => GuestForm::plain(0x89).word(),
        (Transfer::Store, Size::U32) => GuestForm::plain(0x89),
        (Transfer::Store, Size::U64) => GuestForm::plain(0x89).wide(),
        (Transfer::StoreImm, Size::U8) => GuestForm::plain(0xc6),
        (Transfer::StoreImm, Size::U16) => GuestForm::plain(0xc7).word(),
        (Transfer::StoreImm, Size::U32) => GuestForm::plain(0xc7),
        (Transfer::StoreImm, Size::U64) => GuestForm::plain(0xc7).wide(),
    }
}

impl Size {
    /// Bytes of the immediate that a store of this size has in machine code; 64 bits are sign-extended from 32.
    fn immediate_len(self) -> u32 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::U64 => 4,
        }
    }
}
