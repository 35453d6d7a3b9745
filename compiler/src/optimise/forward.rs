//! What was just stored is not loaded again.
//!
//! Compilers that are short of registers store a word and load it soon after. A load waits for the store before it, for half a dozen cycles and
//! more; a word that is kept in the scratch register besides is there at once. *Assumes* a plan in which all else is decided. *Keeps* every
//! result: nothing between the two uses the scratch register, or stores to where the word is; what was stored there can be loaded
//! from there, so that the load's fault is none.

use tvm_isa::Op;

use super::operand::{self, Operand};
use super::product::{self, Product};
use super::values::{Value, Values};
use super::{Address, Form, Planned, effects};

/// Most stores that are remembered; each costs every later one time.
pub(super) const MAX_STORES: usize = 16;

/// Where an access is: so far from what a register holds.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    base: Value,
    disp: i32,
}

/// The words in memory that a region stored.
#[derive(Default)]
struct Stored(Vec<(Place, usize)>);

/// Keeps words in the scratch register from where they are stored to where they are loaded.
pub fn keep(plan: &mut [Planned], values: &Values) {
    let mut stored = Stored::default();
    // The last instruction that needs the scratch register, and the store whose word is in it.
    let (mut needed, mut held): (Option<usize>, Option<usize>) = (None, None);
    let mut half_waits = false;
    for at in 0..plan.len() {
        let planned = plan[at];
        if planned.form.is_nothing() {
            continue;
        }
        let is_free = |store: usize| held == Some(store) || needed.is_none_or(|needed| needed < store);
        if let Some(store) =
            loaded(&planned, values).and_then(|place| stored.at(place)).filter(|&store| is_free(store) && !half_waits)
        {
            plan[store].kept = true;
            plan[at].form = match planned.form {
                Form::Operand(operand) => Form::Operand(Operand { held: true, ..operand }),
                _ => Form::Held,
            };
            (needed, held) = (Some(at), Some(store));
        } else if !product::keeps_scratch(&planned) {
            (needed, held) = (Some(at), None);
        }
        match planned.form {
            Form::Product(Product::OwnHalf(_)) => half_waits = true,
            Form::Product(Product::OtherHalf) => half_waits = false,
            _ => {}
        }
        stored.note(&planned, values, at);
    }
}

/// Where an instruction loads a whole word from.
fn loaded(planned: &Planned, values: &Values) -> Option<Place> {
    match planned.form {
        Form::Operand(operand) => operand.wide.then(|| place(planned, values, operand.address))?,
        _ if planned.instruction.op == Op::LoadIndU64 => own_place(planned, values),
        _ => None,
    }
}

fn own_place(planned: &Planned, values: &Values) -> Option<Place> {
    match planned.form {
        Form::Plain => place(planned, values, operand::own_address(planned)),
        Form::At(address) => place(planned, values, address),
        _ => None,
    }
}

fn place(planned: &Planned, values: &Values, address: Address) -> Option<Place> {
    let Address { base: Some(base), index: None, disp } = address else { return None };
    let used = planned.uses.iter().find(|used| used.reg == base)?;
    Some(Place { base: values.origin(used.value), disp })
}

impl Stored {
    /// The store whose word is at `place`.
    fn at(&self, place: Place) -> Option<usize> {
        self.0.iter().find(|stored| stored.0 == place).map(|&(_, store)| store)
    }

    /// Notes what an instruction stores.
    fn note(&mut self, planned: &Planned, values: &Values, at: usize) {
        let op = planned.instruction.op;
        if effects::sees_all(op) {
            return self.0.clear();
        }
        let Some(bytes) = op.stored_bytes() else { return };
        let to = own_place(planned, values);
        self.0.retain(|&(place, _)| to.is_some_and(|to| place.is_apart_from(to, bytes)));
        if let (Some(to), Op::StoreIndU64) = (to, op) {
            if self.0.len() == MAX_STORES {
                self.0.remove(0);
            }
            self.0.push((to, at));
        }
    }
}

