//! Registers that need not be kept around operations for which x86 fixes the registers.
//!
//! Divisions, products and shifts by a register go through `rax` and `rcx`, which hold guest registers. *Assumes* a plan in which all
//! else is decided. *Keeps* all registers whose contents somebody looks at behind the operation; it notes which these are, so that
//! others are not saved and restored.

use super::operand::live_behind;
use super::{Duties, Planned};
use crate::lower;

/// Notes what is needed behind each such operation.
pub fn note_needed(plan: &mut [Planned], duties: Duties) {
    if plan.iter().any(|planned| lower::has_fixed_registers(planned.instruction.op)) {
        let behind = live_behind(plan, duties);
        plan.iter_mut().zip(behind).for_each(|(planned, behind)| planned.needed = behind);
    }
}
