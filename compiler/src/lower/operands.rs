//! Operands of instructions, taken apart or as they are encoded.

use tvm_isa::{Encoded, Instruction};

use crate::asm::{host, host_of_field};

/// Operands of an instruction, as host registers and immediates, by format.
pub trait Operands {
    /// [`Format::RegImm`](tvm_isa::Format::RegImm)
    fn reg_imm(&self) -> (u8, u64);
    /// [`Format::RegImm64`](tvm_isa::Format::RegImm64)
    fn reg_imm_64(&self) -> (u8, u64);
    /// [`Format::RegReg`](tvm_isa::Format::RegReg): the destination first.
    fn reg_reg(&self) -> (u8, u8);
    /// [`Format::RegRegImm`](tvm_isa::Format::RegRegImm)
    fn reg_reg_imm(&self) -> (u8, u8, i32);
    /// [`Format::RegRegReg`](tvm_isa::Format::RegRegReg): the destination first.
    fn reg_reg_reg(&self) -> (u8, u8, u8);
}

impl Operands for Instruction {
    #[inline]
    fn reg_imm(&self) -> (u8, u64) {
        (host(self.a), self.x)
    }

    #[inline]
    fn reg_imm_64(&self) -> (u8, u64) {
        (host(self.a), self.x)
    }

    #[inline]
    fn reg_reg(&self) -> (u8, u8) {
        (host(self.d), host(self.a))
    }

    #[inline]
    fn reg_reg_imm(&self) -> (u8, u8, i32) {
        (host(self.a), host(self.b), self.x as i32)
    }

    #[inline]
    fn reg_reg_reg(&self) -> (u8, u8, u8) {
        (host(self.d), host(self.a), host(self.b))
    }
}

impl<O: Operands> Operands for &O {
    #[inline]
    fn reg_imm(&self) -> (u8, u64) {
        O::reg_imm(self)
    }

    #[inline]
    fn reg_imm_64(&self) -> (u8, u64) {
        O::reg_imm_64(self)
    }

    #[inline]
    fn reg_reg(&self) -> (u8, u8) {
        O::reg_reg(self)
    }

    #[inline]
    fn reg_reg_imm(&self) -> (u8, u8, i32) {
        O::reg_reg_imm(self)
    }

    #[inline]
    fn reg_reg_reg(&self) -> (u8, u8, u8) {
        O::reg_reg_reg(self)
    }
}

impl Operands for Encoded<'_> {
    #[inline(always)]
    fn reg_imm(&self) -> (u8, u64) {
        (host_of_field(self.low()), self.immediate())
    }

    #[inline(always)]
    fn reg_imm_64(&self) -> (u8, u64) {
        (host_of_field(self.low()), self.immediate_64())
    }

    #[inline(always)]
    fn reg_reg(&self) -> (u8, u8) {
        (host_of_field(self.low()), host_of_field(self.high()))
    }

    #[inline(always)]
    fn reg_reg_imm(&self) -> (u8, u8, i32) {
        (host_of_field(self.low()), host_of_field(self.high()), self.immediate() as i32)
    }

    #[inline(always)]
    fn reg_reg_reg(&self) -> (u8, u8, u8) {
        (host_of_field(self.next()), host_of_field(self.low()), host_of_field(self.high()))
    }
}
