//! Questions: what branches, conditional moves and comparisons ask, and of what.
//!
//! RISC-V puts answers into registers and asks those: `t = a < b; t = t ^ 1; d = c unless t is 0`. x86 has flags. So who asks whether a value is
//! zero asks where that came from instead: the comparison itself, whether two numbers are equal where their difference is zero, whether
//! they have bits in common where the result of `and` is not.
//!
//! *Assumes* nothing. *Keeps* every answer. What gave it before goes when nobody else looks at it ([`super::needs`]). An answer in a register takes
//! three instructions; who puts another one there asks only where the first one goes.

use tvm_isa::{Format, Instruction, Op, Reg};

use super::compare::{self, Comparison};
use super::effects::{self, Demand};
use super::holders::Holders;
use super::values::{Value, Values};
use super::{Form, Planned, Use, Uses};
use crate::asm::Condition;
use crate::lower;

/// Steps from a question to what it is asked of in the end. Compilers need three: an answer, made a truth value, and turned round.
pub(super) const MAX_STEPS: usize = 4;
/// Steps in which a value must turn out to be 0 or 1.
pub(super) const MAX_TRUTH_STEPS: usize = 2;

/// What is asked: whether this condition holds between two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// What must hold between the sides, the first on the left.
    pub condition: Condition,
    /// Left side.
    pub left: Reg,
    /// Right side.
    pub right: Side,
    /// How they are compared.
    pub comparison: Comparison,
    /// The instruction whose result is asked no more, if it is worth asking only when that goes.
    pub instead_of: Option<u16>,
}

/// Right side of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Side {
    Reg(Reg),
    Imm(i32),
}

/// A question about values, wherever they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    condition: Condition,
    pub left: Value,
    pub right: Right,
    /// Whether it is asked for bits in common.
    pub common: bool,
}

/// Right side of a question about values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right {
    Value(Value),
    Imm(i32),
}

/// Decides what all who ask in a region ask.
pub fn ask(plan: &mut [Planned], holders: &Holders<'_>) {
    for index in 0..plan.len() {
        let own = plan[index].form.is_plain().then(|| own(plan, holders.values, index)).flatten();
        if let Some((question, uses)) = own.and_then(|own| decide(plan, holders, index, own)) {
            plan[index].form = Form::Ask(question);
            plan[index].uses = uses;
        }
    }
}

/// What an instruction asks as it is.
fn own(plan: &[Planned], values: &Values, index: usize) -> Option<Asked> {
    use Condition::{Above, Below, Equal, Greater, Less, NotEqual};
    let Instruction { op, a, b, x, .. } = plan[index].instruction;
    let held = |reg: Reg| values.held(reg, index);
    let registers = |condition| Some(Asked::new(condition, held(a), Right::Value(held(b))));
    let is_zero = |condition| Some(Asked::new(condition, held(b), Right::Imm(0)));
    match op {
        Op::CmovIz | Op::CmovIzImm => is_zero(Equal),
        Op::CmovNz | Op::CmovNzImm => is_zero(NotEqual),
        Op::XorImm if x == 1 && is_truth(plan, values, held(b), MAX_TRUTH_STEPS) => is_zero(Equal),
        Op::AndImm if x == 1 && is_truth(plan, values, held(b), MAX_TRUTH_STEPS) => is_zero(NotEqual),
        Op::MaxU => registers(Above),
        Op::Max => registers(Greater),
        Op::MinU => registers(Below),
        Op::Min => registers(Less),
        _ if effects::is_branch(op) => {
            let right = match op.info().format {
                Format::RegRegOffset => Right::Value(held(b)),
                _ => Right::Imm(x as i32),
            };
            Some(Asked::new(lower::branch_condition(op), held(a), right))
        }
        _ => set(plan, values, index),
    }
}

/// What an instruction asks whose result is 1 or 0.
fn set(plan: &[Planned], values: &Values, index: usize) -> Option<Asked> {
    let Instruction { op, a, b, x, .. } = plan[index].instruction;
    let held = |reg: Reg| values.held(reg, index);
    let registers = |condition| Asked::new(condition, held(a), Right::Value(held(b)));
    let constant = |condition| Asked::new(condition, held(b), Right::Imm(x as i32));
    Some(match op {
        Op::SetLtU => registers(Condition::Below),
        Op::SetLtS => registers(Condition::Less),
        Op::SetLtUImm => constant(Condition::Below),
        Op::SetLtSImm => constant(Condition::Less),
        Op::SetGtUImm => constant(Condition::Above),
        Op::SetGtSImm => constant(Condition::Greater),
        _ => return None,
    })
}

/// Whether a value is 0 or 1.
fn is_truth(plan: &[Planned], values: &Values, value: Value, steps: usize) -> bool {
    let Some(writer) = values.origin(value).writer() else { return false };
    let Instruction { op, b, x, .. } = plan[writer].instruction;
    match op {
        Op::AndImm => x <= 1,
        Op::XorImm => x == 1 && steps > 0 && is_truth(plan, values, values.held(b, writer), steps - 1),
        Op::ShloRImm64 => x % 64 == 63,
        _ => set(plan, values, writer).is_some(),
    }
}

