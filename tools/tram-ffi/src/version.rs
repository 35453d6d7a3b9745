//! What this library is, and the hash that names programs.

use std::ffi::c_char;

use tvm_abi::CpuFeatures;
use tvm_isa::GpVersion;

use crate::arguments::{bytes, bytes_mut};
use crate::status::{Failure, Status, TvmError, entry};

/// Version of this C ABI. It changes when something that programs could rely on is changed or removed.
pub const ABI_VERSION: u32 = 3;

/// The header's number of a Gray Paper version: 0x000702 for 0.7.2. Zero is none.
#[must_use]
pub fn gp_number(version: GpVersion) -> u32 {
    match version {
        GpVersion::V0_7_0 => 0x00_07_00,
        GpVersion::V0_7_2 => 0x00_07_02,
        GpVersion::V0_8_0 => 0x00_08_00,
    }
}

/// The version that a number of the header stands for.
pub(crate) fn gp_version(number: u32) -> Result<GpVersion, Failure> {
    GpVersion::ALL.into_iter().find(|version| gp_number(*version) == number).ok_or_else(|| {
        Failure::argument(format_args!("unknown Gray Paper version {number:#08x}: expected one of TVM_GP_*"))
    })
}

/// [`ABI_VERSION`] of the library.
#[unsafe(no_mangle)]
pub extern "C" fn tvm_abi_version() -> u32 {
    ABI_VERSION
}

/// The library's version, such as `0.1.0`.
#[unsafe(no_mangle)]
pub extern "C" fn tvm_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Whether programs of this Gray Paper version can be loaded.
#[unsafe(no_mangle)]
pub extern "C" fn tvm_supports_gp_version(gp_version_number: u32) -> bool {
    gp_version(gp_version_number).is_ok()
}

/// The `TVM_CPU_*` features that this machine has.
#[unsafe(no_mangle)]
pub extern "C" fn tvm_host_cpu_features() -> u64 {
    CpuFeatures::host().bits()
}

/// The identity of the compiler's sources: objects in a cache are only used by the compiler that made them.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_compiler_identity(identity: *mut u8, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            bytes_mut(identity, 32, "identity")?.copy_from_slice(&tvm_compiler::COMPILER_IDENTITY);
            Ok(())
        })
    }
}

/// BLAKE2b-256, by which JAM names code.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_hash(data: *const u8, data_len: usize, hash: *mut u8, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let digest = tvm_cache::hash(bytes(data, data_len, "data")?);
            bytes_mut(hash, 32, "hash")?.copy_from_slice(&digest);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spell_the_version() {
        for version in GpVersion::ALL {
            let [_, major, minor, patch] = gp_number(version).to_be_bytes();
            assert_eq!(format!("{major}.{minor}.{patch}"), version.name());
            assert_eq!(gp_version(gp_number(version)).unwrap(), version);
        }
        assert!(!tvm_supports_gp_version(0) && tvm_supports_gp_version(0x0702));
    }
}
