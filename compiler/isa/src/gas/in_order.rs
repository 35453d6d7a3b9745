//! The pipeline model for blocks in which nobody has to give way to a later instruction: most blocks of real programs.
//!
//! Instructions are placed one after the other, each into the first cycle in which its operands are there and its units
//! are free. Unlike the simulation this looks at each instruction once and at no cycle. It is exact as long as every
//! instruction gets what it would get if nothing came after it, and that is what [`InOrder::place`] makes sure of:
//!
//! * An instruction is put on units whose last use ends before it starts, so it takes nothing away from older ones.
//! * If all units are in use, each without a gap from that cycle on, it waits for the first to become free. So it does in
//!   the simulation, which starts the oldest first.
//! * If a unit has a gap, the instruction might run in it and beyond its end, where an older instruction starts, which
//!   would then be late. This gives up, and the simulation decides.
//! * A sixth start in one cycle, or two arithmetic units that are not free together, are rare enough to give up too.
//!
//! Blocks have at most [`LIMIT`] instructions here, so the reorder buffer is never full.

use core::hint::select_unpredictable;

use super::cost_table::MACHINE_UNITS;
use super::rows::{DECODE_SLOTS, Demand, LATENCY_LIMIT, REGISTERS, REORDER_BUFFER, RETIRING, STARTS, UnitClass};

/// The most instructions of a block that are placed in order.
pub(super) const LIMIT: usize = REORDER_BUFFER;

/// The arithmetic units of the machine.
const ALUS: usize = 4;
const _: () = assert!(MACHINE_UNITS.a as usize == ALUS);

/// Cycles whose starts are counted; two that are this far apart share a counter.
const COUNTERS: usize = 64;

/// The instructions placed so far in the current block.
///
/// Cycles are counted on from block to block. Whatever was before a block is over when it begins and needs no clearing.
#[derive(Clone, Debug)]
pub(super) struct InOrder {
    /// The cycle in which the block began.
    first: u64,
    /// The cycle that decodes the next instruction, if its slots suffice.
    now: u64,
    decode_slots: u8,
    /// For each register, the cycle that brings its value.
    values: [u64; REGISTERS],
    alus: Alus,
    multiplier: Use,
    divider: Use,
    /// For each cycle, modulo the array's length, 8 × cycle + instructions that start in it.
    starts: [u64; COUNTERS],
    /// The last cycle that brings a result.
    last: u64,
    /// Number of instructions placed.
    count: usize,
}

/// A unit's last time in use without a gap.
#[derive(Clone, Copy, Debug)]
struct Use {
    from: u64,
    /// The first cycle in which it is free again.
    until: u64,
}

/// The same for each arithmetic unit, and for one behind them that is none: [`NO_ALU`].
#[derive(Clone, Debug)]
struct Alus {
    from: [u64; ALUS + 1],
    until: [u64; ALUS + 1],
}

/// Taken by instructions that need no arithmetic unit.
const NO_ALU: usize = ALUS;

/// The instruction cannot be placed in order: the simulation must decide.
pub(super) struct GiveUp;

impl InOrder {
    pub fn new() -> Self {
        let unused = Use { from: 0, until: 0 };
        Self {
            first: 0,
            now: 0,
            decode_slots: DECODE_SLOTS,
            values: [0; REGISTERS],
            alus: Alus { from: [0; ALUS + 1], until: [0; ALUS + 1] },
            multiplier: unused,
            divider: unused,
            starts: [0; COUNTERS],
            last: 0,
            count: 0,
        }
    }

    /// Places the block's next instruction. After an error nothing more may be placed before [`Self::finish`].
    #[inline]
    pub fn place(&mut self, demand: &Demand) -> Result<(), GiveUp> {
        if self.count == LIMIT {
            return Err(GiveUp);
        }
        let slots = demand.slots();
        let next_cycle = slots > self.decode_slots;
        self.now += u64::from(next_cycle);
        self.decode_slots = select_unpredictable(next_cycle, DECODE_SLOTS, self.decode_slots) - slots;

        let [first, second, third] = demand.source_values(&self.values);
        let result = if demand.is_move() {
            first
        } else {
            let earliest = first.max(second).max(third).max(self.now + 1);
            self.start(demand, earliest)?
        };
        self.values[demand.destination()] = result;
        self.count += 1;
        Ok(())
    }

    /// The number of instructions placed in the current block, at most [`LIMIT`].
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The number of cycles the block takes, of use if all of it was placed; makes ready for the next block.
    #[inline]
    pub fn finish(&mut self) -> u64 {
        let cycles = self.last - self.first + RETIRING;
        // Past everything noted so far: what could not be placed may have taken units, for one latency at most.
        self.first = self.last.max(self.now) + LATENCY_LIMIT as u64 + 1;
        self.last = self.first;
        self.now = self.first;
        self.decode_slots = DECODE_SLOTS;
        self.count = 0;
        cycles
    }

