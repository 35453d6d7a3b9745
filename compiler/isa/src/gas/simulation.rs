//! The simulation of GP 0.8.0, A.9, event by event; [`reference`](super::reference) has it cycle by cycle.
//!
//! Why it is the same machine:
//!
//! * **Results, not states.** An entry that starts in cycle s with latency l has its result in cycle f = s + l: from then
//!   on its units are free and its dependents may start. It retires at the end of cycle f + 1, or later if one before it
//!   does, so a place is free two cycles after the last result up to it. The simulation ends two cycles after the last.
//! * **Sets of entries are 32-bit masks.** At most 32 entries are live, so entry n sits at place n mod 32.
//! * **Starts before decoding.** What a cycle decodes can start in the next one at the earliest, and starting changes
//!   nothing that decoding looks at. So each cycle is: results, starts, then decoding as far as the slots go, which lets
//!   instructions be fed one at a time.
//! * **One producer for each register.** Decoding takes a register away from all entries but one, and a move gives the
//!   source's producer the destination too. So the sets r of all entries together are one table, register → entry.
//! * **Waiting is skipped.** When nothing can be decoded or started, the next cycle looked at is that of the next result.

use super::cost_table::MACHINE_UNITS;
use super::rows::{DECODE_SLOTS, Demand, LATENCY_LIMIT, REGISTERS, REORDER_BUFFER, RETIRING, STARTS, UnitClass};

/// Places of the reorder buffer.
const PLACES: usize = REORDER_BUFFER;

/// A set of places in the reorder buffer.
type Places = u32;

/// The machine between two instructions of a block.
#[derive(Clone, Debug)]
pub(super) struct Simulation {
    /// The current cycle. Its results and starts are done.
    now: u64,
    /// Decode slots left in the current cycle.
    decode_slots: u8,
    /// Number of the next entry. Entries are numbered through all blocks, so that old numbers need no clearing.
    tail: u64,
    /// No entry before this one is live. Brought up to date only when the buffer looks full.
    head: u64,
    /// For each register, the number of the last entry that produces it.
    producers: [u64; REGISTERS],
    /// Entries that have no result yet.
    unfinished: Places,
    /// Entries that have not started yet.
    unstarted: Places,
    /// Unstarted entries all of whose dependencies have results, for each [`UnitClass`].
    ready: [Places; UnitClass::COUNT],
    free: FreeUnits,
    entries: [Entry; PLACES],
    schedule: Schedule,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The cycle that brings its result; [`u64::MAX`] before it starts.
    result: u64,
    /// Entries that must have results before it starts.
    dependencies: Places,
    /// Entries that wait for its result.
    dependents: Places,
    latency: u8,
    class: UnitClass,
}

/// The units that no entry holds.
#[derive(Clone, Debug)]
struct FreeUnits {
    alus: u8,
    multiplier: bool,
    divider: bool,
}

/// Which entries have their results when.
#[derive(Clone, Debug)]
struct Schedule {
    /// For each cycle, modulo the array's length, the entries whose result it brings.
    places: [Places; LATENCY_LIMIT],
    /// The cycles, modulo the array's length, that bring results.
    cycles: u128,
    /// The last cycle of this block that brings a result.
    last: u64,
}

impl Simulation {
    pub fn new() -> Self {
        let entry = Entry { result: 0, dependencies: 0, dependents: 0, latency: 0, class: UnitClass::None };
        let first = PLACES as u64 + 1;
        Self {
            now: 0,
            decode_slots: DECODE_SLOTS,
            tail: first,
            head: first,
            producers: [0; REGISTERS],
            unfinished: 0,
            unstarted: 0,
            ready: [0; UnitClass::COUNT],
            free: FreeUnits::ALL,
            entries: [entry; PLACES],
            schedule: Schedule { places: [0; LATENCY_LIMIT], cycles: 0, last: 0 },
        }
    }

    /// Decodes the next instruction, in the first cycle that has the slots and the place for it.
    #[inline]
    pub fn decode(&mut self, demand: &Demand) {
        let slots = demand.slots();
        while slots > self.decode_slots {
            self.go_to(self.now + 1);
        }
        while self.is_full() {
            self.go_to(self.next_change());
        }
        self.decode_slots -= slots;
        let destination = demand.destination();
        if demand.is_move() {
            self.producers[destination] = demand.source_values(&self.producers)[0];
            return;
        }

        let place = place_of(self.tail);
        let [first, second, third] = demand.source_values(&self.producers).map(|number| self.producer(number));
        let dependencies = (first | second | third) & self.unfinished;
        for producer in places(dependencies) {
            self.entries[producer].dependents |= 1 << place;
        }
        let (class, latency) = (demand.class(), demand.latency);
        self.entries[place] = Entry { result: u64::MAX, dependencies, dependents: 0, latency, class };
        self.producers[destination] = self.tail;
        self.ready[class as usize] |= u32::from(dependencies == 0) << place;
        self.unfinished |= 1 << place;
        self.unstarted |= 1 << place;
        self.tail += 1;
    }

    /// Runs the simulation to its end, gives its number of cycles, and makes ready for the next block.
    pub fn finish(&mut self) -> u64 {
        while self.unstarted != 0 {
            self.go_to(self.next_change());
        }
        let cycles = self.schedule.last + RETIRING;
        self.now = 0;
        self.decode_slots = DECODE_SLOTS;
        self.tail += PLACES as u64;
        self.head = self.tail;
        self.unfinished = 0;
        self.free = FreeUnits::ALL;
        self.schedule.clear();
        cycles
    }

