//! What the tests of several passes are made from.

use tvm_isa::{Instruction, Op, Pc, Reg};

use super::effects::Demand;
use super::{Duties, Form, Live, Planned, plan};

/// An instruction of two registers and an immediate.
pub fn inst(op: Op, a: u8, b: u8, x: i64) -> Instruction {
    let [a, b] = [a, b].map(Reg::clamped);
    Instruction { op, pc: Pc(0), length: 3, a, b, d: Reg::default(), x: x as u64, y: 0 }
}

/// An instruction of three registers, the destination first.
pub fn three(op: Op, d: u8, a: u8, b: u8) -> Instruction {
    Instruction { d: Reg::clamped(d), ..inst(op, a, b, 0) }
}

/// The plan of a region in a service, behind which somebody looks at this.
pub fn planned(region: &[Instruction], live: Live) -> Vec<Planned> {
    let mut planned = Vec::new();
    plan(region, Duties { live, exact: false, last_may_be_interpreted: false }, &mut planned);
    planned
}

/// The forms of a region of which only these registers are looked at behind it.
pub fn forms(region: &[Instruction], wanted: &[u8]) -> Vec<Form> {
    let mut live = Live::NONE;
    wanted.iter().for_each(|&reg| live.add(Reg::clamped(reg), Demand::Full));
    planned(region, live).iter().map(|planned| planned.form).collect()
}
