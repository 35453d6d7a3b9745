//! Choices that are written as words.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tvm_abi::{CpuFeatures, Tier};
use tvm_isa::{Container, ContainerError, GpVersion};
use tvm_runtime::Backend;

/// Takes the names of the Gray Paper versions.
pub fn gp_version() -> impl TypedValueParser<Value = GpVersion> {
    PossibleValuesParser::new(GpVersion::ALL.map(GpVersion::name)).try_map(|name| name.parse::<GpVersion>())
}

/// The format a program comes in.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ContainerChoice {
    /// Tell by the content.
    #[default]
    Auto,
    /// A bare program blob.
    Raw,
    /// A standard program: memory contents and sizes around a program blob.
    Standard,
    /// A standard program behind metadata, as services are stored.
    Jam,
}

impl ContainerChoice {
    /// The container of these bytes.
    pub fn resolve(self, bytes: &[u8]) -> Result<Container, ContainerError> {
        match self {
            Self::Auto => Container::detect(bytes),
            Self::Raw => Ok(Container::Raw),
            Self::Standard => Ok(Container::Standard),
            Self::Jam => Ok(Container::Jam),
        }
    }
}

/// Takes the names of the compiler's tiers.
pub fn tier() -> impl TypedValueParser<Value = Tier> {
    PossibleValuesParser::new(Tier::ALL.map(Tier::name)).try_map(|name| name.parse::<Tier>())
}

/// The CPU that code is compiled for.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Target {
    /// Every x86-64 CPU.
    #[value(name = "x86-64")]
    Baseline,
    /// CPUs with POPCNT, LZCNT, BMI1 and BMI2 (since about 2013).
    #[value(name = "x86-64-v3")]
    V3,
    /// This machine: what `run` looks for in the cache.
    #[default]
    Native,
}

impl Target {
    /// The features that code for this target may use.
    pub fn features(self) -> CpuFeatures {
        match self {
            Self::Baseline => CpuFeatures::BASELINE,
            Self::V3 => CpuFeatures::V3,
            Self::Native => CpuFeatures::host(),
        }
    }
}

/// How a program is executed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EngineChoice {
    /// As machine code.
    #[default]
    Compiled,
    /// By the interpreter, the readable reference.
    Interpreter,
}

impl From<EngineChoice> for Backend {
    fn from(choice: EngineChoice) -> Self {
        match choice {
            EngineChoice::Compiled => Self::Compiled,
            EngineChoice::Interpreter => Self::Interpreter,
        }
    }
}
