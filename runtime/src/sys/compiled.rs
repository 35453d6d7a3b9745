//! Running compiled code.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tvm_abi::context::CONTEXT_BYTES;
use tvm_abi::{Leave, TextOffset, VmContext};

use super::activation::Activation;
use super::enter::enter;
use super::gs_base::GsBase;
use super::reservation::{GUARD_BYTES, GUEST_BYTES};
use super::{Reservation, SysError, signals};

/// Machine code that may be run.
#[derive(Clone)]
pub(crate) struct CompiledCode {
    text: Range<usize>,
    gs_base: GsBase,
    /// Keeps the code mapped.
    _owner: Arc<dyn Any + Send + Sync>,
}

/// What compiled code does after a host call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum HostReply {
    /// Go on after it.
    Resume = 0,
    /// Leave, with [`Leave::HostCall`].
    Leave = 1,
}

impl CompiledCode {
    /// Code at `text`, which `owner` keeps mapped there, unchanged. Installs the handler for the code's faults.
    ///
    /// # Safety
    /// The code must be what TVM's compiler made, linked with this runtime's stubs. The loader cannot check that: it
    /// follows from where an object comes from (this process's compiler, or a cache directory of our own).
    ///
    /// # Errors
    /// When the system refuses the signal handler.
    pub(crate) unsafe fn new(text: Range<usize>, owner: Arc<dyn Any + Send + Sync>) -> Result<Self, SysError> {
        signals::install()?;
        Ok(Self { text, gs_base: GsBase::detect(), _owner: owner })
    }

    /// Runs the code from `entry` on until it leaves, on the memory and with the context of `space`. Registers and gas
    /// are taken from the context and are there afterwards. `serve` serves host calls; a panic of it goes on here.
    ///
    /// `space` must not be in use by another run: the caller has the one [`crate::memory::MappedMemory`] of it.
    ///
    /// # Errors
    /// When a page of guest memory cannot be supplied: the object's file was cut off, or its medium failed. Also when
    /// `entry` lies outside of the code, so that the object is corrupt. Neither says anything about the guest.
    #[inline]
    pub(crate) fn run<F>(&self, space: &Reservation, entry: TextOffset, serve: F) -> Result<Leave, SysError>
    where
        F: FnMut(&mut VmContext) -> HostReply,
    {
        let target = self.text.start + entry.0 as usize;
        if !self.text.contains(&target) {
            return Err(broken("entry point past the end of the code"));
        }
        let mut host = HostSide { serve, panic: None };
        let context = space.context_ptr();
        let base = space.base() as usize;
        let activation = Activation {
            context,
            text: self.text.clone(),
            memory: base..base + GUEST_BYTES + GUARD_BYTES,
            page_lost: Cell::new(false),
        };
        // SAFETY: the context is always accessible, and the caller lets nothing else use it.
        unsafe {
            (*context).text_base = self.text.start as u64;
            (*context).host_call_entry = host_call_entry::<F> as *const () as u64;
            (*context).host_call_data = (&raw mut host) as u64;
            (*context).host_gs_base = self.gs_base.get();
        }
        // SAFETY: gs base and context belong together, the target was checked, `new` vouches for the code, and
        // `host_call_entry` does not unwind. The gs base is put back before anything else runs.
        activation.during(|| unsafe {
            self.gs_base.set((context as u64) + CONTEXT_BYTES as u64);
            enter(context, target);
            self.gs_base.set((*context).host_gs_base);
        });
        if let Some(panic) = host.panic {
            resume_unwind(panic);
        }
        if activation.page_lost.get() {
            return Err(broken("a page of guest memory is missing from its file"));
        }
        // SAFETY: as above.
        let leave = unsafe { (*context).leave };
        Leave::from_number(leave).ok_or_else(|| broken("code left for an unknown reason"))
    }
}

impl std::fmt::Debug for CompiledCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledCode").field("text", &self.text).finish_non_exhaustive()
    }
}

fn broken(reason: &'static str) -> SysError {
    SysError { operation: "running compiled code", source: std::io::Error::other(reason) }
}

struct HostSide<F> {
    serve: F,
    panic: Option<Box<dyn Any + Send>>,
}

/// Called by the host call stub.
///
/// # Safety
/// `context` must be the context of a run whose `serve` is an `F`.
unsafe extern "sysv64" fn host_call_entry<F>(context: *mut VmContext) -> u64
where
    F: FnMut(&mut VmContext) -> HostReply,
{
    // SAFETY: `run` put a pointer to its `HostSide<F>` there and waits for the code to leave.
    let host = unsafe { &mut *((*context).host_call_data as *mut HostSide<F>) };
    // SAFETY: the code that uses the context waits for this function.
    let context = unsafe { &mut *context };
    let reply = catch_unwind(AssertUnwindSafe(|| (host.serve)(context))).unwrap_or_else(|panic| {
        host.panic = Some(panic);
        HostReply::Leave
    });
    reply as u64
}

#[cfg(test)]
pub(crate) mod tests;