    /// Finds the cycle in which the instruction starts, not before `earliest`, and gives that of its result.
    ///
    /// Most instructions need one arithmetic unit or none. Which of the two, and whether the unit is free, follows no
    /// pattern that a processor could predict, so these cases share one path without branches.
    #[inline]
    fn start(&mut self, demand: &Demand, earliest: u64) -> Result<u64, GiveUp> {
        let latency = u64::from(demand.latency);
        let cycle = match demand.class() {
            class @ (UnitClass::None | UnitClass::Alu) => {
                let (unit, free) = self.alus.choose(earliest);
                let needs_alu = class == UnitClass::Alu;
                let unit = select_unpredictable(needs_alu, unit, NO_ALU);
                let cycle = select_unpredictable(needs_alu, free, earliest);
                if cycle > earliest && self.alus.have_gap_after(earliest) {
                    return Err(GiveUp);
                }
                self.alus.take(unit, cycle, latency);
                cycle
            }
            class => self.take_several(class, earliest, latency)?,
        };
        let counter = &mut self.starts[cycle as usize % COUNTERS];
        // Counts on what this cycle has, or from zero if the counter was an older one's. A younger one's is lost to us.
        *counter = (*counter).max(8 * cycle) + 1;
        if *counter > 8 * cycle + u64::from(STARTS) {
            return Err(GiveUp);
        }
        let result = cycle + latency;
        self.last = self.last.max(result);
        Ok(result)
    }

    /// Takes the units of a class, the rare ones that need two, and gives the cycle from which on it has them.
    #[inline(never)]
    fn take_several(&mut self, class: UnitClass, earliest: u64, latency: u64) -> Result<u64, GiveUp> {
        match class {
            UnitClass::None => Ok(earliest),
            UnitClass::Alu => self.take_alu(earliest, latency),
            UnitClass::TwoAlus => {
                let first = self.take_alu(earliest, latency)?;
                let second = self.take_alu(earliest, latency)?;
                if first.max(second) == earliest { Ok(earliest) } else { Err(GiveUp) }
            }
            UnitClass::Multiply => {
                let cycle = self.take_alu(self.multiplier.free_from(earliest)?, latency)?;
                self.multiplier.extend(cycle, latency);
                Ok(cycle)
            }
            UnitClass::Divide => {
                let cycle = self.take_alu(self.divider.free_from(earliest)?, latency)?;
                self.divider.extend(cycle, latency);
                Ok(cycle)
            }
        }
    }

    /// Takes an arithmetic unit in the cycle `earliest` if one is free, otherwise as soon as one is.
    fn take_alu(&mut self, earliest: u64, latency: u64) -> Result<u64, GiveUp> {
        let (unit, free) = self.alus.choose(earliest);
        if free > earliest && self.alus.have_gap_after(earliest) {
            return Err(GiveUp);
        }
        self.alus.take(unit, free, latency);
        Ok(free)
    }
}

impl Alus {
    /// The unit to take, and the first cycle from `earliest` on in which it is free. Of those that are free in
    /// `earliest` it is the one that was last in use, which leaves the smallest gap; else the first to become free.
    #[inline]
    fn choose(&self, earliest: u64) -> (usize, u64) {
        let [a, b, c, d, _] = self.until;
        // Ends of use with the unit's index below them.
        let [a, b, c, d] = [4 * a, 4 * b + 1, 4 * c + 2, 4 * d + 3];
        let after = 4 * (earliest + 1);
        let in_time = |key: u64| if key < after { key } else { 0 };
        let first = a.min(b).min(c.min(d));
        let last_in_time = in_time(a).max(in_time(b)).max(in_time(c).max(in_time(d)));
        let chosen = select_unpredictable(first < after, last_in_time, first);
        (chosen as usize % ALUS, earliest.max(chosen / 4))
    }

    /// Takes a unit from `cycle` on, not before its last use ends.
    #[inline]
    fn take(&mut self, unit: usize, cycle: u64, latency: u64) {
        let has_gap = cycle > self.until[unit];
        self.from[unit] = select_unpredictable(has_gap, cycle, self.from[unit]);
        self.until[unit] = cycle + latency;
    }

    /// Whether a unit is taken for some time after `cycle`, but not from `cycle` on.
    #[inline]
    fn have_gap_after(&self, cycle: u64) -> bool {
        self.from[..ALUS].iter().any(|&from| from > cycle)
    }
}

impl Use {
    /// The first cycle from `earliest` on in which the unit is free, if there is no gap between.
    fn free_from(self, earliest: u64) -> Result<u64, GiveUp> {
        if self.from <= earliest { Ok(earliest.max(self.until)) } else { Err(GiveUp) }
    }

    /// Takes the unit from `cycle` on, not before its last use ends.
    fn extend(&mut self, cycle: u64, latency: u64) {
        if cycle > self.until {
            self.from = cycle;
        }
        self.until = cycle + latency;
    }
}
