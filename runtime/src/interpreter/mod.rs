//! The interpreter: the readable reference of the machine, one instruction at a time (GP A).
//!
//! It is meant to be checked against the Gray Paper line by line. Whatever compiled code cannot decide by itself is
//! decided here, on the same memory and state: exact gas, faults, traps, odd jumps, `sbrk` and starts inside blocks.
//! What differs between versions comes from [`Rules`]; nothing here asks which version it is.
//!
//! A machine runs whatever its state says: whether the program is valid and whether a program counter may be started
//! from (GP 0.8.0, A.1) is for the caller to check.

mod alu;
mod gas;
mod heap;
mod jump;
mod memory_access;
#[cfg(test)]
mod testing;

pub use gas::BlockCosts;
pub(crate) use gas::INSTRUCTION_COST;
pub use heap::Heap;

use tvm_isa::{Instruction, Op, Pc, Program, Rules};

use crate::error::Error;
use crate::exit::{GuestExit, GuestState};
use crate::host_call::{CallState, Guest, HostAction, HostCalls};
use crate::memory::GuestMemory;

/// Executes one program.
///
/// It is cheap to create. Registers, gas and memory belong to the caller; so do the two fields that outlive a program's
/// single runs: whoever drops an interpreter between them takes these out and puts them into the next.
///
/// ```
/// use tvm_isa::{Gas, GpVersion, Pc, Program};
/// use tvm_runtime::interpreter::Interpreter;
/// use tvm_runtime::memory::{GuestMemory, PagedMemory};
/// use tvm_runtime::{GuestExit, GuestState};
///
/// // load_imm r3, 7; trap
/// let program = Program::parse(&[0, 0, 4, 51, 3, 7, 0, 0b1001])?;
/// let mut interpreter = Interpreter::new(program, GpVersion::V0_7_2.rules());
/// let mut state = GuestState::new(Pc(0), Gas(100));
/// let mut memory = GuestMemory::Paged(PagedMemory::new());
/// let exit = interpreter.run(&mut state, &mut memory, None)?;
/// assert_eq!(exit, Some(GuestExit::Panic));
/// assert_eq!((state.pc, state.gas, state.regs[3]), (Pc(3), Gas(98), 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Interpreter<'p> {
    program: Program<'p>,
    rules: &'static Rules,
    /// How far `sbrk` has grown the heap: state of the guest, like its registers.
    pub heap: Heap,
    /// Costs of blocks met so far: only saves time.
    pub block_costs: BlockCosts,
}

/// What came of one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The program counter is at the instruction to execute next.
    Continue,
    /// Execution ends here. The program counter is at the instruction that did it.
    Exit(GuestExit),
}

/// Sees every instruction before it is executed.
pub trait StepObserver {
    /// `instruction` is about to be paid for and executed in `state`, whose program counter points at it.
    fn before_step(&mut self, instruction: &Instruction, state: &GuestState);
}

/// Observes nothing.
impl StepObserver for () {
    #[inline]
    fn before_step(&mut self, _instruction: &Instruction, _state: &GuestState) {}
}

impl<'p> Interpreter<'p> {
    /// An interpreter of `program` under `rules`, with a heap that cannot grow.
    #[must_use]
    pub fn new(program: Program<'p>, rules: &'static Rules) -> Self {
        Self { program, rules, heap: Heap::default(), block_costs: BlockCosts::default() }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> Program<'p> {
        self.program
    }

