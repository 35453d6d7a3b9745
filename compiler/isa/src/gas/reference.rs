//! GP 0.8.0, A.9, equation by equation: the pipeline model as it is printed, not as it is fast.
//!
//! One function for each function of the text, in the text's order and with its case distinctions, on the text's state.
//! Compiler and interpreter use the fast form; tests hold it against this one.
//!
//! | here | Gray Paper | |
//! | --- | --- | --- |
//! | [`block_cost`] | ϱ^Δ | cycles of the whole simulation, less three, at least one |
//! | `simulate` | 𝔛 | takes the first action that applies, until none does |
//! | `decode` | 𝔛′ | by way of `decode_move` (𝔛^mov) or `decode_other` (𝔛^dec) |
//! | `start` | 𝔛″ | starts the entry that `next_ready` (𝔖) names |
//! | `tick` | 𝔛‴ | ends the cycle |

use super::branch_latency;
use super::cost_table::{Cost, Latency, MACHINE_UNITS, Registers, Units};
use crate::instruction::Instruction;
use crate::opcode::Op;
use crate::program::Program;
use crate::units::{Gas, Pc};
use crate::version::Rules;

/// Decode slots in each cycle.
const DECODE_SLOTS: u8 = 4;

/// Instructions that may start in each cycle.
const STARTS: u8 = 5;

/// Entries of the reorder buffer that may be live.
const REORDER_BUFFER: usize = 32;

/// GP: 𝕊.
struct Simulation {
    /// GP: ı, the next instruction to decode.
    counter: Option<Pc>,
    /// GP: c.
    cycle: u64,
    /// GP: d, decode slots left in this cycle.
    decode_slots: u8,
    /// GP: e, instructions that may still start in this cycle.
    starts: u8,
    /// GP: t, units that are free.
    units: Units,
    /// GP: r.
    reorder_buffer: Vec<Entry>,
}

/// GP: ℝ.
struct Entry {
    /// GP: s.
    state: State,
    /// GP: c, cycles until the result is there.
    cycles_left: u8,
    /// GP: p, indices of the entries whose results it needs.
    dependencies: Vec<usize>,
    /// GP: r, registers whose current value it produces.
    registers: Registers,
    /// GP: t.
    units: Units,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Decoded,
    Waiting,
    Executing,
    Finished,
    /// GP: ∅, the entry is no longer live.
    Retired,
}

/// The gas of the block that starts at `start` (GP: ϱ^Δ). Takes time up to quadratic in the block's length.
#[must_use]
pub fn block_cost(program: &Program<'_>, rules: &Rules, start: Pc) -> Gas {
    let initial = Simulation {
        counter: Some(start),
        cycle: 0,
        decode_slots: DECODE_SLOTS,
        starts: STARTS,
        units: MACHINE_UNITS,
        reorder_buffer: Vec::new(),
    };
    let last = simulate(program, rules, initial);
    Gas(last.cycle.saturating_sub(3).max(1))
}

fn simulate(program: &Program<'_>, rules: &Rules, mut x: Simulation) -> Simulation {
    loop {
        let live = x.reorder_buffer.iter().filter(|entry| entry.state != State::Retired).count();
        let next = x.counter.map(|pc| Instruction::decode(program, rules, pc));
        let ready = next_ready(&x);
        match (next, ready) {
            (Some(next), _) if slots(&next) <= x.decode_slots && live < REORDER_BUFFER => {
                decode(program, rules, &mut x, &next);
            }
            (_, Some(ready)) if x.starts > 0 => start(&mut x, ready),
            (None, _) if live == 0 => return x,
            _ => tick(&mut x),
        }
    }
}

/// The text asks for the raw byte at ı being `move_reg`, here the decoded operation is asked: in a validated program,
/// the only kind that runs under this model, they are the same.
fn decode(program: &Program<'_>, rules: &Rules, x: &mut Simulation, next: &Instruction) {
    match next.op {
        Op::MoveReg => decode_move(x, next),
        _ => decode_other(program, rules, x, next),
    }
}

