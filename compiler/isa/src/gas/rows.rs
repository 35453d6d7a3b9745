//! The cost table in the form that the fast simulation wants: one small row for each operation, nothing to interpret.

use super::cost_table::{COSTS, Cost, Fields, Latency, MACHINE_UNITS, Slots, Units};
use crate::instruction::Instruction;
use crate::opcode::OPERATIONS;

/// Latencies are below this.
pub(super) const LATENCY_LIMIT: usize = 128;

/// Rows in the order of [`Op`](crate::Op)'s discriminants.
pub(super) static ROWS: [Row; OPERATIONS.len()] = {
    let mut rows = [Row::new(&COSTS[0]); OPERATIONS.len()];
    let mut row = 0;
    while row < rows.len() {
        rows[row] = Row::new(&COSTS[row]);
        row += 1;
    }
    rows
};

/// What one operation costs.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// The fields it reads, [`Field::NoSource`] in unused places.
    pub sources: [Field; 3],
    /// The field it writes, or [`Field::Nowhere`].
    pub destination: Field,
    /// The fields that the destination is compared with to find the decode slots.
    pub compared: [Field; 3],
    /// Decode slots if one of them is the destination's register.
    pub slots_if_same: u8,
    /// Decode slots if none is.
    pub slots_if_different: u8,
    /// Latency in cycles; 0 for conditional branches, whose latency depends on the code.
    pub latency: u8,
    /// The units it needs.
    pub class: UnitClass,
}

/// An operand's place in [`Operands`].
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Field {
    A = 0,
    B = 4,
    D = 8,
    /// A register that nothing writes.
    NoSource = 12,
    /// A register that nothing reads.
    Nowhere = 16,
}

/// An instruction's register numbers side by side, four bits each, so that a [`Field`] selects one without a branch.
#[derive(Clone, Copy)]
pub(super) struct Operands(u32);

/// Register numbers, those of [`Field::NoSource`] and [`Field::Nowhere`] included, are below this.
pub(super) const REGISTERS: usize = 16;

impl Operands {
    #[inline]
    pub fn new(instruction: &Instruction) -> Self {
        let Instruction { a, b, d, .. } = *instruction;
        let fields = a.index() << Field::A as u8 | b.index() << Field::B as u8 | d.index() << Field::D as u8;
        Self(fields as u32 | 13 << Field::NoSource as u8 | 14 << Field::Nowhere as u8)
    }

    #[inline]
    pub fn register(self, field: Field) -> usize {
        (self.0 >> field as u8) as usize % REGISTERS
    }
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
        let Cost { latency, slots, units, sources: Fields { a, b, d }, destinations } = *cost;
        let sources = [
            if a { Field::A } else { Field::NoSource },
            if b { Field::B } else { Field::NoSource },
            if d { Field::D } else { Field::NoSource },
        ];
        let destination = match destinations {
            Fields { a: false, b: false, d: false } => Field::Nowhere,
            Fields { a: true, b: false, d: false } => Field::A,
            Fields { a: false, b: false, d: true } => Field::D,
            _ => panic!("an operation writes r_B, or two registers"),
        };
        let (slots_if_same, slots_if_different, compared) = match slots {
            Slots::Fixed(slots) => (slots, slots, [Field::NoSource; 3]),
            Slots::ByOverlap(overlapping, apart) => (overlapping, apart, sources),
            // Only three-register forms have this rule; their destination is r_D.
            Slots::ByFirstSource(same, different) => (same, different, [Field::A; 3]),
        };
        let latency = match latency {
            Latency::Cycles(cycles) => cycles,
            Latency::Branch => 0,
        };
        assert!((latency as usize) < LATENCY_LIMIT);
        let class = UnitClass::new(units);
        Self { sources, destination, compared, slots_if_same, slots_if_different, latency, class }
    }
}
