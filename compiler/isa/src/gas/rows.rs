//! The cost table in the form that the fast simulation wants: one small row for each operation, nothing to interpret.

use core::hint::select_unpredictable;

use super::cost_table::{COSTS, Cost, Fields, Latency, MACHINE_UNITS, Slots, Units};
use crate::instruction::Instruction;
use crate::opcode::{OPERATIONS, Op};
use crate::operands::Encoded;
use crate::units::Reg;

/// Decode slots in each cycle.
pub(super) const DECODE_SLOTS: u8 = 4;

/// Instructions that may start in each cycle.
pub(super) const STARTS: u32 = 5;

/// Entries of the reorder buffer that may be live.
pub(super) const REORDER_BUFFER: usize = 32;

/// Cycles from a result to the first cycle in which its entry is no longer live.
pub(super) const RETIRING: u64 = 2;

/// Latencies are below this.
pub(super) const LATENCY_LIMIT: usize = 128;

/// Register numbers, [`NOWHERE`] included, are below this.
pub(super) const REGISTERS: usize = 16;

/// The destination of instructions that write no register: a number that no instruction reads.
const NOWHERE: usize = 13;

/// Rows in the order of [`Op`]'s discriminants.
static ROWS: [Row; OPERATIONS.len()] = {
    let mut rows = [Row::new(&COSTS[0]); OPERATIONS.len()];
    let mut row = 0;
    while row < rows.len() {
        rows[row] = Row::new(&COSTS[row]);
        row += 1;
    }
    rows
};

/// What one operation costs. Those that are called masks are all ones or zero, and select without a branch.
#[derive(Clone, Copy)]
struct Row {
    /// Masks: which register fields are read.
    reads_a: u64,
    reads_b: u64,
    reads_d: u64,
    /// Masks: which register field is written.
    writes_a: usize,
    writes_d: usize,
    /// [`NOWHERE`] if none is, else 0.
    writes_nothing: usize,
    /// Which pairs of fields take `slots_if_same` when they name the same register.
    compared: u8,
    slots_if_same: u8,
    slots_if_different: u8,
    /// Latency in cycles; 0 for conditional branches, whose latency depends on the code.
    latency: u8,
    class: UnitClass,
}

/// Bits of [`Row::compared`].
const A_IS_B: u8 = 1;
const A_IS_D: u8 = 2;
const B_IS_D: u8 = 4;

/// What of an instruction counts, but for a branch's latency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub op: Op,
    pub a: Reg,
    pub b: Reg,
    pub d: Reg,
}

/// An instruction's work, and what it asks of the machine.
#[derive(Clone, Copy)]
pub(super) struct Demand {
    /// The work.
    pub work: Work,
    /// Cycles from start to result.
    pub latency: u8,
    row: &'static Row,
}

/// The combinations of units that instructions need. Load and store units are not among them: who needs one holds an
/// arithmetic unit just as long, and of those there are no more, so they are never short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum UnitClass {
    None = 0,
    Alu = 1,
    TwoAlus = 2,
    Multiply = 3,
    Divide = 4,
}

/// Whether the latency of an operation depends on more than the operation.
#[inline]
pub(super) fn is_branch(op: Op) -> bool {
    ROWS[op as usize].latency == 0 && op != Op::MoveReg
}

impl Encoded<'_> {
    /// The instruction's work.
    #[inline(always)]
    pub(super) fn work(self, op: Op) -> Work {
        let [a, b, d] = self.registers(op);
        Work { op, a, b, d }
    }
}

impl Work {
    pub fn of(instruction: &Instruction) -> Self {
        let Instruction { op, a, b, d, .. } = *instruction;
        Self { op, a, b, d }
    }
}

impl Demand {
    /// What `work` asks of the machine; `branch_latency` is called for conditional branches.
    #[inline]
    pub fn new(work: Work, branch_latency: impl FnOnce() -> u8) -> Self {
        let row = &ROWS[work.op as usize];
        let latency = match row.latency {
            0 if work.op != Op::MoveReg => branch_latency(),
            latency => latency,
        };
        Self { work, latency, row }
    }

    /// Whether it is `move_reg`, which the decoder does alone. Its source is r_A.
    #[inline]
    pub fn is_move(&self) -> bool {
        self.work.op == Op::MoveReg
    }

    /// The units it needs.
    #[inline]
    pub fn class(&self) -> UnitClass {
        self.row.class
    }

