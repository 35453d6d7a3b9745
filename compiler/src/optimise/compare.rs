//! How what 32-bit operations computed is compared.
//!
//! Where both sides are sign-extended 32-bit numbers, which this *assumes* where their instructions in the same region say so, lower halves are
//! compared: sign extension keeps the order of numbers, signed and unsigned, so that this *keeps* the result. What is gained is that the sign
//! extensions before it need not execute when nobody else looks at them ([`super::needs`]).
//!
//! Where that is known of one side only, and only the branch looks at its upper half, it is extended for the comparison, beside the register: the
//! next turn of a loop, which goes on with the lower half, need not wait for the extension.

use tvm_isa::{Instruction, Op, Reg};

use super::effects::{self, Demand};
use super::question::{Asked, Right, Side};
use super::values::{Value, Values};
use super::{Form, Planned, Uses};

/// Bitwise operations and choices from a value down to what is sign-extended by itself.
pub(super) const MAX_DEPTH: usize = 3;

/// How two numbers are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// Both sides as they are.
    Whole,
    /// Their lower halves.
    Low,
    /// The left side sign-extended from its lower half.
    ExtendLeft,
    /// The right side sign-extended from its lower half.
    ExtendRight,
    /// The bits that they have in common, with zero.
    Common,
    /// The same of their lower halves.
    CommonLow,
}

impl Comparison {
    /// How much of the sides is looked at.
    pub(super) fn demands(self) -> (Demand, Demand) {
        match self {
            Self::Low | Self::CommonLow => (Demand::Low, Demand::Low),
            Self::ExtendLeft => (Demand::Low, Demand::Full),
            Self::ExtendRight => (Demand::Full, Demand::Low),
            Self::Whole | Self::Common => (Demand::Full, Demand::Full),
        }
    }
}

/// How two values are compared best.
pub(super) fn between(plan: &[Planned], values: &Values, asked: &Asked) -> Comparison {
    let extended = |value| is_extended(plan, values, value, MAX_DEPTH);
    let low = match asked.right {
        Right::Imm(mask) if asked.common && mask >= 0 => true,
        Right::Imm(_) => extended(asked.left),
        Right::Value(right) => extended(asked.left) && extended(right),
    };
    match (asked.common, low) {
        (false, false) => Comparison::Whole,
        (false, true) => Comparison::Low,
        (true, false) => Comparison::Common,
        (true, true) => Comparison::CommonLow,
    }
}

/// How instruction `index` compares what it asks itself, if not as a whole: a branch perhaps with an extension that turns out to be needed
/// for nothing else, see [`settle`].
pub(super) fn own(plan: &[Planned], values: &Values, index: usize, asked: &Asked) -> Option<Comparison> {
    if between(plan, values, asked) == Comparison::Low {
        return Some(Comparison::Low);
    }
    let Instruction { op, a, b, .. } = plan[index].instruction;
    if !effects::is_branch(op) {
        return None;
    }
    let extended = |value| is_extended(plan, values, value, MAX_DEPTH);
    let has_extension = |reg: Reg| extension(plan, values, reg).is_some();
    match asked.right {
        _ if a == b => None,
        Right::Value(right) if extended(right) && has_extension(b) => Some(Comparison::ExtendRight),
        Right::Value(_) if extended(asked.left) && has_extension(a) => Some(Comparison::ExtendLeft),
        _ => None,
    }
}

/// Whether a value is the sign extension of its lower half.
fn is_extended(plan: &[Planned], values: &Values, value: Value, depth: usize) -> bool {
    let Some(writer) = values.origin(value).writer() else { return false };
    let Instruction { op, a, b, d, .. } = plan[writer].instruction;
    let are_extended = |regs: &[Reg]| {
        depth > 0 && regs.iter().all(|&reg| is_extended(plan, values, values.held(reg, writer), depth - 1))
    };
    effects::is_sign_extended(&plan[writer].instruction)
        || match op {
            Op::And | Op::Or | Op::Xor | Op::Min | Op::MinU | Op::Max | Op::MaxU => are_extended(&[a, b]),
            Op::AndImm | Op::OrImm | Op::XorImm => are_extended(&[b]),
            Op::CmovIz | Op::CmovNz => are_extended(&[a, d]),
            Op::CmovIzImm | Op::CmovNzImm => are_extended(&[a]),
            _ => false,
        }
}

/// Compares whole registers after all where the extension is there all the same, because somebody else looks at it.
pub fn settle(plan: &mut [Planned], values: &Values) {
    let Some(index) = plan.len().checked_sub(1) else { return };
    let Planned { instruction, form: Form::Ask(question), .. } = plan[index] else { return };
    let reg = match (question.comparison, question.right) {
        (Comparison::ExtendLeft, _) => question.left,
        (Comparison::ExtendRight, Side::Reg(right)) => right,
        _ => return,
    };
    if extension(plan, values, reg).is_none_or(|writer| plan[writer].form != Form::Narrow) {
        plan[index].form = Form::Plain;
        plan[index].uses = Uses::of(&instruction, values, index);
    }
}

/// The operation that wrote what the region's last instruction finds in `reg`, if it ends with a sign extension.
fn extension(plan: &[Planned], values: &Values, reg: Reg) -> Option<usize> {
    let writer = values.held(reg, plan.len() - 1).writer()?;
    effects::can_be_narrow(plan[writer].instruction.op).then_some(writer)
}