/// What instruction `index`, which asks `own`, is to ask instead. `None` where it stays as it is.
fn decide(plan: &[Planned], holders: &Holders<'_>, index: usize, own: Asked) -> Option<(Question, Uses)> {
    let Instruction { op, .. } = plan[index].instruction;
    let values = holders.values;
    let sets = !effects::is_branch(op) && !effects::passes_on(op);
    let (mut asked, mut best) = (own, None);
    if !sets || holders.may_count_on_others(index) {
        for _ in 0..MAX_STEPS {
            let Some(origin) = asked.origin(plan, values) else { break };
            asked = origin;
            let comparison = compare::between(plan, values, &asked);
            best = asked.question(plan, holders, index, comparison).or(best);
        }
    }
    let (mut question, mut uses) = match best {
        Some(found) => found,
        None => {
            let comparison = compare::own(plan, values, index, &own).filter(|_| !is_no_comparison(op))?;
            own.question(plan, holders, index, comparison)?
        }
    };
    if sets && best.is_some() {
        let asked_before = values.origin(own.left).writer()?;
        question.instead_of = Some(u16::try_from(asked_before).ok()?);
    }
    if effects::passes_on(op) {
        plan[index].uses.iter().filter(|used| used.passed_on).for_each(|used| uses.push(used));
    }
    Some((question, uses))
}

/// Whether an operation is one that compares only when it asks something else than whether a truth value is zero.
fn is_no_comparison(op: Op) -> bool {
    matches!(op, Op::XorImm | Op::AndImm)
}

impl Asked {
    fn new(condition: Condition, left: Value, right: Right) -> Self {
        Self { condition, left, right, common: false }
    }

    fn inverted(self) -> Self {
        Self { condition: self.condition.inverted(), ..self }
    }

    /// Whether it is asked that the left side is zero, or that it is not.
    fn is_zero(&self, plan: &[Planned], values: &Values) -> Option<bool> {
        use Condition::{Above, AboveOrEqual, Below, BelowOrEqual, Equal, NotEqual};
        let Right::Imm(right) = self.right else { return None };
        match (self.condition, right) {
            _ if self.common => None,
            (Equal | BelowOrEqual, 0) | (Below, 1) => Some(true),
            (NotEqual | Above, 0) | (AboveOrEqual, 1) => Some(false),
            (Equal | NotEqual, 1) if is_truth(plan, values, self.left, MAX_TRUTH_STEPS) => {
                Some(self.condition == NotEqual)
            }
            _ => None,
        }
    }

    /// The same question, asked of what the left side was computed from.
    fn origin(self, plan: &[Planned], values: &Values) -> Option<Self> {
        let writer = values.origin(self.left).writer()?;
        let Instruction { op, a, b, x, .. } = plan[writer].instruction;
        let held = |reg: Reg| values.held(reg, writer);
        let common = |left, right| Self { common: true, ..Self::new(Condition::NotEqual, left, right) };
        if let (Condition::Less | Condition::GreaterOrEqual, Right::Imm(0), false, Op::ShloLImm64) =
            (self.condition, self.right, self.common, op)
        {
            // The sign is a bit of what was shifted.
            let bit = 1_i32.checked_shl(63 - (x % 64) as u32).filter(|&bit| bit > 0)?;
            let is_set = common(held(b), Right::Imm(bit));
            return Some(if self.condition == Condition::Less { is_set } else { is_set.inverted() });
        }
        let is_zero = self.is_zero(plan, values)?;
        let differ = |left, right| Self::new(Condition::NotEqual, left, right);
        let not_zero = match op {
            Op::Xor | Op::Sub64 => differ(held(a), Right::Value(held(b))),
            Op::XorImm => differ(held(b), Right::Imm(x as i32)),
            Op::AddImm64 => differ(held(b), Right::Imm((x as i32).checked_neg()?)),
            Op::And => common(held(a), Right::Value(held(b))),
            Op::AndImm if x == 1 && is_truth(plan, values, held(b), MAX_TRUTH_STEPS) => differ(held(b), Right::Imm(0)),
            Op::AndImm => common(held(b), Right::Imm(x as i32)),
            Op::ShloRImm64 if x % 64 == 63 => Self::new(Condition::Less, held(b), Right::Imm(0)),
            _ => set(plan, values, writer)?,
        };
        Some(if is_zero { not_zero.inverted() } else { not_zero })
    }

    /// The question as instruction `at` can ask it, if registers hold what it is about.
    fn question(
        &self,
        plan: &[Planned],
        holders: &Holders<'_>,
        at: usize,
        comparison: Comparison,
    ) -> Option<(Question, Uses)> {
        let mut uses = Uses::default();
        let (of_left, of_right) = comparison.demands();
        let mut held = |value: Value, demand: Demand| {
            let (reg, value) = holders.holder(plan, value, at)?;
            uses.push(Use::new(reg, value, demand));
            Some(reg)
        };
        let left = held(self.left, of_left)?;
        let right = match self.right {
            Right::Value(right) => Side::Reg(held(right, of_right)?),
            Right::Imm(imm) => Side::Imm(imm),
        };
        Some((Question { condition: self.condition, left, right, comparison, instead_of: None }, uses))
    }
}

#[cfg(test)]
mod tests;
