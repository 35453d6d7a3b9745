//! Both halves of a product at once.
//!
//! RISC-V has one instruction for the lower half of a product and another for the upper one; x86 multiplies once for both. *Assumes* a
//! plan in which all else is decided, and that a fault ends execution unless registers must be exact. *Keeps* both results: they are
//! computed at the place of one of the two instructions, and nothing between reads or writes the one that moves there. Where something
//! does, mostly because compilers that are short of registers store one half before they compute the other in the same register, the
//! second half waits in the scratch register, which nothing between uses.

use tvm_isa::{Op, Reg};

use super::operand::{emitted_between, is_barrier, reads, writes};
use super::registers::RegSet;
use super::values::Values;
use super::{Duties, Form, Planned, Uses};
use crate::lower;

/// Most instructions from one half of a product to the other.
pub(super) const MAX_DISTANCE: usize = 12;

/// What an instruction does for a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Product {
    /// It computes both halves.
    Both {
        /// Where the lower half goes.
        low: Reg,
        /// Where the upper half goes.
        high: Reg,
    },
    /// It computes its own half, and leaves the other one in the scratch register.
    OwnHalf(Half),
    /// It takes its half from the scratch register.
    OtherHalf,
}

/// A half of a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Half {
    Low,
    High,
}

/// Joins the halves of unsigned products. To be done when it is certain what is emitted.
pub fn join(plan: &mut [Planned], values: &Values, duties: Duties) {
    if !plan.iter().any(|planned| half(planned) == Some(Half::High)) {
        return;
    }
    // Before which instructions a half waits in the scratch register.
    let mut waits = vec![false; plan.len()];
    for second in 0..plan.len() {
        if half(&plan[second]).is_some() {
            let nearest = second.saturating_sub(MAX_DISTANCE);
            let first = (nearest..second).rev().find(|&first| are_halves(plan, values, first, second));
            if let Some(first) = first {
                join_two(plan, &mut waits, first, second, duties.exact);
            }
        }
    }
}

fn half(planned: &Planned) -> Option<Half> {
    match (planned.instruction.op, planned.form) {
        (Op::Mul64, Form::Plain) => Some(Half::Low),
        (Op::MulUpperUU, Form::Plain) => Some(Half::High),
        _ => None,
    }
}

/// Whether two instructions compute different halves of the same product.
fn are_halves(plan: &[Planned], values: &Values, first: usize, second: usize) -> bool {
    let differ = half(&plan[first]).is_some_and(|one| half(&plan[second]).is_some_and(|other| one != other));
    let factors = |at: usize| {
        let instruction = &plan[at].instruction;
        [instruction.a, instruction.b].map(|reg| values.origin(values.held(reg, at)))
    };
    let ([a, b], same) = (factors(first), factors(second));
    differ && (same == [a, b] || same == [b, a])
}

fn join_two(plan: &mut [Planned], waits: &mut [bool], first: usize, second: usize, exact: bool) {
    let Some(own) = half(&plan[first]) else { return };
    let results = [first, second].map(|at| plan[at].instruction.d);
    let may_move = |moved: Reg| {
        let moved = RegSet::of(moved);
        results[0] != results[1]
            && emitted_between(plan, first, second)
                .all(|between| !is_barrier(between, exact) && !reads(between).with(writes(between)).meets(moved))
    };
    // The second half moves up to the first one, or the first one down; or it waits. Multiplying takes the scratch register.
    let (at, gone) = if !waits[first] && may_move(results[1]) {
        (first, second)
    } else if !waits[second] && may_move(results[0]) {
        (second, first)
    } else {
        if !waits[first] && emitted_between(plan, first, second).all(keeps_scratch) {
            waits[first + 1..=second].fill(true);
            plan[first].form = Form::Product(Product::OwnHalf(own));
            plan[second].form = Form::Product(Product::OtherHalf);
            plan[second].uses = Uses::default();
        }
        return;
    };
    let [low, high] = match own {
        Half::Low => results,
        Half::High => [results[1], results[0]],
    };
    plan[at].form = Form::Product(Product::Both { low, high });
    plan[gone].form = Form::Nothing;
}

/// Whether the emitted code leaves the scratch register alone. Where it can be left in between, the interpreter goes on and computes the
/// other half itself.
pub(super) fn keeps_scratch(planned: &Planned) -> bool {
    let simple = matches!(
        planned.form,
        Form::Plain
            | Form::Narrow
            | Form::At(_)
            | Form::Sum(_)
            | Form::Operand(_)
            | Form::Late
            | Form::Carry(_)
            | Form::Carrying(..)
            | Form::Extension(_)
    );
    simple && lower::keeps_scratch(planned.instruction.op)
}
