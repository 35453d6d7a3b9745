//! Every instruction that accesses memory, and what it should do.

use tvm_isa::Op;
use tvm_tests::assemble::Inst;

use super::rule::Rights;

/// An instruction that accesses memory.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub op: Op,
    /// Bytes.
    pub size: u32,
    /// What pages must allow.
    pub needs: Rights,
    kind: Kind,
    address: Address,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Load,
    LoadSigned,
    Store,
    StoreImm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Address {
    Absolute,
    Indirect,
}

/// The register that is loaded or stored.
const VALUE: usize = 7;
/// The register with the address.
const BASE: usize = 9;
/// The value that `store_imm` stores.
const IMMEDIATE: i64 = -0x1234_5678;

const fn access(op: Op, size: u32, kind: Kind, address: Address) -> Access {
    let needs = match kind {
        Kind::Load | Kind::LoadSigned => Rights::Read,
        Kind::Store | Kind::StoreImm => Rights::Write,
    };
    Access { op, size, needs, kind, address }
}

#[rustfmt::skip]
pub const ACCESSES: [Access; 30] = {
    use Address::{Absolute, Indirect};
    use Kind::{Load, LoadSigned, Store, StoreImm};
    [
        access(Op::StoreImmU8, 1, StoreImm, Absolute),
        access(Op::StoreImmU16, 2, StoreImm, Absolute),
        access(Op::StoreImmU32, 4, StoreImm, Absolute),
        access(Op::StoreImmU64, 8, StoreImm, Absolute),
        access(Op::LoadU8, 1, Load, Absolute),
        access(Op::LoadI8, 1, LoadSigned, Absolute),
        access(Op::LoadU16, 2, Load, Absolute),
        access(Op::LoadI16, 2, LoadSigned, Absolute),
        access(Op::LoadU32, 4, Load, Absolute),
        access(Op::LoadI32, 4, LoadSigned, Absolute),
        access(Op::LoadU64, 8, Load, Absolute),
        access(Op::StoreU8, 1, Store, Absolute),
        access(Op::StoreU16, 2, Store, Absolute),
        access(Op::StoreU32, 4, Store, Absolute),
        access(Op::StoreU64, 8, Store, Absolute),
        access(Op::StoreImmIndU8, 1, StoreImm, Indirect),
        access(Op::StoreImmIndU16, 2, StoreImm, Indirect),
        access(Op::StoreImmIndU32, 4, StoreImm, Indirect),
        access(Op::StoreImmIndU64, 8, StoreImm, Indirect),
        access(Op::StoreIndU8, 1, Store, Indirect),
        access(Op::StoreIndU16, 2, Store, Indirect),
        access(Op::StoreIndU32, 4, Store, Indirect),
        access(Op::StoreIndU64, 8, Store, Indirect),
        access(Op::LoadIndU8, 1, Load, Indirect),
        access(Op::LoadIndI8, 1, LoadSigned, Indirect),
        access(Op::LoadIndU16, 2, Load, Indirect),
        access(Op::LoadIndI16, 2, LoadSigned, Indirect),
        access(Op::LoadIndU32, 4, Load, Indirect),
        access(Op::LoadIndI32, 4, LoadSigned, Indirect),
        access(Op::LoadIndU64, 8, Load, Indirect),
    ]
};

impl Access {
    /// The instruction; `x` is the address, or what is added to the base.
    pub fn inst(&self, x: i64) -> Inst {
        let (value, base) = (VALUE as u8, BASE as u8);
        match (self.kind, self.address) {
            (Kind::StoreImm, Address::Absolute) => Inst { x, y: IMMEDIATE, ..Inst::new(self.op) },
            (Kind::StoreImm, Address::Indirect) => Inst { a: base, x, y: IMMEDIATE, ..Inst::new(self.op) },
            (_, Address::Absolute) => Inst::imm(self.op, value, x),
            (_, Address::Indirect) => Inst::two(self.op, value, base, x),
        }
    }

    /// The register with the address, if there is one.
    pub fn base(&self) -> Option<usize> {
        (self.address == Address::Indirect).then_some(BASE)
    }

    /// The register that is loaded, if one is.
    pub fn loads_to(&self) -> Option<usize> {
        matches!(self.kind, Kind::Load | Kind::LoadSigned).then_some(VALUE)
    }

    /// The value of these bytes.
    pub fn loaded(&self, bytes: &[u8]) -> u64 {
        let value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let sign = 1_u64 << (8 * self.size - 1);
        if self.kind == Kind::LoadSigned && value & sign != 0 { value | !(sign - 1) } else { value }
    }

    /// The bytes to be stored.
    pub fn stored(&self, regs: &[u64; 13]) -> Vec<u8> {
        let value = if self.kind == Kind::StoreImm { IMMEDIATE as u64 } else { regs[VALUE] };
        value.to_le_bytes()[..self.size as usize].to_vec()
    }
}