fn decode_move(x: &mut Simulation, next: &Instruction) {
    x.counter = Some(next.next_pc());
    x.decode_slots -= 1;
    for entry in &mut x.reorder_buffer {
        if entry.registers & sources(next) != 0 {
            entry.registers |= destinations(next);
        } else {
            entry.registers &= !destinations(next);
        }
    }
}

fn decode_other(program: &Program<'_>, rules: &Rules, x: &mut Simulation, next: &Instruction) {
    x.counter = if next.op.terminates_block() { None } else { Some(next.next_pc()) };
    x.decode_slots -= slots(next);
    let cycles_left = match Cost::of(next.op).latency {
        Latency::Cycles(cycles) => cycles,
        Latency::Branch => branch_latency(program.code(), rules.opcodes, next),
    };
    let produces_a_source = |&index: &usize| x.reorder_buffer[index].registers & sources(next) != 0;
    let dependencies = (0..x.reorder_buffer.len()).filter(produces_a_source).collect();
    for entry in &mut x.reorder_buffer {
        entry.registers &= !destinations(next);
    }
    x.reorder_buffer.push(Entry {
        state: State::Decoded,
        cycles_left,
        dependencies,
        registers: destinations(next),
        units: Cost::of(next.op).units,
    });
}

fn start(x: &mut Simulation, ready: usize) {
    x.starts -= 1;
    x.units = zip(x.units, x.reorder_buffer[ready].units, |free, needed| free - needed);
    x.reorder_buffer[ready].state = State::Executing;
}

fn next_ready(x: &Simulation) -> Option<usize> {
    x.reorder_buffer.iter().position(|entry| {
        entry.state == State::Waiting
            && fit(entry.units, x.units)
            && entry.dependencies.iter().all(|&index| x.reorder_buffer[index].cycles_left == 0)
    })
}

fn tick(x: &mut Simulation) {
    x.decode_slots = DECODE_SLOTS;
    x.starts = STARTS;
    x.cycle += 1;
    for entry in &x.reorder_buffer {
        if entry.state == State::Executing && entry.cycles_left == 1 {
            x.units = zip(x.units, entry.units, |free, released| free + released);
        }
    }
    // Whether this entry and all before it were finished or retired before the tick.
    let mut all_finished = true;
    for entry in &mut x.reorder_buffer {
        all_finished &= matches!(entry.state, State::Finished | State::Retired);
        let (state, cycles_left) = (entry.state, entry.cycles_left);
        entry.state = match state {
            _ if all_finished => State::Retired,
            State::Decoded => State::Waiting,
            State::Executing if cycles_left == 0 => State::Finished,
            _ => state,
        };
        entry.cycles_left = match state {
            State::Executing if cycles_left > 0 => cycles_left - 1,
            _ => cycles_left,
        };
    }
}

/// GP: š.
fn sources(instruction: &Instruction) -> Registers {
    Cost::of(instruction.op).sources.registers(instruction)
}

/// GP: ř.
fn destinations(instruction: &Instruction) -> Registers {
    Cost::of(instruction.op).destinations.registers(instruction)
}

/// GP: ď.
fn slots(instruction: &Instruction) -> u8 {
    Cost::of(instruction.op).slots.count(instruction, sources(instruction), destinations(instruction))
}

/// GP: needed ≤ free, for every kind of unit.
fn fit(needed: Units, free: Units) -> bool {
    let Units { a, l, s, m, d } = needed;
    a <= free.a && l <= free.l && s <= free.s && m <= free.m && d <= free.d
}

/// GP: x ⊕ y, for every kind of unit.
fn zip(x: Units, y: Units, op: impl Fn(u8, u8) -> u8) -> Units {
    let Units { a, l, s, m, d } = y;
    Units { a: op(x.a, a), l: op(x.l, l), s: op(x.s, s), m: op(x.m, m), d: op(x.d, d) }
}
