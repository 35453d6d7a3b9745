//! The priority of threads that have time.

/// How nice background threads are, of 19: they get what others leave, and about a tenth of a core that others want too.
const BACKGROUND_NICE: libc::c_int = 10;

/// Makes the calling thread one that has time. If the system does not let it, it goes on as it is.
pub(crate) fn lower_own_priority() {
    // SAFETY: the call has no preconditions. On Linux, process 0 is the calling thread, and no other is changed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_is_lowered() {
        // SAFETY: the call has no preconditions.
        let own = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = own();
        let lowered = std::thread::spawn(move || {
            lower_own_priority();
            own()
        });
        assert_eq!(lowered.join().unwrap(), before.max(BACKGROUND_NICE));
        assert_eq!(own(), before);
    }
}
