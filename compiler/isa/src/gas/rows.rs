//! The cost table in the form that the fast simulation wants: one small row for each operation, nothing to interpret.

use super::cost_table::{COSTS, Cost, Fields, Latency, MACHINE_UNITS, Slots, Units};
use crate::instruction::Instruction;
use crate::opcode::{OPERATIONS, Op};

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

/// Rows in the order of [`Op`](crate::Op)'s discriminants.
static ROWS: [Row; OPERATIONS.len()] = {
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
struct Row {
    /// The fields it reads, [`Field::NoSource`] in unused places.
    sources: [Field; 3],
    /// The field it writes, or [`Field::Nowhere`].
    destination: Field,
    /// The fields that the destination is compared with to find the decode slots.
    compared: [Field; 3],
    /// Decode slots if one of them is the destination's register.
    slots_if_same: u8,
    /// Decode slots if none is.
    slots_if_different: u8,
    /// Latency in cycles; 0 for conditional branches, whose latency depends on the code.
    latency: u8,
    /// The units it needs.
    class: UnitClass,
}

/// All that matters about an instruction of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    op: Op,
    /// Cycles from start to result.
    pub latency: u8,
    operands: Operands,
}

impl Demand {
    /// Something to fill arrays with.
    pub const FILLER: Self = Self { op: Op::Trap, latency: 0, operands: Operands(0) };

    /// What `instruction` asks of the machine; `branch_latency` is called for conditional branches.
    #[inline]
    pub fn new(instruction: &Instruction, branch_latency: impl FnOnce() -> u8) -> Self {
        let op = instruction.op;
        let latency = match ROWS[op as usize].latency {
            0 if op != Op::MoveReg => branch_latency(),
            latency => latency,
        };
        Self { op, latency, operands: Operands::new(instruction) }
    }

    /// Whether it is `move_reg`, which the decoder does alone.
    #[inline]
    pub fn is_move(&self) -> bool {
        self.op == Op::MoveReg
    }

    /// The units it needs.
    #[inline]
    pub fn class(&self) -> UnitClass {
        self.row().class
    }

    /// The registers it reads, below [`REGISTERS`]; unused places name one that nothing writes.
    #[inline]
    pub fn sources(&self) -> [usize; 3] {
        self.row().sources.map(|field| self.operands.register(field))
    }

    /// The register it writes, below [`REGISTERS`]; if none, one that nothing reads.
    #[inline]
    pub fn destination(&self) -> usize {
        self.operands.register(self.row().destination)
    }

    /// The decode slots it takes.
    #[inline]
    pub fn slots(&self) -> u8 {
        let row = self.row();
        let destination = self.destination();
        let [first, second, third] = row.compared.map(|field| self.operands.register(field) == destination);
        if first | second | third { row.slots_if_same } else { row.slots_if_different }
    }

    #[inline]
    fn row(&self) -> &'static Row {
        &ROWS[self.op as usize]
    }
}

/// An operand's place in [`Operands`].
#[derive(Clone, Copy)]
#[repr(u8)]
enum Field {
    A = 0,
    B = 4,
    D = 8,
    /// A register that nothing writes.
    NoSource = 12,
    /// A register that nothing reads.
    Nowhere = 16,
}

/// An instruction's register numbers side by side, four bits each, so that a [`Field`] selects one without a branch.
#[derive(Clone, Copy, Debug)]
struct Operands(u32);

/// Register numbers, those of [`Field::NoSource`] and [`Field::Nowhere`] included, are below this.
pub(super) const REGISTERS: usize = 16;

impl Operands {
    #[inline]
    fn new(instruction: &Instruction) -> Self {
        let Instruction { a, b, d, .. } = *instruction;
        let fields = a.index() << Field::A as u8 | b.index() << Field::B as u8 | d.index() << Field::D as u8;
        Self(fields as u32 | 13 << Field::NoSource as u8 | 14 << Field::Nowhere as u8)
    }

    #[inline]
    fn register(self, field: Field) -> usize {
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