    /// The place of an entry, if it may still be in the buffer.
    #[inline]
    fn producer(&self, number: u64) -> Places {
        u32::from(self.tail - number <= PLACES as u64) << place_of(number)
    }

    /// Whether all places are taken by live entries.
    #[inline]
    fn is_full(&mut self) -> bool {
        if self.tail - self.head < PLACES as u64 {
            return false;
        }
        while self.head != self.tail && self.entries[place_of(self.head)].result <= self.now.saturating_sub(RETIRING) {
            self.head += 1;
        }
        self.tail - self.head == PLACES as u64
    }

    /// The next cycle that can start something, or free the place of the oldest entry.
    fn next_change(&self) -> u64 {
        if self.startable() != 0 {
            return self.now + 1;
        }
        let retired = self.entries[place_of(self.head)].result.saturating_add(RETIRING);
        let next = self.schedule.next_after(self.now).unwrap_or(u64::MAX);
        if retired > self.now { next.min(retired) } else { next }
    }

    /// Makes `cycle` the current one. Nothing must happen in the cycles between.
    #[inline]
    fn go_to(&mut self, cycle: u64) {
        self.now = cycle;
        self.decode_slots = DECODE_SLOTS;
        self.take_results();
        self.start();
    }

    #[inline]
    fn take_results(&mut self) {
        let finished = self.schedule.take(self.now);
        self.unfinished &= !finished;
        for place in places(finished) {
            let Entry { dependents, class, .. } = self.entries[place];
            self.free.release(class);
            for dependent in places(dependents) {
                let entry = &mut self.entries[dependent];
                entry.dependencies &= !(1 << place);
                self.ready[entry.class as usize] |= u32::from(entry.dependencies == 0) << dependent;
            }
        }
    }

    /// Starts entries, oldest first, as far as units and the cycle's limit allow.
    #[inline]
    fn start(&mut self) {
        for _ in 0..STARTS {
            let startable = self.startable();
            if startable == 0 {
                return;
            }
            // Turned so that the place of the oldest entry that may be live comes first.
            let turn = place_of(self.head) as u32;
            let place = (startable.rotate_right(turn).trailing_zeros() + turn) as usize % PLACES;
            let entry = &mut self.entries[place];
            entry.result = self.now + u64::from(entry.latency);
            self.ready[entry.class as usize] &= !(1 << place);
            self.unstarted &= !(1 << place);
            self.free.take(entry.class);
            self.schedule.add(entry.result, place);
        }
    }

    /// The entries that could start if the cycle's limit allowed.
    #[inline]
    fn startable(&self) -> Places {
        let when = |free: bool, class: UnitClass| if free { self.ready[class as usize] } else { 0 };
        let multiplying = when(self.free.multiplier, UnitClass::Multiply);
        let dividing = when(self.free.divider, UnitClass::Divide);
        let with_alu = self.ready[UnitClass::Alu as usize] | multiplying | dividing;
        self.ready[UnitClass::None as usize]
            | if self.free.alus >= 1 { with_alu } else { 0 }
            | when(self.free.alus >= 2, UnitClass::TwoAlus)
    }
}

impl FreeUnits {
    const ALL: Self = Self { alus: MACHINE_UNITS.a, multiplier: true, divider: true };

    #[inline]
    fn take(&mut self, class: UnitClass) {
        self.alus -= class.alus();
        self.multiplier &= class != UnitClass::Multiply;
        self.divider &= class != UnitClass::Divide;
    }

    #[inline]
    fn release(&mut self, class: UnitClass) {
        self.alus += class.alus();
        self.multiplier |= class == UnitClass::Multiply;
        self.divider |= class == UnitClass::Divide;
    }
}

impl Schedule {
    #[inline]
    fn add(&mut self, cycle: u64, place: usize) {
        let index = cycle as usize % LATENCY_LIMIT;
        self.places[index] |= 1 << place;
        self.cycles |= 1 << index;
        self.last = self.last.max(cycle);
    }

    /// Takes out the entries whose result `cycle` brings.
    #[inline]
    fn take(&mut self, cycle: u64) -> Places {
        let index = cycle as usize % LATENCY_LIMIT;
        self.cycles &= !(1 << index);
        core::mem::take(&mut self.places[index])
    }

    /// The first cycle after `now` that brings a result.
    #[inline]
    fn next_after(&self, now: u64) -> Option<u64> {
        let first = now + 1;
        let ahead = self.cycles.rotate_right((first % LATENCY_LIMIT as u64) as u32).trailing_zeros();
        (self.cycles != 0).then(|| first + u64::from(ahead))
    }

    fn clear(&mut self) {
        while self.cycles != 0 {
            self.places[self.cycles.trailing_zeros() as usize] = 0;
            self.cycles &= self.cycles - 1;
        }
        self.last = 0;
    }
}

#[inline]
fn place_of(number: u64) -> usize {
    number as usize % PLACES
}

/// The places in a set, lowest first.
#[inline]
fn places(mut set: Places) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = set.trailing_zeros();
        if set == 0 {
            return None;
        }
        set &= set - 1;
        Some(place as usize)
    })
}
