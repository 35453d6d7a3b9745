//! What an engine is made with.

use std::path::PathBuf;

use tvm_abi::{CpuFeatures, Tier};

/// How programs are executed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Backend {
    /// Compiled to machine code.
    #[default]
    Compiled,
    /// Interpreted.
    Interpreter,
}

/// What an engine is made with.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EngineConfig {
    /// How programs are executed.
    pub backend: Backend,
    /// The cache directory; `None` compiles anew in every process.
    pub cache: Option<PathBuf>,
    /// CPU features to compile for; `None` means those of this machine. Objects that need more than this machine has
    /// are refused.
    pub cpu: Option<CpuFeatures>,
    /// How much work goes into compiling.
    pub tier: Tier,
}
