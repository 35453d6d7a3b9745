//! Running compiled code.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tvm_abi::context::CONTEXT_BYTES;
use tvm_abi::{HostCall, Leave, TextOffset};
use tvm_isa::Pc;

use super::activation::Activation;
use super::enter::enter;
use super::gs_base::GsBase;
use super::{Reservation, SysError, signals};
use crate::exit::GuestState;
use crate::host_call::{CallState, Guest};
use crate::memory::{GuestMemory, MappedMemory};

/// Machine code that may be run.
#[derive(Clone)]
pub(crate) struct CompiledCode {
    text: Range<usize>,
    gs_base: GsBase,
    /// Keeps the code mapped.
    _owner: Arc<dyn Any + Send + Sync>,
}

/// Serves host calls of compiled code.
pub(crate) trait HostServes {
    /// Serves the call with this identifier.
    fn serve(&mut self, id: u64, guest: Guest<'_>) -> HostReply;
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
    /// The code must be what TVM's compiler made. The loader cannot check that: it
    /// follows from where an object comes from (this process's compiler, or a cache directory of our own).
    ///
    /// # Errors
    /// When the system refuses the signal handler.
    pub(crate) unsafe fn new(text: Range<usize>, owner: Arc<dyn Any + Send + Sync>) -> Result<Self, SysError> {
        signals::install()?;
        Ok(Self { text, gs_base: GsBase::detect(), _owner: owner })
    }

    /// Addresses of the code.
    #[inline]
    pub(crate) fn text(&self) -> &Range<usize> {
        &self.text
    }

    /// Runs the code from `entry` on until it leaves, with this state's gas and registers, on `memory`, which must be mapped
    /// and protected. `serve` serves host calls; a panic of it goes on here. The code leaves after a
    /// host call when `serve` says so, and when the memory is not fit for it any more.
    ///
    /// # Errors
    /// See [`Broken`].
    #[inline]
    pub(crate) fn run<H: HostServes>(
        &self,
        memory: &mut GuestMemory,
        entry: TextOffset,
        state: &mut GuestState,
        serve: H,
    ) -> Result<Left, Broken> {
        let target = self.text.start + entry.0 as usize;
        if target >= self.text.end {
            return Err(Broken::Entry);
        }
        let GuestMemory::Mapped(mapped) = &*memory else { return Err(Broken::NoAddressSpace) };
        let context = mapped.context_ptr();
        let state: *mut GuestState = state;
        let mut host = HostSide { serve, memory, made: None };
        // SAFETY: the context is always accessible, and nothing else uses it: the memory is borrowed.
        unsafe {
            (*context).state = state as u64;
            (*context).text_base = self.text.start as u64;
            (*context).host_call_entry = first_host_call::<H> as *const () as u64;
            (*context).host_call_data = (&raw mut host) as u64;
        }
        let activation = Activation { context, text: &raw const self.text, page_lost: Cell::new(false) };
        let base = context as u64 + CONTEXT_BYTES as u64;
        // SAFETY: gs base and context belong together, the target was checked, `new` vouches for the code, and
        // the functions for host calls do not unwind. The address space stays: `host` holds the only reference to its owner,
        // and keeps it alive before it lends that to anybody.
        let leave = activation.during(|nested| unsafe { self.gs_base.during(base, nested, || enter(state, target)) });
        if let Some(made) = host.made {
            made.finish(host.memory)?;
        }
        // SAFETY: as above.
        let (site, host_call) = unsafe { ((*context).site, (*context).left_at_host_call) };
        let reason = Leave::from_number(leave).ok_or(Broken::Reason)?;
        if reason == Leave::Fault && activation.page_lost.get() {
            return Err(Broken::PageLost);
        }
        Ok(Left { reason, site, host_call_pc: HostCall::from_packed(host_call).pc })
    }
}

/// How compiled code was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Left {
    pub reason: Leave,
    /// [`VmContext::site`](tvm_abi::VmContext::site).
    pub site: u64,
    /// The host call, if that was the reason.
    pub host_call_pc: Pc,
}

