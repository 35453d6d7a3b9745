//! Pairs of shifts by 32 and more that extend the lower half of a register.
//!
//! RISC-V without the extensions for it extends 32 bits to 64 by a shift to the left by 32 and one back. *Assumes* nothing. *Keeps* the
//! result of the second shift, which no longer waits for the first; that one goes when nobody else looks at it
//! ([`super::needs`]).

use tvm_isa::{Instruction, Op, Reg};

use super::effects::Demand;
use super::holders::Holders;
use super::values::Value;
use super::{Form, Planned, Use, Uses};

/// The lower half of a register, extended and then shifted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension {
    /// Whose lower half it is.
    pub source: Reg,
    /// Whether the upper half is filled with the sign instead of zeros.
    pub signed: bool,
    /// Shift afterwards: to the left when positive, to the right when negative.
    pub left: i8,
}

/// Finds the pairs of a region.
pub fn pair(plan: &mut [Planned], holders: &Holders<'_>) {
    for index in 0..plan.len() {
        if !plan[index].form.is_plain() {
            continue;
        }
        if let Some((extension, value)) = extension(plan, holders, index) {
            let mut uses = Uses::default();
            uses.push(Use::new(extension.source, value, Demand::Low));
            plan[index].form = Form::Extension(extension);
            plan[index].uses = uses;
        }
    }
}

fn extension(plan: &[Planned], holders: &Holders<'_>, index: usize) -> Option<(Extension, Value)> {
    let values = holders.values;
    let Instruction { op, b, x, .. } = plan[index].instruction;
    let signed = match op {
        Op::ShloRImm64 => false,
        Op::SharRImm64 => true,
        _ => return None,
    };
    let first = values.held(b, index).writer()?;
    let shift = plan[first].instruction;
    let (up, down) = (shift.x % 64, x % 64);
    if shift.op != Op::ShloLImm64 || up != 32 || down == 0 {
        return None;
    }
    let (source, value) = holders.holder(plan, values.held(shift.b, first), index)?;
    // Shifted by 32 it is the half times 2^32, signed or not; shifted back by less, the extended half times a smaller power of two.
    Some((Extension { source, signed, left: 32 - down as i8 }, value))
}
