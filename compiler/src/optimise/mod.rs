//! The optimiser of the `best` tier: decides, region by region, how each instruction is emitted.
//!
//! It changes nothing about where code can be entered, and what the guest has paid wherever it is left. Which blocks are charged for
//! where, and whose code is there more than once, is decided for the whole program ([`credit`], [`copies`], [`counted`], [`tails`], over the
//! blocks of [`flow`]), and so is where functions mostly return to ([`returns`]). Within a region it first puts accesses before what overwrites their addresses' parts ([`mod@sink`]). Then it
//! follows which instruction's result each operand is ([`values`]), and then
//!
//! * puts constants where registers were ([`constants`]),
//! * lets loads and stores compute their addresses themselves ([`address`]),
//! * adds constants at once that are added one after the other ([`steps`]),
//! * makes one machine instruction of a pair of shifts ([`extension`]),
//! * adds and subtracts carries ([`carry`]),
//! * asks what answers came from, not the answers ([`question`]); compares 32 bits where 64 would say the same, and extends for comparisons only
//!   what nobody else looks at ([`compare`]),
//! * leaves out what nobody looks at: whole instructions, or their sign extensions ([`needs`], [`late`]),
//! * and at last, when it is certain what is emitted, makes loads operands of operations ([`operand`]), computes both halves of a
//!   product at once ([`product`]), adds carries where they come up, keeps what was just stored ([`forward`]), and notes which registers need not be kept ([`fixed`]).
//!
//! What somebody may look at behind a region comes from [`liveness`], which walks the whole program. How exact registers must be at
//! exits is the caller's choice, [`crate::Observed`].
//!
//! All of it takes time linear in the program's length: passes look at an instruction a bounded number of times.

mod address;
mod carry;
mod compare;
mod constants;
mod copies;
mod counted;
mod credit;
mod effects;
mod extension;
mod fixed;
mod flow;
mod forward;
mod holders;
mod late;
#[cfg(test)]
mod limits;
mod liveness;
mod needs;
mod operand;
mod product;
mod question;
mod registers;
mod returns;
mod sink;
mod steps;
mod tails;
#[cfg(test)]
mod testing;
mod values;

pub use address::Address;
pub use carry::Carry;
pub use compare::Comparison;
pub use counted::{Counted, Step};
pub use credit::Credits;
pub use extension::Extension;
pub use flow::Flow;
pub use liveness::Liveness;
pub use operand::Operand;
pub use product::{Half, Product};
pub use question::{Question, Side};
pub use registers::{Live, RegSet};
pub use returns::Guess;
pub use sink::sink;

use effects::{Demand, Read};
use holders::{Holders, InPlace};
use tvm_isa::{Instruction, Reg};
use values::{Value, Values};

/// Most attempts at planning a region with values looked at in place; see [`holders`].
const MAX_ATTEMPTS: usize = 3;

/// How an instruction is emitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As on the `fast` tier.
    Plain,
    /// Not at all: nobody looks at the result.
    Nothing,
    /// Without the sign extension at its end: nobody looks at the upper half.
    Narrow,
    /// A guest memory access at an address made of more than one register.
    At(Address),
    /// A sum with a scaled register.
    Sum(Address),
    /// The second of two shifts, which does the work of both.
    Extension(Extension),
    /// An addition or subtraction of what a comparison gave.
    Carry(Carry),
    /// An addition or subtraction, and that of its carry, which goes to this register.
    Carrying(Carry, Reg),
    /// A branch, a conditional move or a comparison that asks another question than its own.
    Ask(Question),
    /// A bitwise operation on lower halves, whose result is sign-extended.
    Late,
    /// An operation that takes an operand from memory.
    Operand(Operand),
    /// One or both halves of a product that is computed once.
    Product(Product),
    /// A load of what is in the scratch register.
    Held,
}

impl Form {
    /// Whether nothing is emitted.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Whether it is emitted as it is.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// What is asked instead of the instruction's own question.
    pub fn question(&self) -> Option<&Question> {
        match self {
            Self::Ask(question) => Some(question),
            _ => None,
        }
    }
}

