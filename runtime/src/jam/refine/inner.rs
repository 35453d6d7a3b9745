//! One inner machine (GP B.3, eq:pvmguest): a program with memory and a program counter of its own, and how it is run.

use tvm_abi::Tier;
use tvm_isa::{Gas, GpVersion, Pc, Reg};

use super::policy::{interpreted_gas, optimising_gas};
use crate::engine::{Backend, Engine};
use crate::error::{Error, LoadError};
use crate::exit::GuestExit;
use crate::host_call::StopAtHostCalls;
use crate::instance::Instance;
use crate::jam::types::Hash;
use crate::memory::GuestMemory;
use crate::module::Module;

/// An inner machine.
#[derive(Debug)]
pub(super) struct InnerMachine {
    instance: Instance,
    /// Hash of the program.
    pub program: Hash,
    /// Program counter: any 64-bit number, since the caller chooses it and GP 0.7.2 checks nothing.
    pub pc: u64,
    /// Whether the block at `pc` is paid for.
    charged: bool,
    /// Gas that was used in the interpreter.
    interpreted: u64,
    /// Gas that was used in compiled code since best code was last asked for.
    optimisable: u64,
    /// Whether compiled code runs.
    pub compiled: bool,
    /// Pages that are accessible.
    pub pages: u64,
}

/// How an invocation of an inner machine ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct InnerExit {
    pub exit: GuestExit,
    /// Gas that is left.
    pub gas: Gas,
    pub regs: [u64; Reg::COUNT],
}

impl InnerMachine {
    /// A machine with empty memory that is about to execute `pc`.
    pub fn new(engine: &Engine, module: &Module, program: Hash, pc: u64) -> Result<Self, Error> {
        let instance = Instance::bare(engine, module)?;
        Ok(Self { instance, program, pc, charged: false, interpreted: 0, optimisable: 0, compiled: false, pages: 0 })
    }

    /// The machine's memory.
    pub fn memory(&self) -> &GuestMemory {
        self.instance.memory()
    }

    /// The machine's memory, to be changed.
    pub fn memory_mut(&mut self) -> &mut GuestMemory {
        self.instance.memory_mut()
    }

    /// GP Ψ, up to an exit, which host calls are too.
    ///
    /// The program counter moves as the Gray Paper has it: past a host call, to 0 at a halt or panic, and nowhere
    /// otherwise. Whether the block there is paid for stays as Ψ leaves it, so after a halt or panic the block at 0 counts
    /// as paid (the text of GP 0.8.0, A.1 and B.6, taken literally; the reference engine charges it again, and no vector
    /// tells).
    ///
    /// `may_compile` says whether there is room for one more machine that runs compiled code.
    pub fn invoke(
        &mut self,
        engine: &Engine,
        gas: Gas,
        regs: [u64; Reg::COUNT],
        may_compile: bool,
    ) -> Result<InnerExit, Error> {
        let code_len = self.instance.module().program().code_len();
        let state = self.instance.state_mut();
        // Anywhere past the code there is a trap; the first such place stands for all of them.
        state.pc = Pc(u32::try_from(self.pc).map_or(code_len, |pc| pc.min(code_len)));
        state.charged = self.charged;
        state.regs = regs;

        let exit = self.run(engine, gas, may_compile)?;
        if let GuestExit::HostCall(_) = exit {
            self.instance.skip_host_call();
        }
        let state = self.instance.state();
        self.charged = state.charged;
        match exit {
            GuestExit::Halt | GuestExit::Panic => self.pc = 0,
            GuestExit::OutOfGas | GuestExit::PageFault(_) if state.pc.0 >= code_len => {}
            GuestExit::OutOfGas | GuestExit::PageFault(_) | GuestExit::HostCall(_) => self.pc = state.pc.0.into(),
        }
        Ok(InnerExit { exit, gas: state.gas, regs: state.regs })
    }

    /// Runs with `gas`: in the interpreter as far as that is cheaper than compiling, then in compiled code.
    fn run(&mut self, engine: &Engine, gas: Gas, may_compile: bool) -> Result<GuestExit, Error> {
        let compiling = may_compile && engine.backend() == Backend::Compiled;
        let mut later = 0;
        if compiling && !self.compiled {
            let code_len = self.instance.module().program().blob().len() as u64;
            let budget = interpreted_gas(code_len, self.pages).saturating_sub(self.interpreted);
            later = gas.0.saturating_sub(budget);
        }
        let now = gas.0 - later;
        self.instance.state_mut().gas = Gas(now);
        let exit = self.instance.run(&mut StopAtHostCalls)?;
        let used = now - self.instance.state().gas.0.min(now);
        if self.compiled {
            self.earn(engine, used);
        } else {
            self.interpreted = self.interpreted.saturating_add(used);
        }
        // Running out of gas leaves the machine before the instruction that could not be paid: with the rest it goes on.
        self.instance.state_mut().gas.0 += later;
        if exit != GuestExit::OutOfGas || later == 0 {
            return Ok(exit);
        }
        self.compile(engine)?;
        let before = self.instance.state().gas.0;
        let exit = self.instance.run(&mut StopAtHostCalls)?;
        self.earn(engine, before - self.instance.state().gas.0.min(before));
        Ok(exit)
    }

    /// Adds gas that compiled code has used, and asks for best code once it is earned. This machine keeps the code it has:
    /// the next one of the program gets it.
    fn earn(&mut self, engine: &Engine, used: u64) {
        let module = self.instance.module();
        if module.tier() != Some(Tier::Fast) {
            return;
        }
        self.optimisable = self.optimisable.saturating_add(used);
        if self.optimisable >= optimising_gas(module.program().blob().len() as u64) {
            self.optimisable = 0;
            engine.want_best(module.rules().version, self.program.0, module);
        }
    }

    /// Moves to compiled code, if the program can be compiled.
    fn compile(&mut self, engine: &Engine) -> Result<(), Error> {
        // Not tried again if it fails, so that nothing is tried over and over.
        self.compiled = true;
        let version: GpVersion = self.instance.module().rules().version;
        let program = self.instance.module().clone();
        let code = || Ok(program.program().blob().to_vec());
        match engine.load_inner(version, self.program.0, code) {
            Ok(module) => self.instance.move_to(&module),
            // It was a program when the machine was made, so this is not the guest's fault.
            Err(LoadError::Malformed(error)) => {
                Err(Error::Internal(format!("an inner program became malformed: {error}")))
            }
            Err(LoadError::TooLarge(_)) => Ok(()),
            Err(LoadError::Machine(error)) => Err(error),
        }
    }
}
