//! Leaves out what nobody looks at.
//!
//! *Assumes* the reads that the passes before have noted, and what is live behind the region. *Keeps* all effects: accesses and control
//! flow stay; so does, with `exact`, every register at every place where the region can be left. Goes: an instruction of which
//! nobody looks at the result, and the sign extension of a 32-bit operation of which nobody looks at the upper half; [`late`] sees to it that there
//! are more of these.

use tvm_isa::{Instruction, Op, Reg};

use super::effects::{self, Demand};
use super::values::{Value, Values};
use super::{Duties, Form, Planned, Use, late};
use crate::lower::{Lowering, lowering};

/// Marks instructions as [`Form::Nothing`] or [`Form::Narrow`] where that changes nothing that somebody looks at.
pub fn drop_unneeded(plan: &mut [Planned], values: &Values, duties: Duties) {
    let Duties { live, exact, .. } = duties;
    let mut needs = Needs { wanted: vec![None; values.count()] };
    for (reg, value) in Reg::all().zip(values.at_end()) {
        if live.high.has(reg) {
            needs.want(value, Demand::Full);
        } else if live.low.has(reg) {
            needs.want(value, Demand::Low);
        }
    }
    for index in (0..plan.len()).rev() {
        let instruction = plan[index].instruction;
        let result = needs.of_result(&instruction, values, index);
        let is_late = result == Some(Demand::Full) && late::gains(plan, values, index, |value| needs.of(value));
        let planned = &mut plan[index];
        if effects::is_pure(instruction.op) && result.is_none() {
            planned.form = Form::Nothing;
            continue;
        }
        if planned.form.is_plain() && effects::can_be_narrow(instruction.op) && result == Some(Demand::Low) {
            planned.form = Form::Narrow;
        }
        if effects::sees_all(instruction.op) || exact && lowering_can_leave(instruction.op) {
            Reg::all().for_each(|reg| needs.want(values.held(reg, index), Demand::Full));
        }
        if is_late {
            planned.form = Form::Late;
        }
        let demand_of = |used: Use| match result {
            Some(Demand::Low) if used.passed_on => Demand::Low,
            _ if is_late => Demand::Low,
            _ => used.demand,
        };
        planned.low = result == Some(Demand::Low) && planned.uses.iter().all(|used| demand_of(used) == Demand::Low);
        planned.uses.iter().for_each(|used| needs.want(used.value, demand_of(used)));
    }
}

fn lowering_can_leave(op: Op) -> bool {
    !matches!(lowering(op), Lowering::Plain)
}

/// How much of each value somebody looks at.
struct Needs {
    wanted: Vec<Option<Demand>>,
}

impl Needs {
    fn want(&mut self, value: Value, demand: Demand) {
        let wanted = &mut self.wanted[value.number()];
        *wanted = (*wanted).max(Some(demand));
    }

    /// How much of a value is looked at.
    fn of(&self, value: Value) -> Option<Demand> {
        self.wanted[value.number()]
    }

    /// How much of what an instruction writes is looked at.
    fn of_result(&self, instruction: &Instruction, values: &Values, index: usize) -> Option<Demand> {
        let reg = effects::written(instruction)?;
        self.of(values.held(reg, index + 1))
    }
}
