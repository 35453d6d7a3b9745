//! Comparisons of lower halves.
//!
//! *Assumes* that both sides are sign-extended 32-bit numbers, which their instructions in the same region say. Sign extension keeps the
//! order of numbers, signed and unsigned, so comparing the lower halves *keeps* the result. What is gained is that the sign extensions
//! before it need not execute when nobody else looks at them ([`super::needs`]).

use tvm_isa::{Format, Instruction, Reg};

use super::effects::{self, Demand};
use super::values::Values;
use super::{Form, Planned, Use, Uses};

/// Narrows the branches of a region.
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
    if !extended(a) || both && !extended(b) {
        return;
    }
    let mut uses = Uses::default();
    for reg in [a].into_iter().chain(both.then_some(b)) {
        uses.push(Use { reg, value: values.held(reg, index), demand: Demand::Low });
    }
    plan[index].form = Form::CompareLow;
    plan[index].uses = uses;
}
