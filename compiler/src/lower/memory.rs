//! Loads and stores.
//!
//! Each is one machine instruction on guest memory, `gs:[r32 + disp]`: the processor computes the address modulo 2^32
//! as the Gray Paper does, and faults where a page does not allow the access, with nothing changed.

use dynasmrt::DynasmApi;
use tvm_abi::TextOffset;
use tvm_isa::{Instruction, Op};

use crate::asm::{Assembler, GuestForm, host};

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

/// Emits the access; gives the offset of the machine instruction that may fault.
pub fn lower(asm: &mut Assembler, access: Access, instruction: &Instruction) -> TextOffset {
    let Access { transfer, size, address } = access;
    let (base, disp) = match address {
        Address::BaseA => (Some(host(instruction.a)), instruction.x as i32),
        Address::BaseB => (Some(host(instruction.b)), instruction.x as i32),
        Address::Absolute => (None, instruction.x as i32),
    };
    let site = asm.here();
    let a = host(instruction.a);
    match transfer {
        Transfer::Load => match size {
            Size::U8 => asm.guest_operand(GuestForm::Plain, &[0x0f, 0xb6], a, base, disp),
            Size::U16 => asm.guest_operand(GuestForm::Plain, &[0x0f, 0xb7], a, base, disp),
            Size::U32 => asm.guest_operand(GuestForm::Plain, &[0x8b], a, base, disp),
            Size::U64 => asm.guest_operand(GuestForm::Wide, &[0x8b], a, base, disp),
        },
        Transfer::LoadSigned => match size {
            Size::U8 => asm.guest_operand(GuestForm::Wide, &[0x0f, 0xbe], a, base, disp),
            Size::U16 => asm.guest_operand(GuestForm::Wide, &[0x0f, 0xbf], a, base, disp),
            Size::U32 | Size::U64 => asm.guest_operand(GuestForm::Wide, &[0x63], a, base, disp),
        },
        Transfer::Store => match size {
            Size::U8 => asm.guest_operand(GuestForm::ByteReg, &[0x88], a, base, disp),
            Size::U16 => asm.guest_operand(GuestForm::Word, &[0x89], a, base, disp),
            Size::U32 => asm.guest_operand(GuestForm::Plain, &[0x89], a, base, disp),
            Size::U64 => asm.guest_operand(GuestForm::Wide, &[0x89], a, base, disp),
        },
        Transfer::StoreImm => store_imm(asm, size, instruction.y as i32, base, disp),
    }
    site
}

/// Stores the low bytes of `value`, sign-extended to `size`.
fn store_imm(asm: &mut Assembler, size: Size, value: i32, base: Option<u8>, disp: i32) {
    match size {
        Size::U8 => {
            asm.guest_operand(GuestForm::Plain, &[0xc6], 0, base, disp);
            asm.ops.push(value as u8);
        }
        Size::U16 => {
            asm.guest_operand(GuestForm::Word, &[0xc7], 0, base, disp);
            asm.ops.extend((value as u16).to_le_bytes());
        }
        Size::U32 | Size::U64 => {
            let form = if size == Size::U64 { GuestForm::Wide } else { GuestForm::Plain };
            asm.guest_operand(form, &[0xc7], 0, base, disp);
            asm.ops.extend(value.to_le_bytes());
        }
    }
}
