//! Machine code that only the optimiser asks for: of instructions in other forms than their own.

use tvm_isa::{Instruction, Op, Reg};

use super::memory::{self, Access};
use super::operands::Operands as _;
use super::{Operand, alu, compare, mul_div, shift};
use crate::asm::{Assembler, Binary, SCRATCH, Sum, Width, host};
use crate::optimise::{Address, Carry, CarrySide, Extension, Operand as MemoryOperand, Product};

/// Emits a guest memory access at an address made of other registers than the one the instruction names.
pub fn memory_access_at(
    asm: &mut Assembler,
    access: &Access,
    instruction: &Instruction,
    address: &Address,
) -> tvm_abi::TextOffset {
    memory::lower_at(asm, access, instruction, host_sum(address))
}

fn host_sum(address: &Address) -> Sum {
    let Address { base, index, disp } = *address;
    Sum { base: base.map(host), index: index.map(|(reg, scale)| (host(reg), scale)), disp }
}

/// Emits an operation with an operand in guest memory. Gives the offset of the machine instruction that may fault.
pub fn with_operand(asm: &mut Assembler, instruction: &Instruction, operand: &MemoryOperand) -> tvm_abi::TextOffset {
    let MemoryOperand { ref address, wide, extended, .. } = *operand;
    let to = host(instruction.d);
    let site = asm.here();
    asm.guest_operand_at(memory::operation(instruction.op, wide), to, host_sum(address));
    if extended {
        asm.sign_extend_32(to);
    }
    site
}

/// Emits what an instruction does for the unsigned product of its operands.
pub fn product(asm: &mut Assembler, instruction: &Instruction, product: &Product) {
    let (d, a, b) = instruction.reg_reg_reg();
    match *product {
        Product::Both { low, high } => mul_div::product(asm, host(low), host(high), a, b),
        Product::OwnHalf(half) => mul_div::half_of_product(asm, half, d, a, b),
        Product::OtherHalf => asm.move_reg(d, SCRATCH),
    }
}

/// Emits a bitwise operation on lower halves and sign-extends the result.
pub fn late(asm: &mut Assembler, instruction: &Instruction) {
    let (d, a, b) = instruction.reg_reg_reg();
    let op = match instruction.op {
        Op::And => Binary::And,
        Op::Or => Binary::Or,
        Op::Xor => Binary::Xor,
        other => unreachable!("{} is not bitwise", other.name()),
    };
    alu::binary_low(asm, op, d, a, b);
}

/// Emits a 64-bit sum with a scaled register.
pub fn sum(asm: &mut Assembler, to: Reg, address: &Address) {
    let Address { base, index, disp } = *address;
    if let Some((index, scale)) = index {
        asm.lea_scaled(host(to), base.map(host), host(index), scale, disp);
    } else if let Some(base) = base {
        asm.lea_disp(Width::W64, host(to), host(base), disp);
    }
}

/// Emits the addition or subtraction of a carry.
pub fn carry(asm: &mut Assembler, to: Reg, carry: &Carry) {
    let right = match carry.right {
        CarrySide::Reg(reg) => Operand::Reg(host(reg)),
        CarrySide::Imm(imm) => Operand::Imm(imm),
    };
    compare(asm, host(carry.left), right);
    add_carry(asm, to, carry);
}

/// Emits an addition or subtraction, and that of its carry.
pub fn carrying(asm: &mut Assembler, instruction: &Instruction, to: Reg, carry: &Carry) {
    let (d, a, b) = instruction.reg_reg_reg();
    match instruction.op {
        Op::Add64 => alu::binary(asm, Binary::Add, d, a, b),
        Op::Sub64 => alu::sub(asm, Width::W64, d, a, b),
        other => unreachable!("{} has no carry", other.name()),
    }
    add_carry(asm, to, carry);
}

fn add_carry(asm: &mut Assembler, to: Reg, carry: &Carry) {
    let width = if carry.word { Width::W32 } else { Width::W64 };
    alu::add_carry(asm, width, host(to), host(carry.from), carry.subtract);
}

/// Emits the extension of a lower half to 64 bits, and a shift after it.
pub fn extension(asm: &mut Assembler, to: Reg, extension: Extension) {
    shift::extension(asm, host(to), host(extension.source), extension.signed, extension.left);
}
