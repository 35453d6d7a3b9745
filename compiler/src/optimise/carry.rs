//! Carries.
//!
//! RISC-V has no carry flag: wide arithmetic compares a sum with what was added, and adds the 0 or 1 that comes out. *Assumes* nothing.
//! *Keeps* the result of the addition (or subtraction) of such a 0 or 1: it compares where the result is used and adds the carry
//! flag. Done only where the comparison's own result is looked at by nobody else, so that it goes ([`super::needs`]). Right behind
//! the addition of what is compared the flag is there already ([`Addition`]), and nothing is compared.

use tvm_isa::{Instruction, Op, Reg};

use super::effects::Demand;
use super::holders::Holders;
use super::values::Value;
use super::{Form, Planned, Use, Uses};

/// An addition or subtraction of the outcome of `left < right`, unsigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carry {
    /// What it is added to or subtracted from.
    pub from: Reg,
    /// Left side of the comparison.
    pub left: Reg,
    /// Right side of the comparison.
    pub right: CarrySide,
    /// Whether it is subtracted.
    pub subtract: bool,
    /// Whether lower halves are added, and the sum is sign-extended.
    pub word: bool,
    /// The comparison's place in the region.
    pub comparison: u16,
}

/// Right side of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CarrySide {
    Reg(Reg),
    Imm(i32),
}

/// A sum in the register of one of the numbers that it was added up from: after the addition the carry flag says whether it is less
/// than the other one, which is what wide arithmetic asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addition {
    sum: Reg,
    other: Reg,
}

impl Addition {
    /// The sum that an instruction's code ends with adding up.
    pub fn of(planned: &Planned) -> Option<Self> {
        let Planned { instruction: Instruction { op, a, b, d, .. }, form, .. } = *planned;
        match (op, form) {
            (Op::Add64, Form::Plain) if d == a && d != b => Some(Self { sum: d, other: b }),
            (Op::Add64, Form::Plain) if d == b && d != a => Some(Self { sum: d, other: a }),
            _ => None,
        }
    }

    /// Whether its flag is what an instruction adds or subtracts.
    pub fn carries_for(self, planned: &Planned) -> bool {
        let Self { sum, other } = self;
        matches!(planned.form, Form::Carry(carry) if carry.left == sum && carry.right == CarrySide::Reg(other))
    }
}

/// Finds the carries of a region.
pub fn fold(plan: &mut [Planned], holders: &Holders<'_>) {
    for index in 0..plan.len() {
        let Planned { instruction: Instruction { op, a, b, .. }, form, .. } = plan[index];
        if form != Form::Plain || !holders.may_count_on_others(index) {
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
    let mut used = |reg: Reg, value: Value| uses.push(Use { reg, value, demand: Demand::Full });
    let held = |reg: Reg| holders.holder(plan, values.held(reg, writer), index);
    let (left, left_value) = held(left)?;
    used(left, left_value);
    let right = match right {
        Some(right) => {
            let (right, right_value) = held(right)?;
            used(right, right_value);
            CarrySide::Reg(right)
        }
        None => CarrySide::Imm(x as i32),
    };
    let adding = plan[index].instruction.op;
    let word = matches!(adding, Op::Add32 | Op::Sub32);
    let demand = if word { Demand::Low } else { Demand::Full };
    uses.push(Use { reg: from, value: values.held(from, index), demand });
    let (comparison, subtract) = (u16::try_from(writer).ok()?, matches!(adding, Op::Sub64 | Op::Sub32));
    Some((Carry { from, left, right, subtract, word, comparison }, uses))
}
