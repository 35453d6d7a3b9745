//! Errors of the machine itself, and why programs cannot be loaded.

use std::sync::Arc;

use tvm_abi::CpuFeatures;
use tvm_compiler::CompileError;

use crate::host_call::HostError;
use crate::memory::InitialiseError;
use crate::sys::SysError;

/// TVM or its host failed. Nothing about the guest follows from it: a node must not report it as the guest's outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error(transparent)]
    System(#[from] SysError),
    /// The cache directory cannot be used.
    #[error(transparent)]
    Cache(#[from] tvm_cache::CacheError),
    /// Something was to be stored, and the engine has no cache.
    #[error("the engine has no cache: give it a cache directory")]
    NoCache,
    /// An object was compiled, and the cache did not take it.
    #[error("compiled, but not stored: {0}")]
    NotStored(Arc<tvm_cache::CacheError>),
    /// An object that TVM just made cannot be loaded.
    #[error(transparent)]
    Object(#[from] tvm_loader::LoadError),
    /// Code that TVM just made might leave its sandbox. It was thrown away.
    #[error(transparent)]
    Unsafe(#[from] tvm_loader::Violation),
    /// Guest memory could not be set up.
    #[error(transparent)]
    Memory(#[from] InitialiseError),
    /// Machine code for another CPU was asked for.
    #[error(
        "this CPU lacks features that code was asked to use: wanted {wanted:?}, found {found:?}; name fewer features"
    )]
    Cpu {
        /// Features asked for.
        wanted: CpuFeatures,
        /// Features of this CPU.
        found: CpuFeatures,
    },
    /// More argument bytes than the layout has room for.
    #[error("argument blob of {found} bytes, at most {limit} are possible")]
    ArgumentsTooLong {
        /// Bytes there are.
        found: usize,
        /// [`tvm_isa::layout::MAX_ARGUMENT_BYTES`].
        limit: u64,
    },
    /// The host's own code failed while it served a host call, or supplied a program.
    #[error("the host failed: {0}")]
    Host(HostError),
    /// TVM contradicts itself. The run's result must not be used.
    #[error("internal error of TVM, please report it: {0}")]
    Internal(String),
}

/// Why bytes are no program. This is the fault of whoever made them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The container does not parse.
    #[error(transparent)]
    Container(#[from] tvm_isa::ContainerError),
    /// The program blob does not parse.
    #[error(transparent)]
    Program(#[from] tvm_isa::ProgramError),
    /// The version's validation refuses the program.
    #[error(transparent)]
    Invalid(#[from] tvm_isa::ValidationError),
}

/// Why a program was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is no program.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It exceeds a limit of the compiler.
    #[error(transparent)]
    TooLarge(CompileError),
    /// The machine failed.
    #[error(transparent)]
    Machine(Error),
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self::Machine(error)
    }
}

impl From<SysError> for LoadError {
    fn from(error: SysError) -> Self {
        Self::Machine(error.into())
    }
}

impl From<tvm_loader::LoadError> for LoadError {
    fn from(error: tvm_loader::LoadError) -> Self {
        Self::Machine(error.into())
    }
}

impl From<CompileError> for LoadError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Container(error) => Self::Malformed(error.into()),
            CompileError::Program(error) => Self::Malformed(error.into()),
            CompileError::Invalid(error) => Self::Malformed(error.into()),
            CompileError::CodeTooLong { .. } | CompileError::TextTooLarge => Self::TooLarge(error),
            _ => Self::Machine(Error::Internal(error.to_string())),
        }
    }
}
