//! Addresses computed by the access itself.
//!
//! Compilers for RISC-V compute `base + index · size` with shifts and additions before an access. x86 does the same within the access: one
//! or two registers, one of them scaled, and a displacement. *Assumes* that addresses count modulo 2^32, so that only the lower halves of
//! what they are made of matter. *Keeps* the address. What computed it before goes when nobody else looks at it ([`super::needs`]);
//! otherwise the access at least does not wait for it.

use tvm_isa::{Instruction, Op, Reg};

use super::effects::Demand;
use super::holders::Holders;
use super::values::{Value, Values};
use super::{Form, Planned, Use, Uses};
use crate::lower;

/// Steps from an address to the instructions it comes from. Compilers need four, turns of a loop in a row more; each step costs time.
pub(super) const MAX_STEPS: usize = 16;
/// Terms that a sum may have while it is taken apart; in the end two.
const MAX_TERMS: usize = 3;
/// Largest scale of a register, as a power of two.
const MAX_SCALE: u8 = 3;

/// A sum of registers: `base + (index << scale) + disp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// A register as it is.
    pub base: Option<Reg>,
    /// A register and the power of two it is multiplied with.
    pub index: Option<(Reg, u8)>,
    /// A constant.
    pub disp: i32,
}

/// One summand: a value, shifted left.
#[derive(Clone, Copy, Debug)]
struct Term {
    value: Value,
    scale: u8,
}

/// A sum of terms that is being taken apart.
#[derive(Clone, Debug)]
struct Sum {
    terms: Vec<Term>,
    disp: i32,
}

/// Folds the addresses of all accesses of a region, and sums with a scaled register.
pub fn fold(plan: &mut [Planned], holders: &Holders<'_>) {
    for index in 0..plan.len() {
        let instruction = plan[index].instruction;
        if let Some(base) = lower::address_register(&instruction) {
            fold_access(plan, holders, index, base);
        } else if instruction.op == Op::Add64 {
            fold_sum(plan, holders, index);
        }
    }
}

fn fold_access(plan: &mut [Planned], holders: &Holders<'_>, index: usize, base: Reg) {
    let instruction = plan[index].instruction;
    let term = Term { value: holders.values.held(base, index), scale: 0 };
    let mut sum = Sum { terms: vec![term], disp: instruction.x as i32 };
    let mut best = None;
    for _ in 0..MAX_STEPS {
        if !sum.expand(plan, holders.values) {
            break;
        }
        best = sum.address(plan, holders, index).or(best);
    }
    let Some((address, mut uses)) = best else { return };
    if let Some(reg) = lower::data_register(&instruction) {
        let demand = if instruction.op == Op::StoreIndU64 { Demand::Full } else { Demand::Low };
        uses.push(Use::new(reg, holders.values.held(reg, index), demand));
    }
    plan[index].form = Form::At(address);
    plan[index].uses = uses;
}

/// `add` whose one operand is another register shifted left by 1 to 3.
fn fold_sum(plan: &mut [Planned], holders: &Holders<'_>, index: usize) {
    let Instruction { a, b, .. } = plan[index].instruction;
    let values = holders.values;
    let scaled = |reg: Reg| {
        let writer = values.held(reg, index).writer()?;
        let shift = &plan[writer].instruction;
        let scale = u8::try_from(shift.x % 64).ok().filter(|scale| (1..=MAX_SCALE).contains(scale))?;
        (shift.op == Op::ShloLImm64).then_some(())?;
        let value = values.held(shift.b, writer);
        let (reg, value) = holders.holder(plan, value, index)?;
        Some((reg, value, scale))
    };
    let (base, (scaled, value, scale)) = match (scaled(b), scaled(a)) {
        (Some(scaled), _) => (a, scaled),
        (None, Some(scaled)) => (b, scaled),
        (None, None) => return,
    };
    let mut uses = Uses::default();
    uses.push(Use::passed_on(base, values.held(base, index)));
    uses.push(Use::passed_on(scaled, value));
    plan[index].form = Form::Sum(Address { base: Some(base), index: Some((scaled, scale)), disp: 0 });
    plan[index].uses = uses;
}

impl Sum {
    /// Takes one term apart into what computed it. `false` when no term can be.
    fn expand(&mut self, plan: &[Planned], values: &Values) -> bool {
        for position in 0..self.terms.len() {
            let Term { value, scale } = self.terms[position];
            let Some(writer) = value.writer() else { continue };
            let Some((terms, disp)) = parts(plan, values, writer) else { continue };
            let fits = terms.iter().flatten().all(|term| term.scale + scale <= MAX_SCALE);
            if !fits || self.terms.len() - 1 + terms.iter().flatten().count() > MAX_TERMS {
                continue;
            }
            self.terms.remove(position);
            self.terms.extend(terms.into_iter().flatten().map(|term| Term { scale: term.scale + scale, ..term }));
            self.disp = self.disp.wrapping_add(disp.wrapping_shl(scale.into()));
            return true;
        }
        false
    }

    /// The address, if registers hold all terms at instruction `at` and x86 has a form for it.
    fn address(&self, plan: &[Planned], holders: &Holders<'_>, at: usize) -> Option<(Address, Uses)> {
        if self.terms.len() > 2 {
            return None;
        }
        let mut uses = Uses::default();
        let mut held = [None; 2];
        for (slot, term) in held.iter_mut().zip(&self.terms) {
            let (reg, value) = holders.holder(plan, term.value, at)?;
            uses.push(Use::new(reg, value, Demand::Low));
            *slot = Some((reg, term.scale));
        }
        let (base, index) = match held {
            [None, _] => (None, None),
            [Some((reg, 0)), None] => (Some(reg), None),
            [scaled, None] => (None, scaled),
            [Some((base, 0)), index] | [index, Some((base, 0))] => (Some(base), index),
            _ => return None,
        };
        Some((Address { base, index, disp: self.disp }, uses))
    }
}

/// What an instruction's result is the sum of, modulo 2^32.
fn parts(plan: &[Planned], values: &Values, writer: usize) -> Option<([Option<Term>; 2], i32)> {
    let Instruction { op, a, b, x, .. } = plan[writer].instruction;
    let term = |reg: Reg, at: usize, scale: u8| Term { value: values.held(reg, at), scale };
    let imm = x as i32;
    Some(match op {
        Op::MoveReg => ([Some(term(a, writer, 0)), None], 0),
        Op::Add64 | Op::Add32 => ([Some(term(a, writer, 0)), Some(term(b, writer, 0))], 0),
        Op::AddImm64 | Op::AddImm32 => ([Some(term(b, writer, 0)), None], imm),
        Op::LoadImm | Op::LoadImm64 => ([None, None], imm),
        Op::ShloLImm64 if x % 64 <= MAX_SCALE.into() => ([Some(term(b, writer, (x % 64) as u8)), None], 0),
        Op::ShloLImm32 if x % 32 <= MAX_SCALE.into() => ([Some(term(b, writer, (x % 32) as u8)), None], 0),
        Op::ShloRImm64 => {
            // x << 32 >> (32 − scale): the lower half of x, scaled.
            let first = values.held(b, writer).writer()?;
            let shift = plan[first].instruction;
            let scale = 32_u8.checked_sub((x % 64) as u8).filter(|&scale| scale <= MAX_SCALE)?;
            (shift.op == Op::ShloLImm64 && shift.x % 64 == 32).then_some(())?;
            ([Some(term(shift.b, first, scale)), None], 0)
        }
        _ => return None,
    })
}
