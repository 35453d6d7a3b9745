//! Sets of guest registers.

use tvm_isa::Reg;

use super::effects::Demand;

/// A set of guest registers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RegSet(u16);

impl RegSet {
    /// No register.
    pub const EMPTY: Self = Self(0);
    /// All registers.
    pub const ALL: Self = Self((1 << Reg::COUNT) - 1);

    /// One register.
    pub fn of(reg: Reg) -> Self {
        Self(1 << reg.index())
    }

    /// Whether `reg` is in the set.
    pub fn has(self, reg: Reg) -> bool {
        self.0 & Self::of(reg).0 != 0
    }

    /// Whether a register is in both sets.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Registers in either set.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Registers in this set and not in the other.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What of the registers somebody may still look at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Live {
    /// Registers of which the lower 32 bits matter.
    pub low: RegSet,
    /// Registers of which the upper 32 bits matter; a part of `low`.
    pub high: RegSet,
}

impl Live {
    /// Nothing matters: execution ends.
    pub const NONE: Self = Self { low: RegSet::EMPTY, high: RegSet::EMPTY };
    /// Everything matters.
    pub const ALL: Self = Self { low: RegSet::ALL, high: RegSet::ALL };

    /// Adds a register.
    pub fn add(&mut self, reg: Reg, demand: Demand) {
        self.low = self.low.with(RegSet::of(reg));
        if demand == Demand::Full {
            self.high = self.high.with(RegSet::of(reg));
        }
    }

    /// What matters to either.
    pub fn with(self, other: Self) -> Self {
        Self { low: self.low.with(other.low), high: self.high.with(other.high) }
    }

    /// What matters before registers are written, other than the written ones.
    pub fn without(self, written: RegSet) -> Self {
        Self { low: self.low.without(written), high: self.high.without(written) }
    }
}
