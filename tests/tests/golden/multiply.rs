//! Multiplication and division, for which x86 fixes rax and rdx, where no guest register is.

use tvm_isa::Op;
use tvm_tests::assemble::Inst;

use super::entry::Entry;
use super::forms::{ALIASES, IMMEDIATES, IN_RAX, IN_RCX, R, three, two_imm};

const UPPER: [Op; 3] = [Op::MulUpperSS, Op::MulUpperUU, Op::MulUpperSU];

const DIVISIONS: [Op; 8] =
    [Op::DivU32, Op::DivS32, Op::RemU32, Op::RemS32, Op::DivU64, Op::DivS64, Op::RemU64, Op::RemS64];

pub fn mul_div() -> Vec<Entry> {
    let mut entries: Vec<Entry> = [Op::Mul32, Op::Mul64].into_iter().flat_map(three).collect();
    entries.extend([Op::MulImm32, Op::MulImm64].into_iter().flat_map(|op| two_imm(op, &IMMEDIATES)));
    entries.extend(UPPER.into_iter().flat_map(three));
    entries.extend(UPPER.into_iter().flat_map(fixed));
    entries.extend(DIVISIONS.into_iter().flat_map(three));
    entries.extend([Op::DivS64, Op::RemU32].into_iter().flat_map(fixed));
    entries
}

/// What plain x86-64 does otherwise: only the unsigned upper half.
pub fn baseline() -> Vec<Entry> {
    three(Op::MulUpperUU).chain(fixed(Op::MulUpperUU)).collect()
}

/// Destination and sources in rax, rcx and another register, in every way but those without rax and rcx.
fn fixed(op: Op) -> impl Iterator<Item = Entry> {
    let places = [IN_RAX, IN_RCX, R[0]];
    let all = places.into_iter().flat_map(move |d| places.into_iter().flat_map(move |a| places.map(|b| [d, a, b])));
    all.filter(|registers| !ALIASES.contains(registers)).map(move |[d, a, b]| Entry::straight(Inst::three(op, d, a, b)))
}
