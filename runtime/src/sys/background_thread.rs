//! What makes a thread one of the background.

use std::mem::MaybeUninit;

/// How nice background threads are, of 19: they get what others leave, and about a tenth of a core that others want too.
const NICE: libc::c_int = 10;

/// Signals that a thread causes itself. All others are for the host's threads, whose handlers expect to run there.
const OWN_SIGNALS: [libc::c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

/// Lowers the calling thread's priority, and leaves signals that are sent to the process to other threads. If the system
/// refuses, the thread goes on as it is.
pub(crate) fn become_background_thread() {
    // SAFETY: the call has no preconditions. On Linux, process 0 is the calling thread, and no other is changed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` makes the set, which the following calls take; all signals are real ones.
    unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for signal in OWN_SIGNALS {
            libc::sigdelset(blocked.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, blocked.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calling thread's priority, and the signals it blocks.
    fn own() -> (libc::c_int, Vec<libc::c_int>) {
        let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the first call has no preconditions, the second only writes the mask, which the others read.
        unsafe {
            let nice = libc::getpriority(libc::PRIO_PROCESS, 0);
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
            (nice, (1..32).filter(|&signal| libc::sigismember(mask.as_ptr(), signal) == 1).collect())
        }
    }

    #[test]
    fn only_the_calling_thread_is_changed() {
        let before = own();
        let (nice, blocked) = std::thread::spawn(|| {
            become_background_thread();
            own()
        })
        .join()
        .unwrap();
        assert_eq!(nice, before.0.max(NICE));
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGCHLD, libc::SIGPROF, libc::SIGUSR1] {
            assert!(blocked.contains(&signal), "{signal}");
        }
        assert!(OWN_SIGNALS.iter().all(|signal| !blocked.contains(signal)), "{blocked:?}");
        assert_eq!(own(), before);
    }
}
