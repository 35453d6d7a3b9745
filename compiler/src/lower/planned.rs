//! Machine code that only the optimiser asks for: of instructions in other forms than their own.

use tvm_isa::{Format, Instruction, Op, Reg};

use super::compare::set_to;
use super::memory::{self, Access};
use super::operands::Operands as _;
use super::{Operand, alu, compare, compare_low, mul_div, shift};
use crate::asm::{Assembler, Binary, Condition, SCRATCH, Sum, Width, host};
use crate::optimise::{Address, Carry, Comparison, Extension, Operand as MemoryOperand, Product, Question, Side};

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

/// Emits an operation of 64 bits with an operand that is in the scratch register.
pub fn with_held(asm: &mut Assembler, instruction: &Instruction) {
    let to = host(instruction.d);
    match instruction.op {
        Op::Mul64 => asm.multiply(Width::W64, to, SCRATCH),
        op => asm.binary(binary(op), Width::W64, to, SCRATCH),
    }
}

/// The machine operation that computes in place what an operation on two registers does.
fn binary(op: Op) -> Binary {
    match op {
        Op::Add64 => Binary::Add,
        Op::Sub64 => Binary::Sub,
        Op::And => Binary::And,
        Op::Or => Binary::Or,
        Op::Xor => Binary::Xor,
        other => unreachable!("{} is not combined with another operation", other.name()),
    }
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
    alu::binary_low(asm, binary(instruction.op), d, a, b);
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
    compare(asm, host(carry.left), host_side(carry.right));
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

fn host_side(side: Side) -> Operand {
    match side {
        Side::Reg(reg) => Operand::Reg(host(reg)),
        Side::Imm(imm) => Operand::Imm(imm),
    }
}

/// Sets the flags to the answer of a question. Gives the condition under which it is yes.
pub fn ask(asm: &mut Assembler, question: &Question) -> Condition {
    let (left, right) = (host(question.left), host_side(question.right));
    match (question.comparison, right) {
        (Comparison::Low, _) => compare_low(asm, left, right),
        (Comparison::ExtendLeft, _) => {
            asm.move_sign_extended(SCRATCH, left);
            compare(asm, SCRATCH, right);
        }
        (Comparison::ExtendRight, Operand::Reg(right)) => {
            asm.move_sign_extended(SCRATCH, right);
            compare(asm, left, Operand::Reg(SCRATCH));
        }
        (Comparison::Common, Operand::Reg(right)) => asm.binary(Binary::Test, Width::W64, left, right),
        (Comparison::CommonLow, Operand::Reg(right)) => asm.binary(Binary::Test, Width::W32, left, right),
        (Comparison::Common, Operand::Imm(mask)) => asm.test_imm(Width::W64, left, mask),
        (Comparison::CommonLow, Operand::Imm(mask)) => asm.test_imm(Width::W32, left, mask),
        (Comparison::Whole | Comparison::ExtendRight, _) => compare(asm, left, right),
    }
    question.condition
}

/// Emits an instruction that is no branch and asks this.
pub fn answer(asm: &mut Assembler, instruction: &Instruction, question: &Question) {
    let Instruction { op, a, d, x, .. } = *instruction;
    match op {
        Op::CmovIz | Op::CmovNz if a == d => {}
        Op::CmovIz | Op::CmovNz => {
            let condition = ask(asm, question);
            asm.move_if(condition, host(d), host(a));
        }
        Op::CmovIzImm | Op::CmovNzImm => {
            asm.load_constant(SCRATCH, x);
            let condition = ask(asm, question);
            asm.move_if(condition, host(a), SCRATCH);
        }
        Op::Min | Op::MinU | Op::Max | Op::MaxU => {
            let (d, a, b) = instruction.reg_reg_reg();
            alu::select(asm, question.condition, Width::W32, d, a, b);
        }
        _ => {
            let to = if op.info().format == Format::RegRegReg { d } else { a };
            let compared = question.left == to || question.right == Side::Reg(to);
            set_to(asm, question.condition, host(to), compared, |asm| {
                ask(asm, question);
            });
        }
    }
}
