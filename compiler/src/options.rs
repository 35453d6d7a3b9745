//! What the caller decides about a compilation.

use tvm_abi::{CpuFeatures, Tier};
use tvm_isa::{Container, GpVersion};

/// How a program is compiled. Everything here is part of the cache key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CompileOptions {
    /// The rules the program follows.
    pub version: GpVersion,
    /// The format the program comes in.
    pub container: Container,
    /// What the machine code may use.
    pub cpu: CpuFeatures,
    /// How much work goes into the machine code.
    pub tier: Tier,
}