/// Why code does not run, or cannot have been run. None of it says anything about the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The object is corrupt.
    #[error("entry point past the end of the code")]
    Entry,
    /// The memory is one for the interpreter.
    #[error("memory without an address space")]
    NoAddressSpace,
    /// Stubs and runtime do not agree.
    #[error("code left for an unknown reason")]
    Reason,
    /// The object's file was cut off, or its medium failed.
    #[error("a page of guest memory is missing from its file")]
    PageLost,
    /// Where the code ran is gone.
    #[error("a host call put other memory in the place of the guest's")]
    OtherMemory,
}

impl From<Broken> for SysError {
    fn from(broken: Broken) -> Self {
        Self { operation: "running compiled code", source: std::io::Error::other(broken) }
    }
}

impl std::fmt::Debug for CompiledCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledCode").field("text", &self.text).finish_non_exhaustive()
    }
}

/// What a run's host calls work on.
struct HostSide<'a, H> {
    serve: H,
    memory: &'a mut GuestMemory,
    /// Set by the first host call.
    made: Option<CallsMade>,
}

/// What a run with host calls leaves behind.
struct CallsMade {
    /// The address space that the code runs in, kept alive: hosts may replace the memory.
    space: Arc<Reservation>,
    /// The last call's.
    panic: Option<Box<dyn Any + Send>>,
}

impl CallsMade {
    /// Goes on with a panic; fails if the memory is not the one that the code ran on.
    #[cold]
    #[inline(never)]
    fn finish(self, memory: &GuestMemory) -> Result<(), Broken> {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
        self.same(memory).map(|_| ()).ok_or(Broken::OtherMemory)
    }

    /// The memory, if it is still the one in that address space.
    #[inline]
    fn same<'a>(&self, memory: &'a GuestMemory) -> Option<&'a MappedMemory> {
        match memory {
            GuestMemory::Mapped(memory) if Arc::ptr_eq(memory.reservation(), &self.space) => Some(memory),
            _ => None,
        }
    }
}

impl<H: HostServes> HostSide<'_, H> {
    #[inline]
    fn host_call(&mut self, id: u64, state: &mut CallState) -> HostReply {
        self.serve.serve(id, Guest { state, memory: &mut *self.memory })
    }

    /// Whether code can go on with the memory after a host call. It cannot if the call put another one in its place, or changed
    /// rights in a way that the processor cannot check.
    #[inline]
    fn can_go_on(&self) -> bool {
        let memory = self.made.as_ref().and_then(|made| made.same(self.memory));
        memory.is_some_and(MappedMemory::hardware_protected)
    }

    #[cold]
    fn panicked(&mut self, panic: Box<dyn Any + Send>) -> HostReply {
        if let Some(made) = &mut self.made {
            made.panic = Some(panic);
        }
        HostReply::Leave
    }
}

/// Called by the host call stub the first time in a run.
///
/// # Safety
/// As for [`next_host_call`].
unsafe extern "sysv64" fn first_host_call<H: HostServes>(
    host: *mut HostSide<'_, H>,
    call: u64,
    state: *mut CallState,
) -> u64 {
    // SAFETY: as the caller vouches.
    unsafe {
        if let GuestMemory::Mapped(memory) = &*(*host).memory {
            (*host).made = Some(CallsMade { space: Arc::clone(memory.reservation()), panic: None });
            (*memory.context_ptr()).host_call_entry = next_host_call::<H> as *const () as u64;
        }
        next_host_call(host, call, state)
    }
}

/// Called by the host call stub.
///
/// # Safety
/// `host` must be the host's side of a run whose `serve` is an `H`, and the code must have made this host call in this state.
unsafe extern "sysv64" fn next_host_call<H: HostServes>(
    host: *mut HostSide<'_, H>,
    call: u64,
    state: *mut CallState,
) -> u64 {
    let id = HostCall::from_packed(call).id();
    // SAFETY: `run` put a pointer to its `HostSide<H>` there and waits for the code to leave; the stub's part of the stack
    // is nobody else's.
    let served = catch_unwind(AssertUnwindSafe(move || unsafe { (*host).host_call(id, &mut *state) }));
    // SAFETY: as above. A reference that lived through the call would be one more register to keep.
    let host = unsafe { &mut *host };
    let reply = match served {
        Ok(reply) if host.can_go_on() => reply,
        Ok(_) => HostReply::Leave,
        Err(panic) => host.panicked(panic),
    };
    reply as u64
}

#[cfg(test)]
pub(crate) mod tests;
