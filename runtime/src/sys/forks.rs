//! Whether this process is still the one that did something.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Forks between the process that asked first and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A number that is another one in a child that this process forks: what is mapped shared is shared with that child, and
/// must not be used by both. Always 0 where the system does not tell of forks.
pub(crate) fn forks() -> u32 {
    static TOLD: OnceLock<()> = OnceLock::new();
    TOLD.get_or_init(|| {
        // SAFETY: the function only counts, which any process may do at any time.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
    FORKS.load(Ordering::Relaxed)
}

extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
