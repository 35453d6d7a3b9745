//! The run loop: compiled code where there is some, the interpreter for everything else.
//!
//! Compiled code is entered at the start of a region, for which the run loop charges, and left whenever something unusual
//! happens. The pc map then tells
//! which guest instruction that was and what was charged for instructions that did not execute; with that given back,
//! the state is exactly what the Gray Paper has before the instruction, and the interpreter executes it. It goes on
//! until execution reaches the start of a region again.

use tvm_abi::{Leave, PcMap, Region, Site, TextOffset};
use tvm_isa::{Gas, GasModel};

use crate::error::Error;
use crate::exit::{GuestExit, GuestState};
use crate::host_call::{Guest, HostAction, HostCalls, HostError};
use crate::interpreter::{BlockCosts, Heap, INSTRUCTION_COST, Interpreter, Step};
use crate::memory::GuestMemory;
use crate::module::Module;
use crate::sys::{HostReply, Left, NativeModule};

/// Everything a run works on.
pub(crate) struct Run<'a> {
    pub module: &'a Module,
    pub state: &'a mut GuestState,
    pub memory: &'a mut GuestMemory,
    /// The two fields of the interpreter that outlive it.
    pub heap: &'a mut Heap,
    pub block_costs: &'a mut BlockCosts,
}

/// What a host call led to.
enum Served {
    Resume,
    Exit(GuestExit),
    Failed(HostError),
}

impl Served {
    fn of(result: Result<HostAction, HostError>) -> Self {
        match result {
            Ok(HostAction::Resume) => Self::Resume,
            Ok(HostAction::Exit(exit)) => Self::Exit(exit),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Run<'_> {
    /// Runs until an exit, serving host calls through `calls`.
    #[inline]
    pub fn until_exit(&mut self, calls: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        let Some(native) = self.module.native_code() else { return self.interpreted(None, calls)?.ok_or_else(no_exit) };
        let map = native.pc_map();
        loop {
            if let Some(Region { text, charge, .. }) = self.entry(map) {
                self.state.gas = Gas(self.state.gas.0.wrapping_sub(charge.0));
                if let Some(exit) = self.compiled(native, text, calls)? {
                    return Ok(exit);
                }
            }
            if let Some(exit) = self.interpreted(Some(map), calls)? {
                return Ok(exit);
            }
        }
    }

    /// The region to enter compiled code at, if execution can go on there: one starts here, its charge fits or is paid as
    /// the state says, and the processor checks the guest's accesses.
    #[inline]
    fn entry(&self, map: &PcMap<'_>) -> Option<Region> {
        entry(map, self.state, self.memory)
    }

    /// Interprets at least one instruction, until an exit or until compiled code can go on.
    #[inline(never)]
    fn interpreted(&mut self, map: Option<&PcMap<'_>>, calls: &mut dyn HostCalls) -> Result<Option<GuestExit>, Error> {
        let Self { module, state, memory, heap, block_costs } = self;
        let mut interpreter = Interpreter::new(module.program(), module.rules());
        interpreter.heap = **heap;
        interpreter.block_costs = std::mem::take(block_costs);
        let result = interpret(&mut interpreter, map, state, memory, calls);
        **heap = interpreter.heap;
        **block_costs = interpreter.block_costs;
        result
    }

    /// Runs compiled code from `entry` on. `None` says that the interpreter has to go on.
    #[inline]
    fn compiled(
        &mut self,
        native: &NativeModule,
        entry: TextOffset,
        calls: &mut dyn HostCalls,
    ) -> Result<Option<GuestExit>, Error> {
        let Self { module, state, memory, .. } = self;
        let mut served = Served::Resume;
        let left = native.code().run(memory, entry, &mut state.regs, &mut state.gas, |id, guest| {
            match calls.host_call(id, guest) {
                Ok(HostAction::Resume) => HostReply::Resume,
                other => ends(&mut served, other),
            }
        })?;
        let Left { reason, site, host_call_pc } = left;
        let gas_model = module.rules().gas;
        state.charged = gas_model == GasModel::PipelineBlocks && reason != Leave::OutOfGas;
        if reason == Leave::HostCall {
            state.pc = host_call_pc;
            return match served {
                Served::Exit(exit) => Ok(Some(exit)),
                Served::Failed(error) => Err(Error::Host(error)),
                Served::Resume => {
                    Interpreter::new(module.program(), module.rules()).after_host_call(state);
                    Ok(None)
                }
            };
        }
        let Site { pc, give_back, base, .. } = native.site(reason, site).ok_or_else(|| unknown_site(site, reason))?;
        state.pc = pc;
        if let Some(base) = base {
            base.apply(&mut state.regs);
        }
        // The charge wrapped around when it did not fit; so does giving it back.
        state.gas = Gas(state.gas.0.wrapping_add(give_back.0));
        if reason != Leave::Halt {
            return Ok(None);
        }
        // What the interpreter would do: pay for the jump, which the charge included, and halt.
        if gas_model == GasModel::PerInstruction {
            state.gas = Gas(state.gas.0.wrapping_sub(INSTRUCTION_COST.0));
        }
        Ok(Some(GuestExit::Halt))
    }
}

/// Notes what a host call led to that does not resume.
#[cold]
fn ends(served: &mut Served, result: Result<HostAction, HostError>) -> HostReply {
    *served = Served::of(result);
    HostReply::Leave
}

/// The loop of [`Run::interpreted`].
fn interpret(
    interpreter: &mut Interpreter<'_>,
    map: Option<&PcMap<'_>>,
    state: &mut GuestState,
    memory: &mut GuestMemory,
    calls: &mut dyn HostCalls,
) -> Result<Option<GuestExit>, Error> {
    loop {
        match interpreter.step(state, memory)? {
            Step::Exit(GuestExit::HostCall(id)) => {
                let GuestState { pc, gas, regs, .. } = state;
                match Served::of(calls.host_call(id, Guest { regs, gas, pc: *pc, memory })) {
                    Served::Resume => interpreter.after_host_call(state),
                    Served::Exit(exit) => return Ok(Some(exit)),
                    Served::Failed(error) => return Err(Error::Host(error)),
                }
            }
            Step::Exit(exit) => return Ok(Some(exit)),
            Step::Continue => {}
        }
        if map.is_some_and(|map| entry(map, state, memory).is_some()) {
            return Ok(None);
        }
    }
}

/// As [`Run::entry`].
#[inline]
fn entry(map: &PcMap<'_>, state: &GuestState, memory: &GuestMemory) -> Option<Region> {
    if !is_protected(memory) {
        return None;
    }
    map.entry(state.pc).filter(|region| state.charged == (region.charge == Gas(0)) && region.charge <= state.gas)
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

#[cold]
fn unknown_site(site: u64, reason: Leave) -> Error {
    internal(&format!("compiled code was left at {site:#x}, which its pc map does not know ({reason:?})"))
}

fn no_exit() -> Error {
    internal("an interpreted run ended without an exit")
}
