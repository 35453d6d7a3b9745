//! Optional x86_64 instructions that compiled code may use.

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

    /// The features of the CPU this runs on.
    #[must_use]
    pub fn host() -> Self {
        let mut found = Self::BASELINE;
        #[cfg(target_arch = "x86_64")]
        {
            let detected = [
                (Self::POPCNT, std::is_x86_feature_detected!("popcnt")),
                (Self::LZCNT, std::is_x86_feature_detected!("lzcnt")),
                (Self::BMI1, std::is_x86_feature_detected!("bmi1")),
                (Self::BMI2, std::is_x86_feature_detected!("bmi2")),
            ];
            for (feature, _) in detected.into_iter().filter(|(_, present)| *present) {
                found = found.union(feature);
            }
        }
        found
    }

    /// The names of the features in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(feature, _)| self.contains(*feature)).map(|(_, name)| name)
    }
}
