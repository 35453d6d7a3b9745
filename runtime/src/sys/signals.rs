//! The handler that turns memory faults of compiled code into exits.
//!
//! It is installed once in a process and stays. It takes a fault for a guest's only if the thread runs a guest, the
//! faulting instruction lies in that guest's text, and the address in that guest's memory. All other faults, which are
//! errors of the host or of TVM, go to the handler that was there before, just as if TVM's were not.
//!
//! The handler allocates nothing, takes no lock and returns normally, with the instruction pointer moved to the fault
//! exit: the kernel restores signal mask and stack as after any handler.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::OnceLock;

use libc::{SIG_DFL, SIG_IGN, SIGBUS, SIGSEGV, sigaction, siginfo_t, ucontext_t};
use tvm_abi::context::CONTEXT_BYTES;

use super::SysError;
use super::activation::Activation;
use super::enter::fault_exit_address;
use super::gs_base::GsBase;
use super::reservation::{GUARD_BYTES, GUEST_BYTES};

/// Codes of a SIGSEGV for an unmapped and for a protected page.
const SEGV_CODES: [c_int; 2] = [1, 2];
/// Code of a SIGBUS for a page that its file does not have.
const BUS_ADRERR: c_int = 2;

/// What handled each signal before, and how to read the gs base.
#[derive(Debug)]
struct Previous {
    gs_base: GsBase,
    segv: sigaction,
    bus: sigaction,
}

static PREVIOUS: OnceLock<Previous> = OnceLock::new();

/// Installs the handler, unless it is.
///
/// # Errors
/// When the system refuses.
pub(super) fn install() -> Result<(), SysError> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            // A fault between the two steps must find the previous handlers recorded.
            let previous = PREVIOUS.get_or_init(|| Previous {
                gs_base: GsBase::detect(),
                segv: action_of(SIGSEGV),
                bus: action_of(SIGBUS),
            });
            install_for(SIGSEGV, &previous.segv)?;
            install_for(SIGBUS, &previous.bus)
        })
        .map_err(|code| SysError {
            operation: "installing the handler for memory faults",
            source: std::io::Error::from_raw_os_error(code),
        })
}

/// The signal's present action.
fn action_of(signal: c_int) -> sigaction {
    // SAFETY: all zero is a valid action, the default one; the kernel overwrites it and changes nothing else.
    unsafe {
        let mut action: sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        action
    }
}

fn install_for(signal: c_int, previous: &sigaction) -> Result<(), i32> {
    let mut action = *previous;
    action.sa_sigaction = on_fault as *const () as usize;
    // SA_SIGINFO: the handler needs the fault's address and registers.
    // SA_ONSTACK: the fault may be an overflow of the stack, or come on a small stack such as a goroutine's.
    // SA_NODEFER: not wanted for ourselves, since the handler does not fault. A previous handler finds the signal mask
    // that it asked for, because its mask and this flag are taken over.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | (previous.sa_flags & libc::SA_NODEFER);
    // SAFETY: the handler is async-signal-safe, and passes on what is not its own.
    let failed = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if failed == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) }
}

unsafe extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: errno always has a place, and the kernel passes valid information and context.
    unsafe {
        let errno = *libc::__errno_location();
        if let Some(previous) = PREVIOUS.get()
            && !leave_guest(previous.gs_base, signal, &*info, &mut *context.cast())
        {
            pass_on(previous, signal, info, context);
        }
        *libc::__errno_location() = errno;
    }
}

/// Moves the thread to the fault exit if the fault is a guest's.
fn leave_guest(gs_base: GsBase, signal: c_int, info: &siginfo_t, context: &mut ucontext_t) -> bool {
    let is_fault = match signal {
        SIGSEGV => SEGV_CODES.contains(&info.si_code),
        SIGBUS => info.si_code == BUS_ADRERR,
        _ => false,
    };
    // SAFETY: for these signals and codes the kernel sets the address.
    let address = unsafe { info.si_addr() } as usize;
    // Threads that run no guest have no gs base, or that of a guest that is not at work. Asking first spares them the
    // access to thread-local storage, which in a library loaded with `dlopen` is not async-signal-safe the first time.
    let gs_base = gs_base.get() as usize;
    if !is_fault || gs_base == 0 || !guest_accesses(gs_base).contains(&address) {
        return false;
    }
    // SAFETY: the pointer is null or refers to a frame of this thread that has not returned.
    let Some(activation) = (unsafe { Activation::current().as_ref() }) else { return false };
    let instruction = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
    // SAFETY: the range lies in the code that runs.
    let text = unsafe { &*activation.text };
    let is_guest = gs_base == activation.context as usize + CONTEXT_BYTES && text.contains(&(*instruction as usize));
    if !is_guest {
        return false;
    }
    activation.page_lost.set(signal == SIGBUS);
    // SAFETY: the guest runs, so that its context is alive and no reference to it is in use.
    unsafe { (*activation.context).site = *instruction as u64 };
    *instruction = fault_exit_address() as i64;
    true
}

/// Addresses that the accesses of a guest's code can reach: guest memory and the guard behind it.
fn guest_accesses(base: usize) -> Range<usize> {
    base..base.saturating_add(GUEST_BYTES + GUARD_BYTES)
}

/// Does what would have happened without TVM.
///
/// # Safety
/// The arguments must be those of the handler.
unsafe fn pass_on(previous: &Previous, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let previous = if signal == SIGBUS { &previous.bus } else { &previous.segv };
    // SAFETY: the caller passes the kernel's information.
    let was_sent = unsafe { (*info).si_code } <= 0;
    match previous.sa_sigaction {
        SIG_IGN if was_sent => {}
        // The kernel does not let a fault be ignored.
        SIG_DFL | SIG_IGN => {
            restore_default(signal);
            // A fault happens again when the handler returns. A signal that was sent must be sent again; it arrives
            // when the handler returns.
            if was_sent {
                // SAFETY: the call has no preconditions.
                unsafe { libc::raise(signal) };
            }
        }
        handler => {
            if previous.sa_flags & libc::SA_RESETHAND != 0 {
                restore_default(signal);
            }
            // SAFETY: the address was installed as handler of this signal, of the kind that the flag says.
            unsafe {
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = std::mem::transmute(handler);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
                    handler(signal);
                }
            }
        }
    }
}

fn restore_default(signal: c_int) {
    // SAFETY: all zero is the default action.
    unsafe {
        let action: sigaction = std::mem::zeroed();
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests;
