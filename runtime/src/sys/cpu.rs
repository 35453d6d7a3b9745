//! The features of this machine's CPU, without asking the CPU.

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
use std::arch::asm;

use tvm_abi::CpuFeatures;

/// The features of the CPU this runs on: from what the C library has found out when the process started, or else from
/// the CPU itself, where each of four questions is a matter of microseconds under a hypervisor.
pub(crate) fn host_features() -> CpuFeatures {
    from_c_library().unwrap_or_else(CpuFeatures::host)
}

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn from_c_library() -> Option<CpuFeatures> {
    /// glibc's `struct cpuid_feature`, since version 2.33: EAX, EBX, ECX, EDX of one leaf.
    #[repr(C)]
    struct Leaf {
        cpuid: [u32; 4],
        _active: [u32; 4],
    }
    const EBX: usize = 1;
    const ECX: usize = 2;
    type LeafOf = unsafe extern "C" fn(libc::c_uint) -> *const Leaf;

    // Older versions of the library, and others, do not have the function: hence a weak symbol, which is 0 then. The
    // dynamic linker has looked it up when the process started; asking it by name takes some microseconds.
    let address: usize;
    // SAFETY: reads a word of the global offset table.
    unsafe {
        asm!(
            ".weak __x86_get_cpuid_feature_leaf",
            "mov {}, qword ptr [rip + __x86_get_cpuid_feature_leaf@GOTPCREL]",
            out(reg) address,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    // SAFETY: null, or the function, whose type this is in <sys/platform/x86.h>, a public interface of the library.
    let leaf_of = unsafe { std::mem::transmute::<usize, Option<LeafOf>>(address) }?;
    // SAFETY: the function takes any number, and returns null or a constant of the library; for leaves that the CPU does
    // not have, all of it is zero. `CPUID_INDEX_1`, `CPUID_INDEX_7` and `CPUID_INDEX_80000001` are 0, 1 and 2.
    let [first, seventh, extended] = [0, 1, 2].map(|index| unsafe { leaf_of(index).as_ref() });
    Some(CpuFeatures::from_cpuid(first?.cpuid[ECX], seventh?.cpuid[EBX], extended?.cpuid[ECX]))
}

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
fn from_c_library() -> Option<CpuFeatures> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_found_what_the_cpu_says() {
        assert_eq!(host_features(), CpuFeatures::host());
        assert_eq!(from_c_library().unwrap_or_else(CpuFeatures::host), CpuFeatures::host());
    }
}
