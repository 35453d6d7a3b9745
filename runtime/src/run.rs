//! The run loop: compiled code where there is some, the interpreter for everything else.
//!
//! Compiled code is entered at the start of a region, for which the run loop charges, and left whenever something unusual
//! happens. The pc map then tells
//! which guest instruction that was and what was charged for instructions that did not execute; with that given back,
//! the state is exactly what the Gray Paper has before the instruction, and the interpreter executes it. It goes on
//! until execution reaches the start of a region again.

use tvm_abi::{Leave, PcMap, Region, Site};
use tvm_isa::{Gas, GasModel};

use crate::error::Error;
use crate::exit::{GuestExit, GuestState};
use crate::host_call::{Guest, HostAction, HostCalls, HostError};
use crate::interpreter::{BlockCosts, Heap, INSTRUCTION_COST, Interpreter, Step};
use crate::memory::GuestMemory;
use crate::module::Module;
use crate::sys::{Broken, HostReply, HostServes, Left, NativeModule};

/// A program with everything that running it changes.
#[derive(Debug)]
pub(crate) struct Machine {
    pub module: Module,
    pub state: GuestState,
    pub memory: GuestMemory,
    /// The two fields of the interpreter that outlive it.
    pub heap: Heap,
    pub block_costs: BlockCosts,
}

/// How far compiled code came.
enum Came {
    /// To the guest's halt.
    Halt,
    /// To where the interpreter has to go on; maybe nowhere.
    Interpret,
    /// To a host call after which it was left.
    HostCall(Result<HostAction, HostError>),
    /// TVM contradicts itself.
    Error(Contradiction),
}

/// Compiled code that is not what the compiler makes, or not used as it must be.
enum Contradiction {
    Broken(Broken),
    UnknownSite(Leave, u64),
}

impl Machine {
    /// Runs until an exit, serving host calls through `calls`.
    #[inline]
    pub fn until_exit(&mut self, calls: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        match self.compiled(calls) {
            Came::Halt => Ok(GuestExit::Halt),
            came => self.go_on(came, calls),
        }
    }

    /// The same where compiled code is not all there is to it.
    #[cold]
    #[inline(never)]
    fn go_on(&mut self, mut came: Came, calls: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        loop {
            match came {
                Came::Halt => return Ok(GuestExit::Halt),
                Came::Interpret => {}
                Came::HostCall(Ok(HostAction::Exit(exit))) => return Ok(exit),
                Came::HostCall(Err(error)) => return Err(Error::Host(error)),
                Came::HostCall(Ok(HostAction::Resume)) => self.skip_host_call(),
                Came::Error(contradiction) => return Err(contradiction.into_error()),
            }
            if let Some(exit) = self.interpreted(calls)? {
                return Ok(exit);
            }
            came = self.compiled(calls);
        }
    }

    /// Moves the program counter from an `ecalli` to the instruction after it.
    pub fn skip_host_call(&mut self) {
        Interpreter::new(self.module.program(), self.module.rules()).after_host_call(&mut self.state);
    }

    /// Interprets at least one instruction, until an exit or until compiled code can go on.
    fn interpreted(&mut self, calls: &mut dyn HostCalls) -> Result<Option<GuestExit>, Error> {
        let Self { module, state, memory, heap, block_costs } = self;
        let map = module.native_code().map(NativeModule::pc_map);
        let mut interpreter = Interpreter::new(module.program(), module.rules());
        interpreter.heap = *heap;
        interpreter.block_costs = std::mem::take(block_costs);
        let result = interpret(&mut interpreter, map, state, memory, calls);
        *heap = interpreter.heap;
        *block_costs = interpreter.block_costs;
        result
    }

    /// Runs compiled code if it can go on here.
    #[inline(always)]
    fn compiled(&mut self, calls: &mut dyn HostCalls) -> Came {
        let Self { module, state, memory, .. } = self;
        let Some(native) = module.native_code() else { return Came::Interpret };
        let Some(Region { text, charge, .. }) = entry(native.pc_map(), state, memory) else { return Came::Interpret };
        state.gas = Gas(state.gas.0.wrapping_sub(charge.0));
        let mut action = Ok(HostAction::Resume);
        let left = native.code().run(memory, text, state, Host { calls, action: &mut action });
        let Left { reason, site, host_call_pc } = match left {
            Ok(left) => left,
            Err(broken) => return Came::Error(Contradiction::Broken(broken)),
        };
        let gas_model = module.rules().gas;
        state.charged = gas_model == GasModel::PipelineBlocks && reason != Leave::OutOfGas;
        if reason == Leave::HostCall {
            state.pc = host_call_pc;
            return Came::HostCall(action);
        }
        let Some(Site { pc, give_back, base, .. }) = native.site(reason, site) else {
            return Came::Error(Contradiction::UnknownSite(reason, site));
        };
        state.pc = pc;
        if let Some(base) = base {
            base.apply(&mut state.regs);
        }
        // The charge wrapped around when it did not fit; so does giving it back.
        state.gas = Gas(state.gas.0.wrapping_add(give_back.0));
        if reason != Leave::Halt {
            return Came::Interpret;
        }
        // What the interpreter would do: pay for the jump, which the charge included, and halt.
        if gas_model == GasModel::PerInstruction {
            state.gas = Gas(state.gas.0.wrapping_sub(INSTRUCTION_COST.0));
        }
        Came::Halt
    }
}

impl Contradiction {
    #[cold]
    fn into_error(self) -> Error {
        match self {
            Self::Broken(broken) => Error::System(broken.into()),
            Self::UnknownSite(reason, site) => Error::Internal(format!(
                "compiled code was left at {site:#x}, which its pc map does not know ({reason:?})"
            )),
        }
    }
}

/// The host of one run of compiled code.
struct Host<'a> {
    calls: &'a mut dyn HostCalls,
    /// What the last host call led to.
    action: &'a mut Result<HostAction, HostError>,
}

impl HostServes for Host<'_> {
    #[inline]
    fn serve(&mut self, id: u64, guest: Guest<'_>) -> HostReply {
        if self.calls.resumes(id, guest, self.action) { HostReply::Resume } else { HostReply::Leave }
    }
}

/// The loop of [`Machine::interpreted`].
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
                if let Some(exit) = interpreter.host_call(id, state, memory, calls)? {
                    return Ok(Some(exit));
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

/// The region to enter compiled code at, if execution can go on there: one starts here, its charge fits or is paid as
/// the state says, and the processor checks the guest's accesses.
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
