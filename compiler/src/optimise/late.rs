//! Sign extension after bitwise operations instead of before.
//!
//! Hash functions combine rotated words with `xor`. Each 32-bit rotation ends with a sign extension, and so do none of the 64-bit
//! operations after it, which need none: sign-extended operands give a sign-extended result. *Assumes* that both operands
//! are sign-extended, which their instructions in the same region say. *Keeps* the result: it is computed from the lower halves and
//! extended itself. Done where more than one extension before it is not needed then.

use tvm_isa::{Instruction, Op};

use super::Planned;
use super::effects::{self, Demand};
use super::values::{Value, Values};

/// Bitwise operations from a result down to the extensions that are saved.
pub(super) const MAX_DEPTH: usize = 3;

/// Whether extending the result of instruction `index` saves more than it costs. `wanted` says how much is looked at of a value apart
/// from that.
pub fn gains(plan: &[Planned], values: &Values, index: usize, wanted: impl Fn(Value) -> Option<Demand> + Copy) -> bool {
    let Planned { instruction, form, .. } = &plan[index];
    let is_open = form.is_plain() && is_bitwise(instruction.op);
    is_open && saved_by_operands(plan, values, index, wanted, MAX_DEPTH).is_some_and(|saved| saved > 1)
}

fn is_bitwise(op: Op) -> bool {
    matches!(op, Op::And | Op::Or | Op::Xor)
}

/// Extensions that are not needed when instruction `index` looks at lower halves. `None` if its operands are not known to be extended.
fn saved_by_operands(
    plan: &[Planned],
    values: &Values,
    index: usize,
    wanted: impl Fn(Value) -> Option<Demand> + Copy,
    depth: usize,
) -> Option<usize> {
    let Instruction { a, b, .. } = plan[index].instruction;
    let saved = |reg| saved_by(plan, values, values.held(reg, index), wanted, depth);
    Some(saved(a)? + saved(b)?)
}

/// The same when nobody looks at the upper half of `value`.
fn saved_by(
    plan: &[Planned],
    values: &Values,
    value: Value,
    wanted: impl Fn(Value) -> Option<Demand> + Copy,
    depth: usize,
) -> Option<usize> {
    let writer = value.writer()?;
    let Planned { instruction, form, .. } = &plan[writer];
    let saved = if effects::is_sign_extended(instruction) {
        usize::from(form.is_plain() && extends(instruction))
    } else if is_bitwise(instruction.op) && depth > 0 {
        saved_by_operands(plan, values, writer, wanted, depth - 1)?
    } else {
        return None;
    };
    Some(if wanted(value) == Some(Demand::Full) { 0 } else { saved })
}

/// Whether the operation ends with a sign extension of its own.
fn extends(instruction: &Instruction) -> bool {
    let Instruction { op, x, .. } = *instruction;
    let leaves_no_sign = op == Op::ShloRImm32 && x % 32 != 0;
    effects::can_be_narrow(op) && !leaves_no_sign
}