/// An instruction and how it is emitted.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// The instruction, perhaps another with the same effect.
    pub instruction: Instruction,
    /// How it is emitted.
    pub form: Form,
    /// The registers that somebody looks at behind it; maybe more.
    pub needed: RegSet,
    /// What the emitted code looks at.
    uses: Uses,
    /// Whether nobody looks at the upper half of the result, and the lower half depends on lower halves only.
    low: bool,
    /// Whether what it stores is put into the scratch register, too.
    pub kept: bool,
}

/// A value that emitted code looks at, in a register that must hold it there.
#[derive(Clone, Copy, Debug)]
struct Use {
    reg: Reg,
    value: Value,
    demand: Demand,
    /// Whether no more of it matters than of the result.
    passed_on: bool,
}

impl Use {
    /// A value that something is computed from.
    fn new(reg: Reg, value: Value, demand: Demand) -> Self {
        Self { reg, value, demand, passed_on: false }
    }

    /// A value of which no more matters than of the result.
    fn passed_on(reg: Reg, value: Value) -> Self {
        Self { reg, value, demand: Demand::Full, passed_on: true }
    }
}

/// What the code of an instruction looks at: at most four times a value.
#[derive(Clone, Copy, Default, Debug)]
struct Uses([Option<Use>; 4]);

impl Uses {
    /// What an instruction itself looks at, as instruction number `at` of its region.
    fn of(instruction: &Instruction, values: &Values, at: usize) -> Self {
        let mut uses = Self::default();
        for Read { reg, demand, passed_on } in effects::reads(instruction).iter() {
            uses.push(Use { reg, value: values.held(reg, at), demand, passed_on });
        }
        uses
    }

    fn push(&mut self, new: Use) {
        let free = self.0.iter_mut().find(|slot| slot.is_none());
        *free.expect("no instruction looks at values more than four times") = Some(new);
    }

    fn iter(&self) -> impl Iterator<Item = Use> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// What a region must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Duties {
    /// What somebody may look at behind the region.
    pub live: Live,
    /// Whether all registers must be right wherever the region can be left.
    pub exact: bool,
    /// Whether the last instruction may have to be executed by the interpreter, which reads the registers it names.
    pub last_may_be_interpreted: bool,
}

/// Plans a region.
pub fn plan(region: &[Instruction], duties: Duties, out: &mut Vec<Planned>) {
    let values = Values::new(region);
    decide(region, duties, &values, out);
    operand::fold(out, duties);
    product::join(out, &values, duties);
    carry::join(out, duties);
    forward::keep(out, &values);
    fixed::note_needed(out, duties);
}

/// Decides what is emitted.
fn decide(region: &[Instruction], duties: Duties, values: &Values, out: &mut Vec<Planned>) {
    let mut in_place = InPlace::everywhere(region.len());
    for _ in 0..MAX_ATTEMPTS {
        attempt(region, duties, values, &in_place, out);
        if !in_place.forbid_wrong(out, values) {
            return;
        }
    }
    attempt(region, duties, values, &InPlace::nowhere(), out);
    debug_assert!(!InPlace::nowhere().forbid_wrong(out, values), "every register holds what is looked at there");
}

fn attempt(region: &[Instruction], duties: Duties, values: &Values, in_place: &InPlace, out: &mut Vec<Planned>) {
    out.clear();
    out.extend(region.iter().enumerate().map(|(at, &instruction)| Planned {
        instruction,
        form: Form::Plain,
        uses: Uses::of(&instruction, values, at),
        needed: RegSet::ALL,
        low: false,
        kept: false,
    }));
    let holders = Holders { values, in_place };
    // What the interpreter may execute stays as it is.
    let free = out.len() - usize::from(duties.last_may_be_interpreted && !out.is_empty());
    constants::place(&mut out[..free], values);
    address::fold(out, &holders);
    extension::pair(out, &holders);
    carry::fold(out, &holders);
    question::ask(&mut out[..free], &holders);
    steps::join(&mut out[..free], &holders);
    needs::drop_unneeded(out, values, duties);
    compare::settle(out, values);
}
