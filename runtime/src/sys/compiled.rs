//! Running compiled code.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tvm_abi::context::CONTEXT_BYTES;
use tvm_abi::{Leave, TextOffset, VmContext};
use tvm_isa::{Gas, Pc, Reg};

use super::activation::Activation;
use super::enter::enter;
use super::gs_base::GsBase;
use super::{Reservation, SysError, signals};
use crate::host_call::Guest;
use crate::memory::GuestMemory;

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

    /// Runs the code from `entry` on until it leaves, with these registers and gas, on `memory`, which must be mapped and
    /// protected. `serve` serves host calls, given their identifier; a panic of it goes on here. The code leaves after a
    /// host call when `serve` says so, and when the memory is not fit for it any more.
    ///
    /// # Errors
    /// When a page of guest memory cannot be supplied: the object's file was cut off, or its medium failed. When
    /// `entry` lies outside of the code, so that the object is corrupt. When a host call put another memory in the place
    /// of the guest's. None of them says anything about the guest.
    #[inline]
    pub(crate) fn run<F>(
        &self,
        memory: &mut GuestMemory,
        entry: TextOffset,
        regs: &mut [u64; Reg::COUNT],
        gas: &mut Gas,
        serve: F,
    ) -> Result<Left, SysError>
    where
        F: FnMut(u64, Guest<'_>) -> HostReply,
    {
        let target = self.text.start + entry.0 as usize;
        if !self.text.contains(&target) {
            return Err(broken("entry point past the end of the code"));
        }
        let GuestMemory::Mapped(mapped) = &*memory else { return Err(broken("memory without an address space")) };
        let (context, space) = (mapped.context_ptr(), Arc::as_ptr(mapped.reservation()));
        let regs: *mut [u64; Reg::COUNT] = regs;
        let mut host = HostSide { serve, memory, context, regs, space, kept: None, panic: None };
        let activation = Activation { context, text: self.text.clone(), page_lost: Cell::new(false) };
        // SAFETY: the context is always accessible, and nothing else uses it: the memory is borrowed.
        unsafe {
            (*context).gas = *gas;
            (*context).regs = regs as u64;
            (*context).text_base = self.text.start as u64;
            (*context).host_call_entry = host_call_entry::<F> as *const () as u64;
            (*context).host_call_data = (&raw mut host) as u64;
        }
        let base = context as u64 + CONTEXT_BYTES as u64;
        // SAFETY: gs base and context belong together, the target was checked, `new` vouches for the code, and
        // `host_call_entry` does not unwind. The address space stays: `host` holds the only reference to its owner, and
        // keeps it alive before it lends that to anybody.
        let leave = activation.during(|nested| unsafe { self.gs_base.during(base, nested, || enter(regs, target)) });
        // SAFETY: as above.
        let (gas_left, site, host_call_pc) = unsafe { ((*context).gas, (*context).site, (*context).host_call_pc) };
        *gas = gas_left;
        let reason = Leave::from_number(leave).ok_or_else(|| broken("code left for an unknown reason"))?;
        if let Some(panic) = host.panic {
            resume_unwind(panic);
        }
        if reason == Leave::Fault && activation.page_lost.get() {
            return Err(broken("a page of guest memory is missing from its file"));
        }
        if host.kept.is_some() && !is_in(host.memory, space) {
            return Err(broken("a host call put other memory in the place of the guest's"));
        }
        Ok(Left { reason, site, host_call_pc: Pc(host_call_pc as u32) })
    }
}

/// How compiled code was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Left {
    pub reason: Leave,
    /// [`VmContext::site`].
    pub site: u64,
    /// The last host call, if there was one.
    pub host_call_pc: Pc,
}

/// Whether the memory lies in an address space.
#[inline]
fn is_in(memory: &GuestMemory, space: *const Reservation) -> bool {
    matches!(memory, GuestMemory::Mapped(memory) if Arc::as_ptr(memory.reservation()) == space)
}

impl std::fmt::Debug for CompiledCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledCode").field("text", &self.text).finish_non_exhaustive()
    }
}

fn broken(reason: &'static str) -> SysError {
    SysError { operation: "running compiled code", source: std::io::Error::other(reason) }
}

/// What a run's host calls work on.
struct HostSide<'a, F> {
    serve: F,
    memory: &'a mut GuestMemory,
    context: *mut VmContext,
    regs: *mut [u64; Reg::COUNT],
    /// The address space that the code runs in.
    space: *const Reservation,
    /// The same, kept alive since the first host call: hosts may replace the memory.
    kept: Option<Arc<Reservation>>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<F: FnMut(u64, Guest<'_>) -> HostReply> HostSide<'_, F> {
    #[inline]
    fn host_call(&mut self) -> HostReply {
        if self.kept.is_none() {
            self.keep();
        }
        // SAFETY: the code that uses the context and the registers waits, and the context's address space is kept.
        let (context, regs) = unsafe { (&mut *self.context, &mut *self.regs) };
        let pc = Pc(context.host_call_pc as u32);
        let guest = Guest { regs, gas: &mut context.gas, pc, memory: &mut *self.memory };
        let reply = (self.serve)(context.host_call_id, guest);
        match &*self.memory {
            GuestMemory::Mapped(memory) if is_in(self.memory, self.space) && memory.hardware_protected() => reply,
            // The call may have changed rights in a way that the processor cannot check.
            _ => HostReply::Leave,
        }
    }

    #[cold]
    fn keep(&mut self) {
        if let GuestMemory::Mapped(mapped) = &*self.memory {
            self.kept = Some(Arc::clone(mapped.reservation()));
        }
    }

    #[cold]
    fn panicked(&mut self, panic: Box<dyn Any + Send>) -> HostReply {
        self.panic = Some(panic);
        HostReply::Leave
    }
}

/// Called by the host call stub.
///
/// # Safety
/// `host` must be the host's side of a run whose `serve` is an `F`, and the code must have made a host call.
unsafe extern "sysv64" fn host_call_entry<F>(host: *mut HostSide<'_, F>) -> u64
where
    F: FnMut(u64, Guest<'_>) -> HostReply,
{
    // SAFETY: `run` put a pointer to its `HostSide<F>` there and waits for the code to leave.
    let host = unsafe { &mut *host };
    catch_unwind(AssertUnwindSafe(|| host.host_call())).unwrap_or_else(|panic| host.panicked(panic)) as u64
}

#[cfg(test)]
pub(crate) mod tests;