impl Place {
    /// Whether a word here has nothing in common with so many bytes there.
    fn is_apart_from(self, other: Self, bytes: usize) -> bool {
        let distance = other.disp.wrapping_sub(self.disp);
        self.base == other.base && (distance >= 8 || distance <= -(bytes as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::testing::{self, inst, three};
    use crate::optimise::{Live, RegSet};
    use tvm_isa::{Instruction, Reg};

    /// The plan of a region behind which somebody looks at all registers but 10.
    fn planned(region: &[Instruction]) -> Vec<Planned> {
        let all = RegSet::ALL.without(RegSet::of(Reg::clamped(10)));
        testing::planned(region, Live { low: all, high: all })
    }

    /// Whether a word that is stored at 8 from register 2, and loaded behind `between`, is kept.
    fn is_kept(between: &[Instruction]) -> bool {
        let mut region = vec![inst(Op::StoreIndU64, 3, 2, 8)];
        region.extend_from_slice(between);
        region.push(inst(Op::LoadIndU64, 4, 2, 8));
        let planned = planned(&region);
        let is_held = planned.last().is_some_and(|load| load.form == Form::Held);
        assert_eq!(planned[0].kept, is_held);
        is_held
    }

    #[test]
    fn a_word_is_kept() {
        assert!(is_kept(&[]) && is_kept(&[inst(Op::LoadIndU8, 3, 5, 0), three(Op::Xor, 6, 3, 7)]));
        // As the operand of an operation.
        let region = [
            inst(Op::StoreIndU64, 3, 2, 8),
            inst(Op::LoadIndU64, 3, 5, 0),
            inst(Op::LoadIndU64, 10, 2, 8),
            three(Op::Xor, 4, 4, 10),
        ];
        let planned = planned(&region);
        assert!(
            planned[0].kept && planned.iter().any(|it| matches!(it.form, Form::Operand(Operand { held: true, .. })))
        );
    }

    #[test]
    fn not_where_something_else_may_be_stored() {
        for (op, bytes) in [(Op::StoreIndU8, 1), (Op::StoreIndU16, 2), (Op::StoreIndU32, 4), (Op::StoreIndU64, 8)] {
            assert!(is_kept(&[inst(op, 6, 2, 16)]) && is_kept(&[inst(op, 6, 2, 8 - bytes)]));
            assert!(!is_kept(&[inst(op, 6, 2, 15)]) && !is_kept(&[inst(op, 6, 2, 9 - bytes)]));
        }
        assert!(!is_kept(&[inst(Op::StoreIndU8, 6, 5, 800)]), "from another register");
        assert!(!is_kept(&[inst(Op::StoreU8, 6, 0, 800)]) && !is_kept(&[inst(Op::StoreImmIndU8, 5, 0, 800)]));
        assert!(!is_kept(&[inst(Op::Ecalli, 0, 0, 1)]), "a host may store");
        assert!(!is_kept(&[inst(Op::LoadIndU64, 2, 5, 0)]), "another place");
        let wrapped = [inst(Op::StoreIndU64, 6, 2, i32::MIN.into()), inst(Op::StoreIndU64, 6, 2, i32::MAX.into())];
        assert!(is_kept(&wrapped));
    }

    #[test]
    fn not_where_the_scratch_register_is_needed() {
        assert!(!is_kept(&[inst(Op::SetLtUImm, 6, 6, 5)]) && !is_kept(&[three(Op::MulUpperSS, 6, 7, 8)]));
        // One word at a time, and that which is loaded first.
        let region = [
            inst(Op::StoreIndU64, 3, 2, 8),
            inst(Op::StoreIndU64, 4, 2, 16),
            inst(Op::LoadIndU64, 5, 2, 16),
            inst(Op::LoadIndU64, 6, 2, 8),
            inst(Op::LoadIndU64, 7, 2, 16),
        ];
        let forms = planned(&region).into_iter().map(|it| it.form).collect::<Vec<_>>();
        assert_eq!(forms[2..], [Form::Held, Form::Plain, Form::Held]);
    }

    #[test]
    fn not_where_a_half_of_a_product_waits() {
        let low = three(Op::Mul64, 6, 7, 8);
        let high = three(Op::MulUpperUU, 6, 7, 8);
        let spill = [inst(Op::StoreIndU64, 3, 2, 8), inst(Op::LoadIndU64, 4, 2, 8)];
        let region = [low, inst(Op::StoreIndU64, 6, 2, 24), spill[0], spill[1], high];
        let forms = planned(&region).into_iter().map(|it| it.form).collect::<Vec<_>>();
        assert!(matches!(forms[4], Form::Product(Product::OtherHalf)), "{forms:?}");
        assert_eq!(forms[3], Form::Plain);
    }
}
