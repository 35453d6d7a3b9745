//! The run loop: compiled code where there is some, the interpreter for everything else.
//!
//! Compiled code is entered at the start of a region and left whenever something unusual happens. The pc map then tells
//! which guest instruction that was and what was charged for instructions that did not execute; with that given back,
//! the state is exactly what the Gray Paper has before the instruction, and the interpreter executes it. It goes on
//! until execution reaches the start of a region again.

use std::sync::Arc;

use tvm_abi::{Leave, PcMap, Region, Site, TextOffset, VmContext};
use tvm_isa::{Gas, GasModel, Pc};

use crate::error::Error;
use crate::exit::{GuestExit, GuestState};
use crate::host_call::{Guest, HostAction, HostCalls, HostError};
use crate::interpreter::{Interpreter, Step};
use crate::memory::GuestMemory;
use crate::sys::{HostReply, NativeModule};

/// Everything a run works on.
pub(crate) struct Run<'a, 'p> {
    /// Executes what compiled code does not; holds the program.
    pub interpreter: &'a mut Interpreter<'p>,
    /// Compiled code, unless the program is interpreted.
    pub native: Option<&'a NativeModule>,
    pub state: &'a mut GuestState,
    pub memory: &'a mut GuestMemory,
}

/// What a host call led to.
enum Served {
    Resume,
    Exit(GuestExit),
    Failed(HostError),
}

impl Run<'_, '_> {
    /// Runs until an exit, serving host calls through `calls`.
    pub fn until_exit(&mut self, calls: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        let Some(native) = self.native else { return self.interpreted(None, calls)?.ok_or_else(no_exit) };
        let map = native.pc_map();
        loop {
            if let Some(region) = self.entry(&map)
                && let Some(exit) = self.compiled(native, &map, region.text, calls)?
            {
                return Ok(exit);
            }
            if let Some(exit) = self.interpreted(Some(&map), calls)? {
                return Ok(exit);
            }
        }
    }

    /// The region to enter compiled code at, if execution can go on there: one starts here, its charge is due or paid as
    /// the state says, and the processor checks the guest's accesses.
    fn entry(&self, map: &PcMap<'_>) -> Option<Region> {
        if !is_protected(self.memory) {
            return None;
        }
        map.entry(self.state.pc).filter(|region| self.state.charged == (region.charge == Gas(0)))
    }

    /// Interprets at least one instruction, until an exit or until compiled code can go on.
    fn interpreted(&mut self, map: Option<&PcMap<'_>>, calls: &mut dyn HostCalls) -> Result<Option<GuestExit>, Error> {
        loop {
            match self.interpreter.step(self.state, self.memory)? {
                Step::Exit(GuestExit::HostCall(id)) => {
                    let GuestState { pc, gas, regs, .. } = self.state;
                    match serve(calls, id, Guest { regs, gas, pc: *pc, memory: self.memory }) {
                        Served::Resume => self.interpreter.after_host_call(self.state),
                        Served::Exit(exit) => return Ok(Some(exit)),
                        Served::Failed(error) => return Err(Error::Host(error)),
                    }
                }
                Step::Exit(exit) => return Ok(Some(exit)),
                Step::Continue => {}
            }
            if map.is_some_and(|map| self.entry(map).is_some()) {
                return Ok(None);
            }
        }
    }

    /// Runs compiled code from `entry` on. `None` says that the interpreter has to go on.
    fn compiled(
        &mut self,
        native: &NativeModule,
        map: &PcMap<'_>,
        entry: TextOffset,
        calls: &mut dyn HostCalls,
    ) -> Result<Option<GuestExit>, Error> {
        let GuestMemory::Mapped(mapped) = &mut *self.memory else { return Ok(None) };
        let space = Arc::clone(mapped.reservation());
        let context = mapped.context();
        context.regs = self.state.regs;
        context.gas = self.state.gas.0;

        let memory = &mut *self.memory;
        let mut served = Served::Resume;
        let leave = native.code().run(&space, entry, |context: &mut VmContext| {
            let mut gas = Gas(context.gas);
            let pc = Pc(context.host_call_pc as u32);
            let guest = Guest { regs: &mut context.regs, gas: &mut gas, pc, memory };
            served = serve(calls, context.host_call_id, guest);
            context.gas = gas.0;
            match served {
                // The call may have changed rights in a way that the processor cannot check.
                Served::Resume if is_protected(memory) => HostReply::Resume,
                _ => HostReply::Leave,
            }
        })?;

        let context = match &mut *self.memory {
            GuestMemory::Mapped(mapped) if Arc::ptr_eq(mapped.reservation(), &space) => mapped.context(),
            _ => return Err(internal("a host call put other memory in the place of the guest's")),
        };
        self.state.regs = context.regs;
        let (site, host_call_pc) = (context.site, Pc(context.host_call_pc as u32));
        self.state.gas = Gas(context.gas);
        self.state.charged = self.interpreter.rules().gas == GasModel::PipelineBlocks && leave != Leave::OutOfGas;
        if leave == Leave::HostCall {
            self.state.pc = host_call_pc;
            return match served {
                Served::Exit(exit) => Ok(Some(exit)),
                Served::Failed(error) => Err(Error::Host(error)),
                Served::Resume => {
                    self.interpreter.after_host_call(self.state);
                    Ok(None)
                }
            };
        }
        let Site { pc, give_back, .. } = native.site(map, leave, site).ok_or_else(|| {
            internal(&format!("compiled code was left at {site:#x}, which its pc map does not know ({leave:?})"))
        })?;
        self.state.pc = pc;
        // The charge wrapped around when it did not fit; so does giving it back.
        self.state.gas = Gas(self.state.gas.0.wrapping_add(give_back.0));
        Ok(None)
    }
}

fn serve(calls: &mut dyn HostCalls, id: u64, guest: Guest<'_>) -> Served {
    match calls.host_call(id, guest) {
        Ok(HostAction::Resume) => Served::Resume,
        Ok(HostAction::Exit(exit)) => Served::Exit(exit),
        Err(error) => Served::Failed(error),
    }
}

/// Whether the processor checks the guest's accesses, so that compiled code may run.
fn is_protected(memory: &GuestMemory) -> bool {
    match memory {
        GuestMemory::Mapped(memory) => memory.hardware_protected(),
        GuestMemory::Paged(_) => false,
    }
}

fn internal(what: &str) -> Error {
    Error::Internal(what.to_owned())
}

fn no_exit() -> Error {
    internal("an interpreted run ended without an exit")
}
