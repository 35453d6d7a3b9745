//! Loads as operands of the operations that use them.
//!
//! RISC-V computes in registers only; x86 also with an operand in memory. A plan in which all else is decided tells which register each
//! machine instruction reads and writes. *Assumes* that what a load wrote is looked at by one operation only, which computes in place, and
//! that a fault ends execution unless registers must be exact. *Keeps* the order of accesses and their sites: the combined instruction
//! reads memory before it changes anything, and when it faults the interpreter starts with the load. Either the operation moves up to
//! the load, over what neither reads nor writes the operation's result; or the load moves down, over what cannot leave.

use tvm_isa::{Op, Reg};

use super::effects;
use super::registers::RegSet;
use super::{Address, Duties, Form, Planned, Product, Use, Uses};
use crate::lower;

/// Most instructions from a load to the operation that it becomes an operand of.
pub(super) const MAX_DISTANCE: usize = 24;

/// The operand in memory of an operation `d = d op memory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operand {
    /// The load's place in the region.
    pub load: u16,
    /// Where it loads from.
    pub address: Address,
    /// Whether that is another address than the load's own registers say.
    pub computed: bool,
    /// Whether it has 64 bits instead of 32.
    pub wide: bool,
    /// Whether the result is sign-extended from 32 bits.
    pub extended: bool,
    /// Whether it is in the scratch register besides, and taken from there.
    pub held: bool,
}

/// Puts loads into the operations that use them. To be done when it is certain what is emitted.
pub fn fold(plan: &mut [Planned], duties: Duties) {
    let live_behind = live_behind(plan, duties);
    // The load that wrote what each register holds.
    let mut loads: [Option<usize>; Reg::COUNT] = [None; Reg::COUNT];
    for index in 0..plan.len() {
        let candidate = operand(plan, &loads, index);
        if let Some((load, from)) = candidate.filter(|&(load, from)| may_combine(load, index, &live_behind, from))
            && let Some(at) = place(plan, load, index, from, duties.exact)
        {
            let result = plan[index].instruction.d;
            combine(plan, load, index, at, from);
            loads[result.index()] = None;
            continue;
        }
        let planned = &plan[index];
        if let Some(reg) = effects::written(&planned.instruction).filter(|_| !planned.form.is_nothing()) {
            loads[reg.index()] = bytes_loaded(planned).map(|_| index);
        }
    }
}

fn may_combine(load: usize, index: usize, live_behind: &[RegSet], from: Reg) -> bool {
    index - load <= MAX_DISTANCE && !live_behind[index].has(from)
}

/// Where the load and the operation can be done at once, if they can.
fn place(plan: &[Planned], load: usize, index: usize, from: Reg, exact: bool) -> Option<usize> {
    if moves_up(plan, load, index, from, exact) {
        Some(load)
    } else if !exact && moves_down(plan, load, index, from) {
        Some(index)
    } else {
        None
    }
}

/// The load and the register it wrote that could become the memory operand of instruction `index`.
fn operand(plan: &[Planned], loads: &[Option<usize>; Reg::COUNT], index: usize) -> Option<(usize, Reg)> {
    let planned = &plan[index];
    let tvm_isa::Instruction { op, a, b, d, .. } = planned.instruction;
    if !matches!(planned.form, Form::Plain | Form::Narrow | Form::Late) || a == b {
        return None;
    }
    let commutes = match op {
        Op::Add64 | Op::Add32 | Op::And | Op::Or | Op::Xor | Op::Mul64 | Op::Mul32 => true,
        Op::Sub64 | Op::Sub32 => false,
        _ => return None,
    };
    let from = match d {
        _ if d == a => b,
        _ if d == b && commutes => a,
        _ => return None,
    };
    let load = loads[from.index()]?;
    width(&plan[load], planned)?;
    Some((load, from))
}

/// Whether the operation has 64 bits with this load as its operand. `None` if it would be another number.
fn width(load: &Planned, operation: &Planned) -> Option<bool> {
    let bytes = bytes_loaded(load)?;
    let op = operation.instruction.op;
    let is_word = operation.form == Form::Late || matches!(op, Op::Add32 | Op::Sub32 | Op::Mul32);
    let extended_with_zeros = matches!(load.instruction.op, Op::LoadU32 | Op::LoadIndU32);
    match bytes {
        8 => (!is_word).then_some(true),
        // The upper half of what is masked is zero.
        _ if op == Op::And && extended_with_zeros => Some(false),
        _ => (is_word || operation.low).then_some(false),
    }
}

