//! How much work the compiler puts into a program.

/// A tier of the compiler. Tiers differ in speed and in nothing else: registers, memory, gas and exits are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(u8)]
pub enum Tier {
    /// One pass, instruction by instruction: for programs that are waited for.
    #[default]
    Fast = 0,
    /// Optimised across instructions: for programs compiled ahead of time or in the background.
    Best = 1,
}

impl Tier {
    /// All tiers, the quickest to compile first.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Best];

    /// The tier whose number is `tag`.
    #[must_use]
    #[inline]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&tier| tier as u8 == tag)
    }

    /// The name users know the tier by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Best => "best",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|tier| tier.name() == text);
        found.ok_or_else(|| format!("no tier `{text}`: expected one of `fast`, `best`"))
    }
}
