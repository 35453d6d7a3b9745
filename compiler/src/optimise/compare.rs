//! How branches compare what 32-bit operations computed.
//!
//! Where both sides are sign-extended 32-bit numbers, which this *assumes* where their instructions in the same region say so, lower halves are
//! compared: sign extension keeps the order of numbers, signed and unsigned, so that this *keeps* the result. What is gained is that the sign
//! extensions before it need not execute when nobody else looks at them ([`super::needs`]).
//!
//! Where that is known of one side only, and only the branch looks at its upper half, it is extended for the comparison, beside the register: the
//! next turn of a loop, which goes on with the lower half, need not wait for the extension.

use tvm_isa::{Format, Instruction, Reg};

use super::effects::{self, Demand};
use super::values::Values;
use super::{Form, Planned, Use, Uses};

/// How a branch compares.
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
}

/// Decides how the branch of a region compares, if an extension turns out to be needed for nothing else: see [`settle`].
pub fn narrow(plan: &mut [Planned], values: &Values) {
    let Some(index) = plan.len().checked_sub(1) else { return };
    let Planned { instruction: Instruction { op, a, b, .. }, form, .. } = plan[index];
    if form != Form::Plain || !effects::is_branch(op) {
        return;
    }
    let extended = |reg: Reg| {
        let writer = values.origin(values.held(reg, index)).writer();
        writer.is_some_and(|writer| effects::is_sign_extended(&plan[writer].instruction))
    };
    let both = op.info().format == Format::RegRegOffset;
    let has_extension = |reg: Reg| extension(plan, values, reg).is_some();
    let comparison = match (extended(a), !both || extended(b)) {
        (true, true) => Comparison::Low,
        _ if a == b => return,
        (true, false) if has_extension(a) => Comparison::ExtendLeft,
        (false, true) if both && has_extension(b) => Comparison::ExtendRight,
        _ => return,
    };
    let (of_a, of_b) = match comparison {
        Comparison::Low => (Demand::Low, Demand::Low),
        Comparison::ExtendLeft => (Demand::Low, Demand::Full),
        _ => (Demand::Full, Demand::Low),
    };
    let mut uses = Uses::default();
    for (reg, demand) in [(a, of_a)].into_iter().chain(both.then_some((b, of_b))) {
        uses.push(Use { reg, value: values.held(reg, index), demand });
    }
    plan[index].form = Form::Compare(comparison);
    plan[index].uses = uses;
}

/// Compares whole registers after all where the extension is there all the same, because somebody else looks at it.
pub fn settle(plan: &mut [Planned], values: &Values) {
    let Some(index) = plan.len().checked_sub(1) else { return };
    let Planned { instruction, form, .. } = plan[index];
    let reg = match form {
        Form::Compare(Comparison::ExtendLeft) => instruction.a,
        Form::Compare(Comparison::ExtendRight) => instruction.b,
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
