//! Both halves of a product at once.
//!
//! RISC-V has one instruction for the lower half of a product and another for the upper one; x86 multiplies once for both. *Assumes* a
//! plan in which all else is decided, and that a fault ends execution unless registers must be exact. *Keeps* both results: they are
//! computed at the place of one of the two instructions, and nothing between reads or writes the one that moves there.

use tvm_isa::{Op, Reg};

use super::operand::{can_leave, reads, writes};
use super::registers::RegSet;
use super::values::Values;
use super::{Duties, Form, Planned, effects};

/// Most instructions from one half of a product to the other.
pub(super) const MAX_DISTANCE: usize = 12;

/// Where the halves of a product go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Product {
    /// The lower half.
    pub low: Reg,
    /// The upper half.
    pub high: Reg,
}

/// Joins the halves of unsigned products. To be done when it is certain what is emitted.
pub fn join(plan: &mut [Planned], values: &Values, duties: Duties) {
    for second in 0..plan.len() {
        if half(&plan[second]).is_some() {
            let nearest = second.saturating_sub(MAX_DISTANCE);
            let first = (nearest..second).rev().find(|&first| are_halves(plan, values, first, second));
            if let Some(first) = first {
                join_two(plan, first, second, duties.exact);
            }
        }
    }
}

/// A half of a product.
#[derive(PartialEq, Eq)]
enum Half {
    Low,
    High,
}

fn half(planned: &Planned) -> Option<Half> {
    match (planned.instruction.op, planned.form) {
        (Op::Mul64, Form::Plain) => Some(Half::Low),
        (Op::MulUpperUU, Form::Plain) => Some(Half::High),
        _ => None,
    }
}

/// Whether two instructions compute different halves of the same product, in different registers.
fn are_halves(plan: &[Planned], values: &Values, first: usize, second: usize) -> bool {
    let differ = half(&plan[first]).is_some_and(|one| half(&plan[second]).is_some_and(|other| one != other));
    let factors = |at: usize| {
        let instruction = &plan[at].instruction;
        [instruction.a, instruction.b].map(|reg| values.origin(values.held(reg, at)))
    };
    let ([a, b], same) = (factors(first), factors(second));
    differ && (same == [a, b] || same == [b, a]) && plan[first].instruction.d != plan[second].instruction.d
}

fn join_two(plan: &mut [Planned], first: usize, second: usize, exact: bool) {
    let may_move = |moved: Reg| {
        let moved = RegSet::of(moved);
        plan[first + 1..second].iter().filter(|between| between.form != Form::Nothing).all(|between| {
            let barrier = effects::sees_all(between.instruction.op) || exact && can_leave(between);
            !barrier && !reads(between).with(writes(between)).meets(moved)
        })
    };
    let results = [first, second].map(|at| plan[at].instruction.d);
    // The second half moves up to the first one, or the first one down.
    let (at, gone) = match (may_move(results[1]), may_move(results[0])) {
        (true, _) => (first, second),
        (false, true) => (second, first),
        (false, false) => return,
    };
    let [low, high] = match half(&plan[first]) {
        Some(Half::Low) => results,
        _ => [results[1], results[0]],
    };
    plan[at].form = Form::Product(Product { low, high });
    plan[gone].form = Form::Nothing;
}
