//! Instances: guests that can run.

use std::ffi::c_void;

use tvm_isa::{Gas, Op, Pc, Reg};
use tvm_runtime::{GuestState, HostCalls, Instance, StopAtHostCalls};

use crate::arguments::{Out, bytes, bytes_mut, shared};
use crate::engine::TvmEngine;
use crate::host_call::{Callback, TvmHostCallback};
use crate::memory::TvmMemory;
use crate::module::TvmModule;
use crate::outcome::TvmOutcome;
use crate::status::{Failure, Status, TvmError, entry};

/// Registers whose values are the output's address and length when a standard program halts (GP A.8).
const OUTPUT_REGS: [usize; 2] = [7, 8];

/// An instance: for one thread at a time.
#[derive(Debug)]
pub struct TvmInstance {
    memory: TvmMemory,
}

/// Registers, gas and program counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct TvmState {
    /// Registers φ0 to φ12.
    pub regs: [u64; Reg::COUNT],
    /// Remaining gas.
    pub gas: u64,
    /// Program counter.
    pub pc: u32,
    /// 1 if the block at the program counter is paid for already (GP 0.8.0); else 0.
    pub charged: u32,
}

impl From<&GuestState> for TvmState {
    fn from(state: &GuestState) -> Self {
        let GuestState { pc, gas, regs, charged } = state;
        Self { regs: *regs, gas: gas.0, pc: pc.0, charged: u32::from(*charged) }
    }
}

/// The runtime's state that the caller's stands for.
fn guest_state(state: &TvmState) -> Result<GuestState, Failure> {
    let TvmState { regs, gas, pc, charged } = *state;
    let charged = match charged {
        0 => false,
        1 => true,
        _ => return Err(Failure::argument(format_args!("state.charged is {charged}, expected 0 or 1"))),
    };
    Ok(GuestState { pc: Pc(pc), gas: Gas(gas), regs, charged })
}

fn handle(instance: Instance) -> *mut TvmInstance {
    Box::into_raw(Box::new(TvmInstance { memory: TvmMemory::new(instance) }))
}

/// Makes an instance of a standard program, with arguments.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_new_standard(
    engine: *const TvmEngine,
    module: *const TvmModule,
    arguments: *const u8,
    arguments_len: usize,
    instance: *mut *mut TvmInstance,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(instance, "instance")?;
            let (engine, module) = (shared(engine, "engine")?, shared(module, "module")?);
            let arguments = bytes(arguments, arguments_len, "arguments")?;
            if module.0.layout().is_none() {
                let message = "the module is a bare program: use tvm_instance_new_bare, or load a standard program";
                return Err(Failure::argument(message));
            }
            out.set(handle(Instance::standard(&engine.0, &module.0, arguments)?));
            Ok(())
        })
    }
}

/// Makes an instance with cleared registers; of a bare program also with inaccessible memory.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_new_bare(
    engine: *const TvmEngine,
    module: *const TvmModule,
    instance: *mut *mut TvmInstance,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(instance, "instance")?;
            let (engine, module) = (shared(engine, "engine")?, shared(module, "module")?);
            out.set(handle(Instance::bare(&engine.0, &module.0)?));
            Ok(())
        })
    }
}

/// Frees an instance.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_free(instance: *mut TvmInstance, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for an instance that nobody uses any more.
    unsafe {
        entry(error, || {
            if instance.is_null() {
                return Ok(());
            }
            match shared(instance, "instance")?.memory.lock() {
                Err(failure) if failure.status == Status::Busy => return Err(failure),
                Ok(_) | Err(_) => {}
            }
            drop(Box::from_raw(instance));
            Ok(())
        })
    }
}

/// Takes an instance back to its start, with other arguments.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_reset(
    instance: *mut TvmInstance,
    arguments: *const u8,
    arguments_len: usize,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let arguments = bytes(arguments, arguments_len, "arguments")?;
            let mut guest = shared(instance, "instance")?.memory.lock()?;
            if !arguments.is_empty() && guest.instance.module().layout().is_none() {
                return Err(Failure::argument("a bare program takes no arguments"));
            }
            guest.is_unusable = true;
            guest.instance.reset(arguments)?;
            guest.is_unusable = false;
            Ok(())
        })
    }
}

/// Reads registers, gas and program counter.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_get_state(
    instance: *const TvmInstance,
    state: *mut TvmState,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(state, "state")?;
            out.set(shared(instance, "instance")?.memory.lock_usable()?.instance.state().into());
            Ok(())
        })
    }
}

/// Sets registers, gas and program counter.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_set_state(
    instance: *mut TvmInstance,
    state: *const TvmState,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let state = guest_state(shared(state, "state")?)?;
            *shared(instance, "instance")?.memory.lock_usable()?.instance.state_mut() = state;
            Ok(())
        })
    }
}

/// The instance's memory.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_memory(
    instance: *mut TvmInstance,
    memory: *mut *mut TvmMemory,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(memory, "memory")?;
            out.set(std::ptr::from_ref(&shared(instance, "instance")?.memory).cast_mut());
            Ok(())
        })
    }
}

/// Runs until an exit, serving host calls through `callback`.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_run(
    instance: *mut TvmInstance,
    callback: Option<TvmHostCallback>,
    data: *mut c_void,
    outcome: *mut TvmOutcome,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers and a function that does what it must.
    unsafe {
        entry(error, || {
            let out = Out::new(outcome, "outcome")?;
            let memory = &shared(instance, "instance")?.memory;
            let callback = callback
                .ok_or_else(|| Failure::argument("callback is NULL: use tvm_instance_run_to_host_call without one"))?;
            out.set(run(memory, &mut Callback::new(callback, data, memory))?);
            Ok(())
        })
    }
}

/// Runs until an exit or a host call, whichever is first.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_run_to_host_call(
    instance: *mut TvmInstance,
    outcome: *mut TvmOutcome,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(outcome, "outcome")?;
            out.set(run(&shared(instance, "instance")?.memory, &mut StopAtHostCalls)?);
            Ok(())
        })
    }
}

fn run(memory: &TvmMemory, calls: &mut dyn HostCalls) -> Result<TvmOutcome, Failure> {
    let mut guest = memory.lock_usable()?;
    guest.is_unusable = true;
    let exit = guest.instance.run(calls)?;
    guest.is_unusable = false;
    Ok(exit.into())
}

/// Moves the program counter behind the `ecalli` at which the run stopped.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_skip_host_call(instance: *mut TvmInstance, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let mut guest = shared(instance, "instance")?.memory.lock_usable()?;
            let (module, pc) = (guest.instance.module(), guest.instance.state().pc);
            if module.program().op_at(module.rules(), pc) != Some(Op::Ecalli) {
                return Err(Failure::argument(format_args!("there is no host call at program counter {pc} to skip")));
            }
            guest.instance.skip_host_call();
            Ok(())
        })
    }
}

/// The output of a standard program that has halted.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_instance_output(
    instance: *const TvmInstance,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(len, "len")?;
            let buffer = bytes_mut(buffer, capacity, "buffer")?;
            let guest = shared(instance, "instance")?.memory.lock_usable()?;
            let [start, found] = OUTPUT_REGS.map(|reg| guest.instance.state().regs[reg]);
            // Of a range that is not readable, the output is empty (GP A.8).
            let found = if guest.instance.memory().is_readable(start, found) { found as usize } else { 0 };
            if let Some(buffer) = buffer.get_mut(..found) {
                guest.instance.memory().read_into(start, buffer).map_err(|e| Failure::new(Status::Internal, e))?;
            }
            out.set(found);
            Ok(())
        })
    }
}
