//! What host calls cost, as data (GP 0.7.2 B.5 to B.7, GP 0.8.0 I.4.5).

use tvm_isa::Reg;

/// Gas of a host function. All arithmetic is done in 128 bits: arguments may be anything up to 2^64 − 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    /// The same for every call.
    Fixed(
        /// Gas.
        u64,
    ),
    /// A base, and for each pair a rate for every 1024 octets of a length in a register, rounded up.
    PerKib(
        /// Base.
        u64,
        /// Register number, and gas for 1024 octets.
        &'static [(u8, u64)],
    ),
    /// A base, and a rate for each of the items that a register counts.
    PerItem(
        /// Base.
        u64,
        /// Register number.
        u8,
        /// Gas for an item.
        u64,
    ),
    /// By the kind of data that `fetch` is asked for in φ10, with φ9 as the length.
    ByFetchKind(
        /// For kinds 0 to 15: base, and gas for 1024 octets.
        &'static [(u64, u64); 16],
        /// Gas of any other kind.
        u64,
    ),
    /// By the mode that `pages` is asked for in φ10, with φ9 as the number of pages.
    ByPagesMode(
        /// For modes 0 to 4: base, and gas for a page.
        &'static [(u64, u64); 5],
        /// Gas of any other mode.
        u64,
    ),
    /// `grow_heap` charges by itself, as it alone keeps the gas when it cannot be paid.
    Growth {
        /// Gas of a query or a refusal.
        base: u64,
        /// Gas for each new page.
        per_page: u64,
    },
}

impl Cost {
    /// What is charged before the function looks at anything.
    #[must_use]
    pub fn upfront(&self, regs: &[u64; Reg::COUNT]) -> u128 {
        let pick = |table: &[(u64, u64)], other| {
            let kind = usize::try_from(regs[10]).unwrap_or(usize::MAX);
            table.get(kind).copied().unwrap_or((other, 0))
        };
        match *self {
            Self::Fixed(gas) => gas.into(),
            Self::PerKib(base, rates) => {
                let sized = rates.iter().map(|&(reg, rate)| per_kib(rate, regs[usize::from(reg)]));
                u128::from(base) + sized.sum::<u128>()
            }
            Self::PerItem(base, reg, rate) => u128::from(base) + u128::from(rate) * u128::from(regs[usize::from(reg)]),
            Self::ByFetchKind(kinds, other) => {
                let (base, rate) = pick(kinds, other);
                u128::from(base) + per_kib(rate, regs[9])
            }
            Self::ByPagesMode(modes, other) => {
                let (base, rate) = pick(modes, other);
                u128::from(base) + u128::from(rate) * u128::from(regs[9])
            }
            Self::Growth { .. } => 0,
        }
    }
}

/// GP 0.8.0, B.5: the gas of `octets` at `rate` for 1024 of them.
fn per_kib(rate: u64, octets: u64) -> u128 {
    (u128::from(rate) * u128::from(octets)).div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regs(set: &[(usize, u64)]) -> [u64; Reg::COUNT] {
        let mut regs = [0; Reg::COUNT];
        set.iter().for_each(|&(reg, value)| regs[reg] = value);
        regs
    }

    #[test]
    fn octets_are_rounded_up_for_each_length_by_itself() {
        let cost = Cost::PerKib(7, &[(9, 1000), (12, 1)]);
        assert_eq!(cost.upfront(&regs(&[])), 7);
        assert_eq!(cost.upfront(&regs(&[(9, 1), (12, 1)])), 7 + 1 + 1);
        assert_eq!(cost.upfront(&regs(&[(9, 1024), (12, 1025)])), 7 + 1000 + 2);
        assert_eq!(cost.upfront(&regs(&[(9, u64::MAX)])), 7 + (1000 * u128::from(u64::MAX)).div_ceil(1024));
    }

    #[test]
    fn kinds_past_the_table_cost_the_same_whatever_the_length() {
        static KINDS: [(u64, u64); 16] = [(5, 1024); 16];
        let cost = Cost::ByFetchKind(&KINDS, 80);
        assert_eq!(cost.upfront(&regs(&[(10, 15), (9, 3)])), 8);
        assert_eq!(cost.upfront(&regs(&[(10, 16), (9, 3)])), 80);
        assert_eq!(cost.upfront(&regs(&[(10, u64::MAX), (9, u64::MAX)])), 80);
    }
}
