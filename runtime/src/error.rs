//! Errors of the machine itself.

use crate::host_call::HostError;
use crate::sys::SysError;

/// TVM or its host failed. Nothing about the guest follows from it: a node must not report it as the guest's outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a program.
    #[error(transparent)]
    Container(#[from] tvm_isa::ContainerError),
    /// The bytes are not a program blob.
    #[error(transparent)]
    Program(#[from] tvm_isa::ProgramError),
    /// The operating system refused something.
    #[error(transparent)]
    System(#[from] SysError),
    /// The host's own code failed while it served a host call.
    #[error("the host failed while serving a host call: {0}")]
    Host(HostError),
    /// TVM contradicts itself. The run's result must not be used.
    #[error("internal error of TVM, please report it: {0}")]
    Internal(String),
}
