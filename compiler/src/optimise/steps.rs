//! Constants that are added one after the other.
//!
//! `a = a + 8; …; a = a + 8` becomes one addition of 16 where nobody looks at what is in between, as accesses do not ([`super::address`]). Turns of
//! a loop one behind the other ([`super::counted`]) are full of these. *Assumes* nothing. *Keeps* every result; an addition that nobody
//! looks at any more goes ([`super::needs`]).

use tvm_isa::{Instruction, Op};

use super::effects::Demand;
use super::holders::Holders;
use super::values::Value;
use super::{Planned, Use, Uses};

/// Lets additions of constants start from where the first of them does.
pub fn join(plan: &mut [Planned], holders: &Holders<'_>) {
    for index in 0..plan.len() {
        if let Some((from, sum)) = start(plan, holders, index) {
            let instruction = &mut plan[index].instruction;
            (instruction.b, instruction.x) = (from.reg, i64::from(sum) as u64);
            let mut uses = Uses::default();
            uses.push(from);
            plan[index].uses = uses;
        }
    }
}

/// What an addition can start from instead, and what is added to it. What comes before may start from where others do already.
fn start(plan: &[Planned], holders: &Holders<'_>, index: usize) -> Option<(Use, i32)> {
    let (value, second, demand) = addition(&plan[index])?;
    let (value, first, right) = addition(&plan[value.writer()?])?;
    let sum = match demand {
        Demand::Low => first.wrapping_add(second),
        // Where all 64 bits matter, they must have been added.
        Demand::Full if right == Demand::Full => first.checked_add(second)?,
        Demand::Full => return None,
    };
    let (reg, value) = holders.holder(plan, value, index)?;
    let from = match demand {
        Demand::Low => Use::new(reg, value, Demand::Low),
        Demand::Full => Use::passed_on(reg, value),
    };
    Some((from, sum))
}

/// What an addition of a constant adds it to, the constant, and how many bits of the sum are right.
fn addition(planned: &Planned) -> Option<(Value, i32, Demand)> {
    let Instruction { op, x, .. } = planned.instruction;
    let demand = match op {
        Op::AddImm64 => Demand::Full,
        Op::AddImm32 => Demand::Low,
        _ => return None,
    };
    let used = planned.uses.iter().next().filter(|_| planned.form.is_plain())?;
    Some((used.value, i32::try_from(x as i64).ok()?, demand))
}
