//! Host calls, served by a function of the caller.

use std::ffi::c_void;

use tvm_runtime::{Guest, HostAction, HostCalls, HostError};

use crate::memory::TvmMemory;
use crate::outcome::TvmOutcome;

/// `TVM_HOST_RESUME`: the guest goes on after the `ecalli`.
pub const HOST_RESUME: i32 = 1;
/// `TVM_HOST_EXIT`: the run ends with the outcome in [`TvmHostCall::exit`].
pub const HOST_EXIT: i32 = 2;
/// `TVM_HOST_FAIL`: the host failed; the run ends with [`crate::Status::HostFailed`].
pub const HOST_FAIL: i32 = 3;

/// The guest as a host function sees it; valid during the call.
#[derive(Debug)]
#[repr(C)]
pub struct TvmHostCall {
    /// The call's identifier: the sign-extended immediate of `ecalli`.
    pub id: u64,
    /// Registers φ0 to φ12, to be read and written.
    pub regs: *mut u64,
    /// Remaining gas, to be read and written; the `ecalli` itself is paid for.
    pub gas: *mut u64,
    /// The guest's memory.
    pub memory: *mut TvmMemory,
    /// Program counter of the `ecalli`.
    pub pc: u32,
    /// Zero.
    pub reserved: u32,
    /// The outcome, to be written for [`HOST_EXIT`]; no outcome before that.
    pub exit: TvmOutcome,
}

/// Serves a host call: returns [`HOST_RESUME`], [`HOST_EXIT`] or [`HOST_FAIL`].
pub type TvmHostCallback = unsafe extern "C" fn(data: *mut c_void, call: *mut TvmHostCall) -> i32;

/// Serves host calls through a function of the caller.
#[derive(Debug)]
pub(crate) struct Callback<'a> {
    function: TvmHostCallback,
    data: *mut c_void,
    memory: &'a TvmMemory,
}

impl<'a> Callback<'a> {
    /// # Safety
    /// The function does what the header asks of it, given this data.
    pub unsafe fn new(function: TvmHostCallback, data: *mut c_void, memory: &'a TvmMemory) -> Self {
        Self { function, data, memory }
    }
}

impl HostCalls for Callback<'_> {
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError> {
        let Guest { state, memory } = guest;
        let pc = state.pc();
        let mut call = TvmHostCall {
            id,
            regs: state.regs.as_mut_ptr(),
            gas: &raw mut state.gas.0,
            memory: std::ptr::from_ref(self.memory).cast_mut(),
            pc: pc.0,
            reserved: 0,
            exit: TvmOutcome::NONE,
        };
        // SAFETY: `new` was told that the function may be called; what it is given lives until it returns.
        let action = self.memory.during_call(memory, || unsafe { (self.function)(self.data, &raw mut call) });
        match action {
            HOST_RESUME => Ok(HostAction::Resume),
            HOST_EXIT => match call.exit.exit() {
                Ok(exit) => Ok(HostAction::Exit(exit)),
                Err(found) => Err(format!("the callback ended host call {id} with {found}").into()),
            },
            HOST_FAIL => Err(format!("the callback failed to serve host call {id} at program counter {pc}").into()),
            other => Err(format!(
                "the callback returned {other} for host call {id}, expected TVM_HOST_RESUME, TVM_HOST_EXIT or \
                 TVM_HOST_FAIL, 1 to 3"
            )
            .into()),
        }
    }
}
