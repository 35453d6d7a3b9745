//! Comparisons: conditions for branches, set-if and move-if.

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::asm::{Assembler, SCRATCH, emit};

/// A relation between two compared numbers, as x86 names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "x86's own names")]
pub enum Condition {
    Equal,
    NotEqual,
    Below,
    BelowOrEqual,
    AboveOrEqual,
    Above,
    Less,
    LessOrEqual,
    GreaterOrEqual,
    Greater,
}

/// Sets the flags to the comparison of `a` with `imm`, sign-extended.
fn compare_imm(asm: &mut Assembler, a: u8, imm: i32) {
    match imm {
        // Gives the same flags as comparing with zero.
        0 => emit!(asm; test Rq(a), Rq(a)),
        -128..=127 => asm.compare_imm8(a, imm as i8),
        _ => emit!(asm; cmp Rq(a), DWORD imm),
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

/// Sets the flags to the comparison of `a` with `b`.
pub fn compare(asm: &mut Assembler, a: u8, b: Operand) {
    match b {
        Operand::Reg(b) => emit!(asm; cmp Rq(a), Rq(b)),
        Operand::Imm(imm) => compare_imm(asm, a, imm),
    }
}

impl Condition {
    /// `jcc label` in its long form.
    pub fn jump(self, asm: &mut Assembler, label: DynamicLabel) {
        match self {
            Self::Equal => emit!(asm; je =>label),
            Self::NotEqual => emit!(asm; jne =>label),
            Self::Below => emit!(asm; jb =>label),
            Self::BelowOrEqual => emit!(asm; jbe =>label),
            Self::AboveOrEqual => emit!(asm; jae =>label),
            Self::Above => emit!(asm; ja =>label),
            Self::Less => emit!(asm; jl =>label),
            Self::LessOrEqual => emit!(asm; jle =>label),
            Self::GreaterOrEqual => emit!(asm; jge =>label),
            Self::Greater => emit!(asm; jg =>label),
        }
    }

    /// `jcc label` in its short form; the label must be less than 128 bytes away.
    pub fn jump_short(self, asm: &mut Assembler, label: DynamicLabel) {
        match self {
            Self::Equal => emit!(asm; je BYTE =>label),
            Self::NotEqual => emit!(asm; jne BYTE =>label),
            Self::Below => emit!(asm; jb BYTE =>label),
            Self::BelowOrEqual => emit!(asm; jbe BYTE =>label),
            Self::AboveOrEqual => emit!(asm; jae BYTE =>label),
            Self::Above => emit!(asm; ja BYTE =>label),
            Self::Less => emit!(asm; jl BYTE =>label),
            Self::LessOrEqual => emit!(asm; jle BYTE =>label),
            Self::GreaterOrEqual => emit!(asm; jge BYTE =>label),
            Self::Greater => emit!(asm; jg BYTE =>label),
        }
    }

    /// `cmovcc to, from`
    pub fn move_if(self, asm: &mut Assembler, to: u8, from: u8) {
        match self {
            Self::Equal => emit!(asm; cmove Rq(to), Rq(from)),
            Self::NotEqual => emit!(asm; cmovne Rq(to), Rq(from)),
            Self::Below => emit!(asm; cmovb Rq(to), Rq(from)),
            Self::BelowOrEqual => emit!(asm; cmovbe Rq(to), Rq(from)),
            Self::AboveOrEqual => emit!(asm; cmovae Rq(to), Rq(from)),
            Self::Above => emit!(asm; cmova Rq(to), Rq(from)),
            Self::Less => emit!(asm; cmovl Rq(to), Rq(from)),
            Self::LessOrEqual => emit!(asm; cmovle Rq(to), Rq(from)),
            Self::GreaterOrEqual => emit!(asm; cmovge Rq(to), Rq(from)),
            Self::Greater => emit!(asm; cmovg Rq(to), Rq(from)),
        }
    }

    /// `setcc` of the low byte of `to`
    fn set(self, asm: &mut Assembler, to: u8) {
        match self {
            Self::Equal => emit!(asm; sete Rb(to)),
            Self::NotEqual => emit!(asm; setne Rb(to)),
            Self::Below => emit!(asm; setb Rb(to)),
            Self::BelowOrEqual => emit!(asm; setbe Rb(to)),
            Self::AboveOrEqual => emit!(asm; setae Rb(to)),
            Self::Above => emit!(asm; seta Rb(to)),
            Self::Less => emit!(asm; setl Rb(to)),
            Self::LessOrEqual => emit!(asm; setle Rb(to)),
            Self::GreaterOrEqual => emit!(asm; setge Rb(to)),
            Self::Greater => emit!(asm; setg Rb(to)),
        }
    }
}

/// d ← (a condition b)
pub fn set(asm: &mut Assembler, condition: Condition, d: u8, a: u8, b: u8) {
    if d == a || d == b {
        emit!(asm; cmp Rq(a), Rq(b));
        condition.set(asm, d);
        emit!(asm; movzx Rd(d), Rb(d));
    } else {
        // Clearing first is a dependency breaker and saves the extension.
        emit!(asm; xor Rd(d), Rd(d); cmp Rq(a), Rq(b));
        condition.set(asm, d);
    }
}

/// a ← (b condition imm)
pub fn set_imm(asm: &mut Assembler, condition: Condition, a: u8, b: u8, imm: i32) {
    if a == b {
        compare_imm(asm, b, imm);
        condition.set(asm, a);
        emit!(asm; movzx Rd(a), Rb(a));
    } else {
        emit!(asm; xor Rd(a), Rd(a));
        compare_imm(asm, b, imm);
        condition.set(asm, a);
    }
}

/// d ← a if b is zero (or not zero), else unchanged
pub fn move_if(asm: &mut Assembler, when_zero: bool, d: u8, a: u8, b: u8) {
    if d == a {
        return;
    }
    emit!(asm; test Rq(b), Rq(b));
    zero_condition(when_zero).move_if(asm, d, a);
}

/// a ← imm if b is zero (or not zero), else unchanged
pub fn move_imm_if(asm: &mut Assembler, when_zero: bool, a: u8, b: u8, imm: i32) {
    asm.load_constant(SCRATCH, i64::from(imm) as u64);
    emit!(asm; test Rq(b), Rq(b));
    zero_condition(when_zero).move_if(asm, a, SCRATCH);
}

fn zero_condition(when_zero: bool) -> Condition {
    if when_zero { Condition::Equal } else { Condition::NotEqual }
}
