//! Comparisons: for branches, set-if and move-if.

use tvm_isa::{Format, Instruction, Op};

use crate::asm::{Assembler, Binary, BinaryImm, Condition, SCRATCH, Width, host};

/// Sets the flags to the comparison of `a` with `imm`, sign-extended.
#[inline]
fn compare_imm(asm: &mut Assembler, a: u8, imm: i32) {
    match imm {
        // Gives the same flags as comparing with zero.
        0 => asm.binary(Binary::Test, Width::W64, a, a),
        _ => asm.binary_imm(BinaryImm::Cmp, Width::W64, a, imm),
    }
}

/// The second operand of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A host register.
    Reg(u8),
    /// A sign-extended immediate.
    Imm(i32),
}

/// What must hold for a branch to be taken.
#[inline(always)]
pub fn branch_condition(op: Op) -> Condition {
    match op {
        Op::BranchEqImm | Op::BranchEq => Condition::Equal,
        Op::BranchNeImm | Op::BranchNe => Condition::NotEqual,
        Op::BranchLtUImm | Op::BranchLtU => Condition::Below,
        Op::BranchLeUImm => Condition::BelowOrEqual,
        Op::BranchGeUImm | Op::BranchGeU => Condition::AboveOrEqual,
        Op::BranchGtUImm => Condition::Above,
        Op::BranchLtSImm | Op::BranchLtS => Condition::Less,
        Op::BranchLeSImm => Condition::LessOrEqual,
        Op::BranchGeSImm | Op::BranchGeS => Condition::GreaterOrEqual,
        Op::BranchGtSImm => Condition::Greater,
        other => unreachable!("{} is no branch", other.name()),
    }
}

/// How a branch compares the one register with the other or a constant, the first on the left.
#[inline(always)]
pub fn branch_operands(instruction: &Instruction) -> (Condition, Operand) {
    let right = match instruction.op.info().format {
        Format::RegRegOffset => Operand::Reg(host(instruction.b)),
        _ => Operand::Imm(instruction.x as i32),
    };
    (branch_condition(instruction.op), right)
}

/// Sets the flags to the comparison of `a` with `b`.
#[inline]
pub fn compare(asm: &mut Assembler, a: u8, b: Operand) {
    match b {
        Operand::Reg(b) => asm.binary(Binary::Cmp, Width::W64, a, b),
        Operand::Imm(imm) => compare_imm(asm, a, imm),
    }
}

/// Sets the flags to the comparison of the lower halves of `a` and `b`.
pub fn compare_low(asm: &mut Assembler, a: u8, b: Operand) {
    match b {
        Operand::Reg(b) => asm.binary(Binary::Cmp, Width::W32, a, b),
        Operand::Imm(0) => asm.binary(Binary::Test, Width::W32, a, a),
        Operand::Imm(imm) => asm.binary_imm(BinaryImm::Cmp, Width::W32, a, imm),
    }
}

/// d ← (a condition b)
pub fn set(asm: &mut Assembler, condition: Condition, d: u8, a: u8, b: u8) {
    set_to(asm, condition, d, d == a || d == b, |asm| asm.binary(Binary::Cmp, Width::W64, a, b));
}

/// a ← (b condition imm)
pub fn set_imm(asm: &mut Assembler, condition: Condition, a: u8, b: u8, imm: i32) {
    set_to(asm, condition, a, a == b, |asm| compare_imm(asm, b, imm));
}

/// `to` ← whether the condition holds after what `compare` emits. `compared` says whether that looks at `to`.
#[inline]
pub fn set_to(asm: &mut Assembler, condition: Condition, to: u8, compared: bool, compare: impl FnOnce(&mut Assembler)) {
    // Clearing first is a dependency breaker and saves an extension; processors move registers without executing anything.
    let set = if compared { SCRATCH } else { to };
    asm.binary(Binary::Xor, Width::W32, set, set);
    compare(asm);
    asm.set_if(condition, set);
    if compared {
        asm.binary(Binary::Mov, Width::W32, to, set);
    }
}

/// d ← a if b is zero (or not zero), else unchanged
pub fn move_if(asm: &mut Assembler, when_zero: bool, d: u8, a: u8, b: u8) {
    if d == a {
        return;
    }
    asm.binary(Binary::Test, Width::W64, b, b);
    asm.move_if(zero_condition(when_zero), d, a);
}

/// a ← imm if b is zero (or not zero), else unchanged
pub fn move_imm_if(asm: &mut Assembler, when_zero: bool, a: u8, b: u8, imm: i32) {
    asm.load_constant(SCRATCH, i64::from(imm) as u64);
    asm.binary(Binary::Test, Width::W64, b, b);
    asm.move_if(zero_condition(when_zero), a, SCRATCH);
}

fn zero_condition(when_zero: bool) -> Condition {
    if when_zero { Condition::Equal } else { Condition::NotEqual }
}
