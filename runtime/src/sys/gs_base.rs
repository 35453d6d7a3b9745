//! The base address of the gs segment, through which compiled code reaches its guest's memory.
//!
//! Linux gives the gs base to the program; on x86-64 neither libc nor Rust use it. It belongs to the thread and is kept
//! over signals and context switches. The host's value is put back whenever compiled code is left.

use std::arch::asm;
use std::sync::OnceLock;

/// How this thread's gs base is read and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GsBase {
    /// `rdgsbase` and `wrgsbase`: a few nanoseconds. Needs Linux 5.9 and a CPU from 2012 or later.
    Instructions,
    /// `arch_prctl`: some hundred nanoseconds.
    SystemCall,
}

/// Bit of `AT_HWCAP2` by which the kernel says that the instructions are allowed.
const HWCAP2_FSGSBASE: u64 = 1 << 1;

const ARCH_SET_GS: libc::c_int = 0x1001;
const ARCH_GET_GS: libc::c_int = 0x1004;

impl GsBase {
    /// The better way of those there are.
    pub(crate) fn detect() -> Self {
        static FOUND: OnceLock<GsBase> = OnceLock::new();
        *FOUND.get_or_init(|| {
            // SAFETY: the call has no preconditions.
            let capabilities = unsafe { libc::getauxval(libc::AT_HWCAP2) };
            if capabilities & HWCAP2_FSGSBASE != 0 { Self::Instructions } else { Self::SystemCall }
        })
    }

    /// This thread's gs base. Async-signal-safe; may change `errno`.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        let mut base = 0_u64;
        match self {
            // SAFETY: this way was detected; the instruction changes nothing else.
            Self::Instructions => unsafe {
                asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags))
            },
            Self::SystemCall => {
                // SAFETY: the kernel writes eight bytes to `base`.
                let failed = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut base) };
                debug_assert_eq!(failed, 0);
            }
        }
        base
    }

    /// Sets this thread's gs base.
    ///
    /// # Safety
    /// The address must be canonical, and code on this thread that relies on the gs base must find what it expects.
    #[inline]
    pub(crate) unsafe fn set(self, base: u64) {
        match self {
            // SAFETY: this way was detected; the caller vouches for the address.
            Self::Instructions => unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) },
            Self::SystemCall => {
                // SAFETY: the caller vouches for the address.
                let failed = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) };
                debug_assert_eq!(failed, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree() {
        let ways = [GsBase::SystemCall, GsBase::detect()];
        let before = ways[0].get();
        for writer in ways {
            for reader in ways {
                // SAFETY: nothing on this thread uses gs.
                unsafe { writer.set(0x1234_5678_9000) };
                assert_eq!(reader.get(), 0x1234_5678_9000, "{writer:?} {reader:?}");
                // SAFETY: as above.
                unsafe { writer.set(before) };
                assert_eq!(reader.get(), before);
            }
        }
    }
}
