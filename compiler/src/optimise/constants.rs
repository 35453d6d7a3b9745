//! Constants in the place of registers.
//!
//! *Assumes* nothing. *Keeps* every result: an operation on a register that a `load_imm` of the same region filled becomes the operation
//! with an immediate that gives the same. The `load_imm` itself goes when nobody else looks at it ([`super::needs`]).

use tvm_isa::{Instruction, Op, Reg};

use super::values::{Value, Values};
use super::{Planned, Uses};

/// Rewrites the operations of which an operand is known.
pub fn place(plan: &mut [Planned], values: &Values) {
    for index in 0..plan.len() {
        let known = |reg: Reg| constant(plan, values, values.held(reg, index));
        if let Some(instruction) = rewritten(&plan[index].instruction, known) {
            plan[index].instruction = instruction;
            plan[index].uses = Uses::of(&instruction, values, index);
        }
    }
}

/// The constant that `value` is, if it is one that immediates can express.
fn constant(plan: &[Planned], values: &Values, value: Value) -> Option<i32> {
    let writer = values.origin(value).writer()?;
    let Instruction { op, x, .. } = plan[writer].instruction;
    matches!(op, Op::LoadImm | Op::LoadImm64).then(|| i32::try_from(x as i64).ok())?
}

fn rewritten(instruction: &Instruction, known: impl Fn(Reg) -> Option<i32>) -> Option<Instruction> {
    let Instruction { op, a, b, d, x, .. } = *instruction;
    if let Some((left, right)) = with_immediate(op) {
        let (op, other, value) = match (right.zip(known(b)), left.zip(known(a))) {
            (Some((op, value)), _) => (op, a, value),
            (None, Some((op, value))) => (op, b, value),
            (None, None) => return None,
        };
        let value =
            if matches!(instruction.op, Op::Sub32 | Op::Sub64) && other == a && right.is_some() && known(b).is_some() {
                value.checked_neg()?
            } else {
                value
            };
        return Some(Instruction { op, a: d, b: other, d: Reg::default(), x: i64::from(value) as u64, ..*instruction });
    }
    if let Some((left, right)) = branch_with_immediate(op) {
        let (op, other, value) = match (known(b), known(a)) {
            (Some(value), _) => (right, a, value),
            (None, Some(value)) => (left, b, value),
            (None, None) => return None,
        };
        let (x, y) = (i64::from(value) as u64, x);
        return Some(Instruction { op, a: other, b: Reg::default(), x, y, ..*instruction });
    }
    let store = match op {
        Op::StoreIndU8 => Op::StoreImmIndU8,
        Op::StoreIndU16 => Op::StoreImmIndU16,
        Op::StoreIndU32 => Op::StoreImmIndU32,
        Op::StoreIndU64 => Op::StoreImmIndU64,
        _ => return None,
    };
    let y = i64::from(known(a)?) as u64;
    Some(Instruction { op: store, a: b, b: Reg::default(), y, ..*instruction })
}

/// For operations on two registers: what they are when the left or the right one is a constant.
fn with_immediate(op: Op) -> Option<(Option<Op>, Option<Op>)> {
    let either = |op| Some((Some(op), Some(op)));
    match op {
        Op::Add64 => either(Op::AddImm64),
        Op::Add32 => either(Op::AddImm32),
        Op::And => either(Op::AndImm),
        Op::Or => either(Op::OrImm),
        Op::Xor => either(Op::XorImm),
        Op::Mul64 => either(Op::MulImm64),
        Op::Mul32 => either(Op::MulImm32),
        Op::Sub64 => Some((Some(Op::NegAddImm64), Some(Op::AddImm64))),
        Op::Sub32 => Some((Some(Op::NegAddImm32), Some(Op::AddImm32))),
        Op::SetLtU => Some((Some(Op::SetGtUImm), Some(Op::SetLtUImm))),
        Op::SetLtS => Some((Some(Op::SetGtSImm), Some(Op::SetLtSImm))),
        _ => None,
    }
}

/// For branches on two registers: what they are when the left or the right one is a constant.
fn branch_with_immediate(op: Op) -> Option<(Op, Op)> {
    Some(match op {
        Op::BranchEq => (Op::BranchEqImm, Op::BranchEqImm),
        Op::BranchNe => (Op::BranchNeImm, Op::BranchNeImm),
        Op::BranchLtU => (Op::BranchGtUImm, Op::BranchLtUImm),
        Op::BranchLtS => (Op::BranchGtSImm, Op::BranchLtSImm),
        Op::BranchGeU => (Op::BranchLeUImm, Op::BranchGeUImm),
        Op::BranchGeS => (Op::BranchLeSImm, Op::BranchGeSImm),
        _ => return None,
    })
}
