//! Which guest runs on a thread, for the signal handler.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{Ordering, compiler_fence};

use tvm_abi::VmContext;

/// A run of compiled code on this thread. It lives in the frame that runs the code.
#[derive(Debug)]
pub(super) struct Activation {
    /// The context of the guest.
    pub(super) context: *mut VmContext,
    /// Native addresses of the module's text.
    pub(super) text: *const Range<usize>,
    /// Set when the system could not supply a page of guest memory (SIGBUS).
    pub(super) page_lost: Cell<bool>,
}

thread_local! {
    // Const and without destructor, so that the signal handler reads it like a plain static of the thread.
    static CURRENT: Cell<*const Activation> = const { Cell::new(ptr::null()) };
}

impl Activation {
    /// Does `work` with this as the thread's activation, then makes the one before it current again. `work` learns
    /// whether there is one before; it must not unwind.
    #[inline]
    pub(super) fn during<T>(&self, work: impl FnOnce(bool) -> T) -> T {
        let outer = CURRENT.with(|current| current.replace(self));
        // The handler runs on this thread: no instruction is needed, only that the compiler keeps the order.
        compiler_fence(Ordering::SeqCst);
        let result = work(!outer.is_null());
        compiler_fence(Ordering::SeqCst);
        CURRENT.with(|current| current.set(outer));
        result
    }

    /// The innermost activation of this thread. Async-signal-safe on threads that have one; elsewhere the first access
    /// may allocate, when TVM was loaded with `dlopen`.
    #[inline]
    pub(super) fn current() -> *const Self {
        CURRENT.with(Cell::get)
    }
}