    /// The rules it is executed by.
    #[must_use]
    pub fn rules(&self) -> &'static Rules {
        self.rules
    }

    /// Executes the instruction at the program counter (GP: Ψ1).
    ///
    /// At an exit all of the state is as [`GuestState`] says. Out of gas changes nothing at all; a fault or panic of a
    /// memory access has been paid for and changes nothing else.
    ///
    /// # Errors
    /// When the operating system refuses memory to `sbrk`.
    #[inline]
    pub fn step(&mut self, state: &mut GuestState, memory: &mut GuestMemory) -> Result<Step, Error> {
        self.step_observed(state, memory, &mut ())
    }

    /// Executes up to `limit` instructions, or until an exit. `None` says that the limit ended the run.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run(
        &mut self,
        state: &mut GuestState,
        memory: &mut GuestMemory,
        limit: Option<u64>,
    ) -> Result<Option<GuestExit>, Error> {
        self.run_observed(state, memory, limit, &mut ())
    }

    /// Executes at least one instruction and then on until an exit, or until `stop` says so of the program counter of
    /// the instruction to execute next. `None` says that `stop` ended the run.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run_until(
        &mut self,
        state: &mut GuestState,
        memory: &mut GuestMemory,
        mut stop: impl FnMut(Pc) -> bool,
    ) -> Result<Option<GuestExit>, Error> {
        loop {
            if let Step::Exit(exit) = self.step(state, memory)? {
                return Ok(Some(exit));
            }
            if stop(state.pc) {
                return Ok(None);
            }
        }
    }

    /// Like [`Self::run`], showing every instruction to `observer` first.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run_observed(
        &mut self,
        state: &mut GuestState,
        memory: &mut GuestMemory,
        limit: Option<u64>,
        observer: &mut impl StepObserver,
    ) -> Result<Option<GuestExit>, Error> {
        let mut executed = 0;
        while limit.is_none_or(|limit| executed < limit) {
            if let Step::Exit(exit) = self.step_observed(state, memory, observer)? {
                return Ok(Some(exit));
            }
            executed += 1;
        }
        Ok(None)
    }

    /// Lets `calls` serve the host call `id`, at which execution stopped. `None` when it goes on behind it.
    ///
    /// # Errors
    /// [`Error::Host`] when the host failed. What it did to gas and registers before stays.
    pub fn host_call(
        &self,
        id: u64,
        state: &mut GuestState,
        memory: &mut GuestMemory,
        calls: &mut dyn HostCalls,
    ) -> Result<Option<GuestExit>, Error> {
        let mut call = CallState { gas: state.gas, regs: state.regs, pc: state.pc };
        let action = calls.host_call(id, Guest { state: &mut call, memory });
        (state.gas, state.regs) = (call.gas, call.regs);
        Ok(match action.map_err(Error::Host)? {
            HostAction::Resume => {
                self.after_host_call(state);
                None
            }
            HostAction::Exit(exit) => Some(exit),
        })
    }

    /// Moves the program counter from an `ecalli` that was served to the instruction after it (GP A.6).
    pub fn after_host_call(&self, state: &mut GuestState) {
        state.pc = Instruction::decode(&self.program, self.rules, state.pc).next_pc();
    }

    #[inline]
    fn step_observed(
        &mut self,
        state: &mut GuestState,
        memory: &mut GuestMemory,
        observer: &mut impl StepObserver,
    ) -> Result<Step, Error> {
        let instruction = Instruction::decode(&self.program, self.rules, state.pc);
        observer.before_step(&instruction, state);
        if let Err(exit) = gas::charge(&self.program, self.rules, &mut self.block_costs, state) {
            return Ok(Step::Exit(exit));
        }
        match self.execute(&instruction, state, memory)? {
            Ok(next) => {
                state.pc = next;
                // The next block is not paid for yet.
                state.charged &= !instruction.op.terminates_block();
                Ok(Step::Continue)
            }
            Err(exit) => Ok(Step::Exit(exit)),
        }
    }

    /// Executes an instruction that is paid for: where to go on, or how the guest exits.
    #[inline]
    fn execute(
        &mut self,
        instruction: &Instruction,
        state: &mut GuestState,
        memory: &mut GuestMemory,
    ) -> Result<Result<Pc, GuestExit>, Error> {
        let next = instruction.next_pc();
        let regs = &mut state.regs;
        match instruction.op {
            Op::Trap => return Ok(Err(GuestExit::Panic)),
            Op::Unlikely => return Ok(Ok(next)),
            Op::Ecalli => return Ok(Err(GuestExit::HostCall(instruction.x))),
            Op::Sbrk => {
                let pointer = self.heap.grow(regs[instruction.a.index()], memory)?;
                regs[instruction.d.index()] = pointer;
                return Ok(Ok(next));
            }
            _ => {}
        }
        if let Some((destination, value)) = alu::result(instruction, regs) {
            regs[destination.index()] = value;
            return Ok(Ok(next));
        }
        if let Some(outcome) = memory_access::execute(instruction, regs, memory) {
            return Ok(outcome.map(|()| next));
        }
        if let Some(outcome) = jump::execute(instruction, &self.program, self.rules, regs) {
            return Ok(outcome);
        }
        Err(Error::Internal(format!("the interpreter does not know `{}`", instruction.op.name())))
    }
}

#[cfg(test)]
mod tests;