/// How much an instruction loads, if it is a load of 4 or 8 bytes that is emitted as such.
fn bytes_loaded(planned: &Planned) -> Option<u8> {
    if !matches!(planned.form, Form::Plain | Form::At(_)) {
        return None;
    }
    match planned.instruction.op {
        Op::LoadIndU64 | Op::LoadU64 => Some(8),
        Op::LoadIndU32 | Op::LoadIndI32 | Op::LoadU32 | Op::LoadI32 => Some(4),
        _ => None,
    }
}

/// What the operation looks at besides `from`, which it computes in place.
fn other_use(operation: &Planned, from: Reg) -> Use {
    let other = operation.uses.iter().find(|used| used.reg != from);
    other.expect("the operation looks at two registers")
}

/// Whether the operation at `index` may be done where `load` is.
fn moves_up(plan: &[Planned], load: usize, index: usize, from: Reg, exact: bool) -> bool {
    let own = RegSet::of(plan[index].instruction.d).with(RegSet::of(from));
    emitted_between(plan, load, index)
        .all(|between| !is_barrier(between, exact) && !reads(between).with(writes(between)).meets(own))
}

/// Whether `load` may be done where the operation at `index` is.
fn moves_down(plan: &[Planned], load: usize, index: usize, from: Reg) -> bool {
    let address = reads(&plan[load]);
    emitted_between(plan, load, index).all(|between| {
        let touched = reads(between).with(writes(between));
        !can_leave(between) && !writes(between).meets(address) && !touched.has(from)
    })
}

/// Lets the operation at `index` take what `load` loaded to `from` from memory, at the place `at`, which is one of the two.
fn combine(plan: &mut [Planned], load: usize, index: usize, at: usize, from: Reg) {
    let operation = plan[index];
    let loading = plan[load];
    let (address, computed) = match loading.form {
        Form::At(address) => (address, true),
        _ => (own_address(&loading), false),
    };
    let wide = width(&loading, &operation) == Some(true);
    let extended = match operation.form {
        Form::Late => true,
        Form::Plain => matches!(operation.instruction.op, Op::Add32 | Op::Sub32 | Op::Mul32),
        _ => false,
    };
    let load_number = u16::try_from(load).expect("regions are shorter than that");
    let mut uses = Uses::default();
    loading.uses.iter().for_each(|used| uses.push(used));
    uses.push(other_use(&operation, from));
    plan[load].form = Form::Nothing;
    plan[index].form = Form::Nothing;
    let form = Form::Operand(Operand { load: load_number, address, computed, wide, extended, held: false });
    plan[at] = Planned { form, uses, ..operation };
}

/// The address of an access that is emitted as it is.
pub(super) fn own_address(access: &Planned) -> Address {
    Address { base: lower::address_register(&access.instruction), index: None, disp: access.instruction.x as i32 }
}

/// The registers whose contents somebody looks at behind each instruction.
pub(super) fn live_behind(plan: &[Planned], Duties { live, exact, .. }: Duties) -> Vec<RegSet> {
    let mut live = if exact { RegSet::ALL } else { live.low };
    let mut behind = vec![RegSet::EMPTY; plan.len()];
    for (planned, behind) in plan.iter().zip(&mut behind).rev() {
        *behind = live;
        if planned.form.is_nothing() {
            continue;
        }
        live = live.without(writes(planned)).with(reads(planned));
        if effects::sees_all(planned.instruction.op) || exact && can_leave(planned) {
            live = RegSet::ALL;
        }
    }
    behind
}

/// The registers that the emitted code reads.
pub(super) fn reads(planned: &Planned) -> RegSet {
    planned.uses.iter().fold(RegSet::EMPTY, |set, used| set.with(RegSet::of(used.reg)))
}

/// The registers that the emitted code writes.
pub(super) fn writes(planned: &Planned) -> RegSet {
    match planned.form {
        Form::Nothing => RegSet::EMPTY,
        Form::Product(Product::Both { low, high }) => RegSet::of(low).with(RegSet::of(high)),
        Form::Carrying(_, to) => effects::written_set(&planned.instruction).with(RegSet::of(to)),
        _ => effects::written_set(&planned.instruction),
    }
}

/// Whether the emitted code may be left.
pub(super) fn can_leave(planned: &Planned) -> bool {
    matches!(planned.form, Form::Operand(_)) || !effects::is_pure(planned.instruction.op)
}

/// The instructions between two others that are emitted.
pub(super) fn emitted_between(plan: &[Planned], first: usize, second: usize) -> impl Iterator<Item = &Planned> {
    plan[first + 1..second].iter().filter(|between| !between.form.is_nothing())
}

/// Whether no result may be moved over an instruction, because all registers must be right where it executes.
pub(super) fn is_barrier(planned: &Planned, exact: bool) -> bool {
    effects::sees_all(planned.instruction.op) || exact && can_leave(planned)
}
