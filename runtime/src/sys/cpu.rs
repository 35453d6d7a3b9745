//! The features of this machine's CPU, without asking the CPU.

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

    // Older versions of the library, and others, do not have the function: hence not linked but looked up.
    // SAFETY: the name is a terminated string.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__x86_get_cpuid_feature_leaf".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: this is the function's type in <sys/platform/x86.h>, a public interface of the library.
    let leaf_of = unsafe { std::mem::transmute::<*mut libc::c_void, LeafOf>(symbol) };
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
