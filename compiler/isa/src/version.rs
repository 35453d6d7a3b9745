//! Gray Paper versions, as data.
//!
//! Every rule that differs between versions is a field of [`Rules`]; code asks the table, never the version's name.

use core::fmt;
use core::str::FromStr;

use crate::opcode::{FLOW_0_7, FLOW_0_8, Flow, NUMBERS, Numbering, OpcodeNumbers, STOPS};

/// A Gray Paper version that TVM can execute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum GpVersion {
    /// 0.7.0: the last version with on-transfer.
    V0_7_0 = 0,
    /// 0.7.2.
    V0_7_2 = 1,
    /// 0.8.0: validated programs, gas per basic block from the pipeline model.
    V0_8_0 = 2,
}

/// How instruction gas is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum GasModel {
    /// One gas for every instruction, charged when it is attempted (GP 0.7.2, A.1).
    PerInstruction = 1,
    /// The cost of a whole basic block from a pipeline simulation, charged on entry (GP 0.8.0, A.9 and A.10).
    PipelineBlocks = 2,
}

impl GasModel {
    /// The model whose discriminant is `tag`, as stored in an object's note.
    #[must_use]
    #[inline]
    pub fn from_tag(tag: u8) -> Option<Self> {
        [Self::PerInstruction, Self::PipelineBlocks].into_iter().find(|model| *model as u8 == tag)
    }

    /// The model's name, as shown to people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PerInstruction => "per-instruction",
            Self::PipelineBlocks => "pipeline-blocks",
        }
    }
}

/// Which programs are accepted at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validation {
    /// Only the container must parse; undefined instructions trap when they are reached (GP 0.7.2, A.1).
    ContainerOnly,
    /// The instruction stream is walked and must be well formed (GP 0.8.0, A.1).
    WholeProgram,
}

/// What a conditional branch checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BranchRule {
    /// The target must start a basic block only when the branch is taken (GP 0.7.2, A.4).
    WhenTaken,
    /// The target must start a basic block whenever the branch executes (GP 0.8.0, A.4).
    Always,
}

/// The machine rules of one version: everything `isa`, compiler and interpreter need to know about it.
#[derive(Debug)]
pub struct Rules {
    /// The version these rules belong to, for messages and cache keys only.
    pub version: GpVersion,
    /// Which of the numberings of operations is used.
    pub numbering: Numbering,
    /// Opcode number to operation, in that numbering.
    pub opcodes: &'static OpcodeNumbers,
    /// Opcode number to how execution goes on.
    pub flow: &'static Flow,
    /// How gas is charged.
    pub gas: GasModel,
    /// What deblob checks.
    pub validation: Validation,
    /// What a conditional branch checks.
    pub branch: BranchRule,
}

static RULES: [Rules; 3] = [
    Rules {
        version: GpVersion::V0_7_0,
        numbering: Numbering::Gp0_7,
        opcodes: NUMBERS[Numbering::Gp0_7 as usize],
        flow: &FLOW_0_7,
        gas: GasModel::PerInstruction,
        validation: Validation::ContainerOnly,
        branch: BranchRule::WhenTaken,
    },
    Rules {
        version: GpVersion::V0_7_2,
        numbering: Numbering::Gp0_7,
        opcodes: NUMBERS[Numbering::Gp0_7 as usize],
        flow: &FLOW_0_7,
        gas: GasModel::PerInstruction,
        validation: Validation::ContainerOnly,
        branch: BranchRule::WhenTaken,
    },
    Rules {
        version: GpVersion::V0_8_0,
        numbering: Numbering::Gp0_8,
        opcodes: NUMBERS[Numbering::Gp0_8 as usize],
        flow: &FLOW_0_8,
        gas: GasModel::PipelineBlocks,
        validation: Validation::WholeProgram,
        branch: BranchRule::Always,
    },
];

impl Rules {
    /// Whether what a number stands for is an end of a [`Stretch`](crate::Stretch) itself, whatever follows.
    #[must_use]
    #[inline]
    pub fn stops(&self, opcode: u8) -> bool {
        self.flow[usize::from(opcode)] & STOPS != 0
    }
}

impl GpVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V0_7_0, Self::V0_7_2, Self::V0_8_0];

    /// The machine rules of this version.
    #[must_use]
    #[inline]
    pub fn rules(self) -> &'static Rules {
        &RULES[self as usize]
    }

    /// The version as the Gray Paper writes it, such as `0.7.2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_7_0 => "0.7.0",
            Self::V0_7_2 => "0.7.2",
            Self::V0_8_0 => "0.8.0",
        }
    }

    /// The version whose discriminant is `tag`, as stored in an object's note.
    #[must_use]
    #[inline]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|v| *v as u8 == tag)
    }
}

impl fmt::Display for GpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no version TVM knows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown Gray Paper version `{0}`: expected 0.7.0, 0.7.2 or 0.8.0")]
pub struct UnknownVersion(pub String);

impl FromStr for GpVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        Self::ALL.into_iter().find(|v| v.name() == text).ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_round_trip() {
        for version in GpVersion::ALL {
            assert_eq!(version.name().parse(), Ok(version));
            assert_eq!(GpVersion::from_tag(version as u8), Some(version));
            assert_eq!(version.rules().version, version);
        }
        assert!("0.9".parse::<GpVersion>().is_err());
        assert_eq!(GpVersion::from_tag(3), None);
    }
}
