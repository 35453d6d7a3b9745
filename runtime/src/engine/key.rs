//! What programs and their objects are known by.

use tvm_abi::{CpuFeatures, Tier, sections};
use tvm_cache::KeyParts;
use tvm_compiler::COMPILER_IDENTITY;
use tvm_isa::{Container, GpVersion};

use crate::sys::NativeModule;

/// What a loaded module is known by within an engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ModuleKey {
    pub version: GpVersion,
    pub container: Container,
    pub code_hash: [u8; 32],
}

/// What the object of a program is filed under when it is compiled for a CPU with these features, on this tier.
#[must_use]
pub fn object_key(
    version: GpVersion,
    container: Container,
    code_hash: [u8; 32],
    cpu: CpuFeatures,
    tier: Tier,
) -> KeyParts {
    KeyParts {
        code_hash,
        format_version: sections::FORMAT_VERSION,
        compiler: COMPILER_IDENTITY,
        gp_version: version as u8,
        gas_model: version.rules().gas as u8,
        container: container as u8,
        cpu_features: cpu.bits(),
        options: tier as u64,
    }
}

/// Whether a loaded object is what its key says.
pub(super) fn is_of(native: &NativeModule, key: ModuleKey, tier: Tier) -> bool {
    let note = native.note();
    (note.compiler, note.tier) == (COMPILER_IDENTITY, tier)
        && (note.gp_version, note.container, note.code_hash) == (key.version, key.container, key.code_hash)
}
