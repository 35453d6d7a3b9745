//! Newtypes for the quantities that must not be mixed up.

use core::fmt;

/// A program counter: byte offset into the code of a program (GP: ı).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Pc(pub u32);

/// An address in guest memory; the guest's address space has 2^32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct GuestAddr(pub u32);

/// Remaining gas. Never negative: where the Gray Paper's counter would fall to −1, the exit is `OutOfGas`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct Gas(pub u64);

/// Index of a guest register, 0..=12 by construction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Reg(u8);

impl Reg {
    /// Number of guest registers (GP: φ0..φ12).
    pub const COUNT: usize = 13;

    /// The register a register field names: values above 12 mean register 12 (GP A.5).
    #[must_use]
    pub const fn clamped(field: u8) -> Self {
        Self(if field > 12 { 12 } else { field })
    }

    /// The register's number as an index into a register array; always below [`Reg::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All registers in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..13).map(Self)
    }
}

impl GuestAddr {
    /// Bytes in a page of guest memory (GP: Z_P).
    pub const PAGE_SIZE: u32 = 4096;

    /// The first address of the page this address lies in.
    #[must_use]
    pub const fn page_start(self) -> Self {
        Self(self.0 & !(Self::PAGE_SIZE - 1))
    }
}

impl fmt::Display for Pc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Display for Gas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// RISC-V calling-convention names of the guest registers, which guests' authors know them by.
const REG_NAMES: [&str; Reg::COUNT] = ["ra", "sp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5"];

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REG_NAMES[self.index()])
    }
}
