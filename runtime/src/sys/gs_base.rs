//! The base address of the gs segment, through which compiled code reaches its guest's memory.
//!
//! Linux gives the gs base to the program; on x86-64 neither libc nor Rust use it, and it is 0 unless somebody else in
//! the process does. It belongs to the thread and is kept over signals and context switches. A host's value is put back
//! whenever compiled code is left. In the place of a 0 the last guest's stays, which nobody uses: writing the base takes
//! longer than everything else about entering and leaving, and the next guest is often the same one.

use std::arch::asm;
use std::cell::Cell;
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

thread_local! {
    /// The base that was left in the place of a 0 on this thread; 0 if none was.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

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

    /// Does `work`, which must not unwind, with this gs base. `nested` says that a guest waits for it.
    ///
    /// # Safety
    /// As for [`Self::set`].
    #[inline]
    pub(crate) unsafe fn during<T>(self, base: u64, nested: bool, work: impl FnOnce() -> T) -> T {
        let before = self.get();
        if before == base {
            return work();
        }
        // SAFETY: the caller vouches for the address, and that nobody but `work` uses it.
        unsafe { self.set(base) };
        let result = work();
        if !nested && (before == 0 || before == LEFT.with(Cell::get)) {
            LEFT.with(|left| left.set(base));
        } else {
            // SAFETY: it was in force before.
            unsafe { self.set(before) };
        }
        result
    }

    /// This thread's gs base. Async-signal-safe; may change `errno`.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        match self {
            Self::Instructions => {
                let base;
                // SAFETY: this way was detected; the instruction changes nothing else.
                unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
                base
            }
            Self::SystemCall => Self::ask_kernel(),
        }
    }

    #[cold]
    fn ask_kernel() -> u64 {
        let mut base = 0_u64;
        // SAFETY: the kernel writes eight bytes to `base`.
        let failed = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut base) };
        debug_assert_eq!(failed, 0);
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
            // SAFETY: the caller vouches for the address.
            Self::SystemCall => unsafe { Self::tell_kernel(base) },
        }
    }

    /// # Safety
    /// As for [`Self::set`].
    #[cold]
    unsafe fn tell_kernel(base: u64) {
        // SAFETY: the caller vouches for the address.
        let failed = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) };
        debug_assert_eq!(failed, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_base_is_put_back_and_a_guests_may_stay() {
        let way = GsBase::detect();
        let run = |base, nested| {
            // SAFETY: nothing on this thread uses gs.
            unsafe { way.during(base, nested, || assert_eq!(way.get(), base)) };
            way.get()
        };
        // SAFETY: as above.
        let start = |base| unsafe { way.set(base) };
        start(0);
        LEFT.set(0);
        assert_eq!([run(0x1000, false), run(0x1000, false), run(0x2000, false)], [0x1000, 0x1000, 0x2000]);
        // Within a guest's host call, that guest's is put back.
        assert_eq!([run(0x3000, true), run(0x2000, true)], [0x2000, 0x2000]);
        // A host that uses gs finds what it set, also after others did not.
        start(0x7000);
        assert_eq!([run(0x1000, false), run(0x7000, false), run(0x2000, true)], [0x7000; 3]);
        start(0);
        assert_eq!([run(0x1000, false), run(0x4000, true), run(0x4000, false)], [0x1000, 0x1000, 0x4000]);
        start(0);
    }

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