    /// Of a table with a number for each register those of the registers it reads, 0 in unused places.
    #[inline]
    pub fn source_values(&self, table: &[u64; REGISTERS]) -> [u64; 3] {
        let Work { a, b, d, .. } = self.work;
        let row = self.row;
        let value = |register: Reg| table[register.index() % REGISTERS];
        [value(a) & row.reads_a, value(b) & row.reads_b, value(d) & row.reads_d]
    }

    /// The register it writes, below [`REGISTERS`]; if none, one that no instruction reads.
    #[inline]
    pub fn destination(&self) -> usize {
        let Work { a, d, .. } = self.work;
        let row = self.row;
        ((a.index() & row.writes_a) | (d.index() & row.writes_d) | row.writes_nothing) % REGISTERS
    }

    /// The decode slots it takes.
    #[inline]
    pub fn slots(&self) -> u8 {
        let Work { a, b, d, .. } = self.work;
        let row = self.row;
        let same = (u8::from(a == b) * A_IS_B) | (u8::from(a == d) * A_IS_D) | (u8::from(b == d) * B_IS_D);
        select_unpredictable(same & row.compared != 0, row.slots_if_same, row.slots_if_different)
    }
}

impl UnitClass {
    pub const COUNT: usize = 5;

    /// Arithmetic units that the class needs.
    #[inline]
    pub fn alus(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Alu | Self::Multiply | Self::Divide => 1,
            Self::TwoAlus => 2,
        }
    }

    const fn new(units: Units) -> Self {
        let Units { a: alus, l: load_units, s: store_units, m: multipliers, d: dividers } = MACHINE_UNITS;
        assert!(load_units >= alus && store_units >= alus, "see the type's documentation");
        assert!(multipliers == 1 && dividers == 1, "the simulation knows only free or taken");
        match units {
            Units { a: 0, l: 0, s: 0, m: 0, d: 0 } => Self::None,
            Units { a: 1, l: 0 | 1, s: 0 | 1, m: 0, d: 0 } => Self::Alu,
            Units { a: 2, l: 0, s: 0, m: 0, d: 0 } => Self::TwoAlus,
            Units { a: 1, l: 0, s: 0, m: 1, d: 0 } => Self::Multiply,
            Units { a: 1, l: 0, s: 0, m: 0, d: 1 } => Self::Divide,
            _ => panic!("a combination of units that has no class"),
        }
    }
}

impl Row {
    const fn new(cost: &Cost) -> Self {
        let Cost { latency, slots, units, sources, destinations } = *cost;
        let (writes_a, writes_d, writes_nothing) = match destinations {
            Fields { a: true, b: false, d: false } => (usize::MAX, 0, 0),
            Fields { a: false, b: false, d: true } => (0, usize::MAX, 0),
            Fields { a: false, b: false, d: false } => (0, 0, NOWHERE),
            _ => panic!("an operation writes r_B, or two registers"),
        };
        let (slots_if_same, slots_if_different, compared) = match slots {
            Slots::Fixed(slots) => (slots, slots, 0),
            Slots::ByOverlap(overlapping, apart) => (overlapping, apart, overlap(sources, destinations)),
            Slots::ByFirstSource(same, different) => (same, different, A_IS_D),
        };
        assert!(slots_if_same <= DECODE_SLOTS && slots_if_different <= DECODE_SLOTS);
        let latency = match latency {
            Latency::Cycles(cycles) => cycles,
            Latency::Branch => 0,
        };
        assert!((latency as usize) < LATENCY_LIMIT);
        Self {
            reads_a: mask(sources.a),
            reads_b: mask(sources.b),
            reads_d: mask(sources.d),
            writes_a,
            writes_d,
            writes_nothing,
            compared,
            slots_if_same,
            slots_if_different,
            latency,
            class: UnitClass::new(units),
        }
    }
}

const fn mask(all_ones: bool) -> u64 {
    if all_ones { u64::MAX } else { 0 }
}

/// The pairs of a source and a destination.
const fn overlap(sources: Fields, destinations: Fields) -> u8 {
    match (sources, destinations) {
        (Fields { a: false, b: true, d: false }, Fields { a: true, b: false, d: false }) => A_IS_B,
        (Fields { a: true, b: false, d: false }, Fields { a: false, b: false, d: true }) => A_IS_D,
        (Fields { a: true, b: true, d: false }, Fields { a: false, b: false, d: true }) => A_IS_D | B_IS_D,
        _ => panic!("other fields than those of the operations whose slots depend on overlap"),
    }
}
