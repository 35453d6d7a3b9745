//! Registers that hold a value, also where the guest would have overwritten it.
//!
//! Compilers compute in place: `t = i << 3; t = t + base; x = [t]`, with `i` in the register of `t` to begin with. When the access adds up
//! `base + 8 · i` itself and nobody else looks at the sums, the shift and the addition go, and `i` is still there. Whether they go is known
//! only when the region has been planned. So passes may count on it, what they counted on is checked afterwards, and where that was wrong
//! the region is planned again without it.

use tvm_isa::Reg;

use super::effects;
use super::values::{Value, Values};
use super::{Form, Planned};

/// Writes to a register that are looked through at most: in each of some turns of a loop there may be one.
pub(super) const MAX_WRITES: usize = super::counted::MAX_TURNS as usize;

/// At which instructions of a region passes may count on overwriting instructions to go.
pub struct InPlace {
    allowed: Vec<bool>,
}

impl InPlace {
    /// At all `count` instructions.
    pub fn everywhere(count: usize) -> Self {
        Self { allowed: vec![true; count] }
    }

    /// At none.
    pub fn nowhere() -> Self {
        Self { allowed: Vec::new() }
    }

    fn allows(&self, at: usize) -> bool {
        self.allowed.get(at).copied().unwrap_or(false)
    }

    /// Forbids it where a plan looks at a value in a register that holds another, and where a carry is added, or an answer given, of which the
    /// comparison is made all the same. One of these may be the reason of another: first questions are forbidden, then what else is wrong, and
    /// at last answers that are given besides others. Says whether there were such places.
    pub fn forbid_wrong(&mut self, plan: &[Planned], values: &Values) -> bool {
        let stays = |at: u16| !plan[usize::from(at)].form.is_nothing();
        let mut holds = values.at_start();
        let [mut questions, mut others, mut answers] = [const { Vec::new() }; 3];
        for (at, planned) in plan.iter().enumerate() {
            if planned.form.is_nothing() {
                continue;
            }
            let holds_it = |reg: Reg, value: Value| values.origin(holds[reg.index()]) == values.origin(value);
            let right = planned.uses.iter().all(|used| holds_it(used.reg, used.value));
            match planned.form {
                Form::Ask(_) if !right => questions.push(at),
                Form::Ask(question) if question.instead_of.is_some_and(stays) => answers.push(at),
                Form::Carry(carry) if stays(carry.comparison) => others.push(at),
                _ if !right => others.push(at),
                _ => {}
            }
            if let Some(reg) = effects::written(&planned.instruction) {
                holds[reg.index()] = values.held(reg, at + 1);
            }
        }
        let Some(wrong) = [questions, others, answers].into_iter().find(|wrong| !wrong.is_empty()) else {
            return false;
        };
        for at in wrong {
            if let Some(allowed) = self.allowed.get_mut(at) {
                *allowed = false;
            }
        }
        true
    }
}

/// Finds the registers that hold values.
pub struct Holders<'a> {
    /// The region's values.
    pub values: &'a Values,
    /// Where values may be looked at in place.
    pub in_place: &'a InPlace,
}

impl Holders<'_> {
    /// Whether instruction `at` may count on others to go.
    pub fn may_count_on_others(&self, at: usize) -> bool {
        self.in_place.allows(at)
    }

    /// A register that holds `value`, or a copy of it, before instruction `at`, and which of them it holds.
    pub fn holder(&self, plan: &[Planned], value: Value, at: usize) -> Option<(Reg, Value)> {
        let values = self.values;
        let origin = values.origin(value);
        let exactly = Reg::all().find(|&reg| values.held(reg, at) == value);
        let copy = || Reg::all().find(|&reg| values.origin(values.held(reg, at)) == origin);
        let held = exactly.or_else(copy).map(|reg| (reg, values.held(reg, at)));
        held.or_else(|| self.in_place.allows(at).then(|| self.overwritten(plan, value, at))?.map(|reg| (reg, value)))
    }

    /// The register that `value` was written to, if only instructions that may go have written to it since.
    fn overwritten(&self, plan: &[Planned], value: Value, at: usize) -> Option<Reg> {
        let home = match value.writer() {
            Some(writer) => effects::written(&plan[writer].instruction)?,
            None => value.entry_register()?,
        };
        let mut held = self.values.held(home, at);
        for _ in 0..MAX_WRITES {
            if held == value {
                return Some(home);
            }
            let writer = held.writer()?;
            if !effects::is_pure(plan[writer].instruction.op) {
                return None;
            }
            held = self.values.held(home, writer);
        }
        None
    }
}
