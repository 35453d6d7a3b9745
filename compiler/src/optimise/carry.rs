//! Carries.
//!
//! RISC-V has no carry flag: wide arithmetic compares a sum with what was added, and adds the 0 or 1 that comes out. *Assumes* nothing.
//! *Keeps* the result of the addition (or subtraction) of such a 0 or 1: it compares where the result is used and adds the carry
//! flag. Done only where the comparison's own result is looked at by nobody else, so that it goes ([`super::needs`]).
//!
//! Right behind the addition of what is compared the flag is there already. When all else is decided, what adds the carry moves up to there, or
//! the addition down, over what neither writes its operands nor looks at its result, and nothing is compared ([`join`]).

use tvm_isa::{Instruction, Op, Reg};

use super::effects::Demand;
use super::holders::Holders;
use super::operand::{is_barrier, reads, writes};
use super::question::Side;
use super::registers::RegSet;
use super::values::Value;
use super::{Duties, Form, Planned, Use, Uses};

/// Most instructions from an addition to that of its carry.
pub(super) const MAX_DISTANCE: usize = 12;

/// An addition or subtraction of the outcome of `left < right`, unsigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carry {
    /// What it is added to or subtracted from.
    pub from: Reg,
    /// Left side of the comparison.
    pub left: Reg,
    /// Right side of the comparison.
    pub right: Side,
    /// Whether it is subtracted.
    pub subtract: bool,
    /// Whether lower halves are added, and the sum is sign-extended.
    pub word: bool,
    /// The comparison's place in the region.
    pub comparison: u16,
}

/// Adds carries where the flag is set. To be done when it is certain what is emitted.
pub fn join(plan: &mut [Planned], duties: Duties) {
    for index in 0..plan.len() {
        if let Form::Carry(carry) = plan[index].form
            && let Some((setting, at)) = place(plan, index, &carry, duties.exact)
        {
            let Planned { instruction, uses, .. } = plan[index];
            let from = uses.iter().find(|used| used.reg == carry.from).expect("it is looked at");
            let mut joined = Planned { form: Form::Carrying(carry, instruction.d), ..plan[setting] };
            joined.uses.push(from);
            plan[index].form = Form::Nothing;
            plan[setting].form = Form::Nothing;
            plan[at] = joined;
        }
    }
}

/// The instruction that can set the flag that instruction `index` adds, and where both can be done at once.
fn place(plan: &[Planned], index: usize, carry: &Carry, exact: bool) -> Option<(usize, usize)> {
    let Side::Reg(right) = carry.right else { return None };
    let compared = RegSet::of(carry.left).with(RegSet::of(right));
    let result = RegSet::of(plan[index].instruction.d);
    // What is between the two.
    let (mut read, mut written) = (RegSet::EMPTY, RegSet::EMPTY);
    for at in (index.saturating_sub(MAX_DISTANCE)..index).rev() {
        let before = &plan[at];
        if before.form.is_nothing() {
            continue;
        }
        if sets_flag(before, carry.left, right) {
            let moves_up = !written.has(carry.from) && !read.with(written).meets(result);
            let sum = writes(before);
            let moves_down = !written.meets(reads(before)) && !read.with(written).meets(sum);
            return if moves_up { Some((at, at)) } else { moves_down.then_some((at, index)) };
        }
        (read, written) = (read.with(reads(before)), written.with(writes(before)));
        if is_barrier(before, exact) || written.meets(compared) {
            return None;
        }
    }
    None
}

/// Whether an instruction's code can leave the outcome of `left < right` in the carry flag: it adds `right` to something that makes `left`,
/// or subtracts it from that.
fn sets_flag(planned: &Planned, left: Reg, right: Reg) -> bool {
    let Instruction { op, a, b, d, .. } = planned.instruction;
    planned.form.is_plain()
        && match op {
            Op::Add64 => left == d && right != d && (right == a || right == b),
            Op::Sub64 => (left, right) == (a, b) && d != a && d != b,
            _ => false,
        }
}

/// Finds the carries of a region.
pub fn fold(plan: &mut [Planned], holders: &Holders<'_>) {
    for index in 0..plan.len() {
        let Planned { instruction: Instruction { op, a, b, .. }, form, .. } = plan[index];
        if !form.is_plain() || !holders.may_count_on_others(index) {
            continue;
        }
        let found = match op {
            Op::Add64 | Op::Add32 => carry(plan, holders, index, a, b).or_else(|| carry(plan, holders, index, b, a)),
            Op::Sub64 | Op::Sub32 => carry(plan, holders, index, a, b),
            _ => None,
        };
        if let Some((carry, uses)) = found {
            plan[index].form = Form::Carry(carry);
            plan[index].uses = uses;
        }
    }
}

/// Whether `outcome` holds the outcome of a comparison at `index`, to be added to `from`.
fn carry(plan: &[Planned], holders: &Holders<'_>, index: usize, from: Reg, outcome: Reg) -> Option<(Carry, Uses)> {
    let values = holders.values;
    let writer = values.held(outcome, index).writer()?;
    let Planned { instruction: Instruction { op, a, b, x, .. }, form, .. } = plan[writer];
    let (left, right) = match (op, form) {
        (Op::SetLtU, Form::Plain) => (a, Some(b)),
        (Op::SetLtUImm, Form::Plain) => (b, None),
        _ => return None,
    };
    let mut uses = Uses::default();
    let mut used = |reg: Reg, value: Value| uses.push(Use::new(reg, value, Demand::Full));
    let held = |reg: Reg| holders.holder(plan, values.held(reg, writer), index);
    let (left, left_value) = held(left)?;
    used(left, left_value);
    let right = match right {
        Some(right) => {
            let (right, right_value) = held(right)?;
            used(right, right_value);
            Side::Reg(right)
        }
        None => Side::Imm(x as i32),
    };
    let adding = plan[index].instruction.op;
    let word = matches!(adding, Op::Add32 | Op::Sub32);
    let demand = if word { Demand::Low } else { Demand::Full };
    uses.push(Use::new(from, values.held(from, index), demand));
    let (comparison, subtract) = (u16::try_from(writer).ok()?, matches!(adding, Op::Sub64 | Op::Sub32));
    Some((Carry { from, left, right, subtract, word, comparison }, uses))
}
