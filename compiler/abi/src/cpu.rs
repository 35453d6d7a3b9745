//! Optional x86_64 instructions that compiled code may use.

use std::sync::OnceLock;

/// A set of CPU features beyond the x86-64 baseline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct CpuFeatures(u64);

impl CpuFeatures {
    /// Plain x86-64: nothing optional.
    pub const BASELINE: Self = Self(0);
    /// `popcnt`.
    pub const POPCNT: Self = Self(1);
    /// `lzcnt`.
    pub const LZCNT: Self = Self(2);
    /// `tzcnt`, `andn`.
    pub const BMI1: Self = Self(4);
    /// `shlx`, `shrx`, `sarx`, `rorx`, `mulx`.
    pub const BMI2: Self = Self(8);
    /// The features of the x86-64-v3 level that TVM uses.
    pub const V3: Self = Self(15);

    /// The names of single features, as shown to people.
    pub const NAMES: [(Self, &'static str); 4] =
        [(Self::POPCNT, "popcnt"), (Self::LZCNT, "lzcnt"), (Self::BMI1, "bmi1"), (Self::BMI2, "bmi2")];

    /// The set as bits, stable across versions of TVM.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set with these bits, unless one of them has no meaning.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits & !Self::V3.0 == 0 { Some(Self(bits)) } else { None }
    }

    /// Whether all of `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The features that these three registers show after CPUID: ECX of leaf 1, EBX of leaf 7, subleaf 0, and ECX of
    /// leaf 8000_0001h. A leaf that the CPU does not have shows nothing: 0.
    #[must_use]
    pub const fn from_cpuid(leaf_1_ecx: u32, leaf_7_ebx: u32, extended_1_ecx: u32) -> Self {
        const fn one(feature: CpuFeatures, register: u32, bit: u32) -> CpuFeatures {
            if register >> bit & 1 == 1 { feature } else { CpuFeatures::BASELINE }
        }
        one(Self::POPCNT, leaf_1_ecx, 23)
            .union(one(Self::LZCNT, extended_1_ecx, 5))
            .union(one(Self::BMI1, leaf_7_ebx, 3))
            .union(one(Self::BMI2, leaf_7_ebx, 8))
    }

    /// The features of the CPU this runs on. Found out once in a process: under a hypervisor each question takes
    /// microseconds, which is why as few as possible are asked.
    #[must_use]
    pub fn host() -> Self {
        static FOUND: OnceLock<CpuFeatures> = OnceLock::new();
        *FOUND.get_or_init(Self::ask_cpu)
    }

    #[cfg(target_arch = "x86_64")]
    fn ask_cpu() -> Self {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        // Past its last leaf a CPU answers with another one's numbers. Leaf 8000_0001h is where a CPU says that it has
        // 64-bit mode, so this one has it.
        let leaf_7_ebx = if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).ebx } else { 0 };
        Self::from_cpuid(__cpuid(1).ecx, leaf_7_ebx, __cpuid(0x8000_0001).ecx)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn ask_cpu() -> Self {
        Self::BASELINE
    }

    /// The names of the features in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(feature, _)| self.contains(*feature)).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_host_has_what_the_standard_library_finds() {
        let found = CpuFeatures::host();
        assert_eq!(found.contains(CpuFeatures::POPCNT), std::is_x86_feature_detected!("popcnt"));
        assert_eq!(found.contains(CpuFeatures::LZCNT), std::is_x86_feature_detected!("lzcnt"));
        assert_eq!(found.contains(CpuFeatures::BMI1), std::is_x86_feature_detected!("bmi1"));
        assert_eq!(found.contains(CpuFeatures::BMI2), std::is_x86_feature_detected!("bmi2"));
    }

    #[test]
    fn each_bit_stands_for_one_feature() {
        assert_eq!(CpuFeatures::from_cpuid(0, 0, 0), CpuFeatures::BASELINE);
        assert_eq!(CpuFeatures::from_cpuid(1 << 23, 0, 0), CpuFeatures::POPCNT);
        assert_eq!(CpuFeatures::from_cpuid(0, 1 << 3, 0), CpuFeatures::BMI1);
        assert_eq!(CpuFeatures::from_cpuid(0, 1 << 8, 0), CpuFeatures::BMI2);
        assert_eq!(CpuFeatures::from_cpuid(0, 0, 1 << 5), CpuFeatures::LZCNT);
        assert_eq!(CpuFeatures::from_cpuid(!(1 << 23), !(1 << 3 | 1 << 8), !(1 << 5)), CpuFeatures::BASELINE);
        assert_eq!(CpuFeatures::from_cpuid(u32::MAX, u32::MAX, u32::MAX), CpuFeatures::V3);
    }
}
