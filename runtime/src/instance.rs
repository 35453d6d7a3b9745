//! A guest: a module with state and memory of its own.

use tvm_isa::layout::{ARGUMENTS_START, HALT_ADDRESS, MAX_ARGUMENT_BYTES, STACK_TOP, pages};
use tvm_isa::{Gas, GuestAddr, Pc};

use crate::engine::Engine;
use crate::error::Error;
use crate::exit::{GuestExit, GuestState};
use crate::host_call::HostCalls;
use crate::interpreter::{BlockCosts, Heap};
use crate::memory::{Access, GuestMemory, InitialiseError, PagedMemory};
use crate::module::Module;
use crate::run::Machine;

/// A guest that can run. Dropping it returns its memory to the engine's pool, cleared.
#[derive(Debug)]
pub struct Instance {
    engine: Engine,
    machine: Machine,
}

impl Instance {
    /// A standard program at its start: memory laid out, `arguments` in place, registers set (GP A.7). The program
    /// counter is 0 and the gas 0; the caller sets both.
    ///
    /// # Errors
    /// When the arguments are longer than 2^24 bytes (which GP A.7 excludes), the module is a bare program, or the
    /// system refuses memory.
    pub fn standard(engine: &Engine, module: &Module, arguments: &[u8]) -> Result<Self, Error> {
        if module.layout().is_none() {
            return Err(Error::Internal("a bare program has no memory layout to start with".to_owned()));
        }
        let mut instance = Self::at_rest(engine, module)?;
        instance.place_arguments(arguments)?;
        Ok(instance)
    }

    /// A bare program with cleared registers and inaccessible memory, as `machine` makes them (GP B, refine functions).
    ///
    /// # Errors
    /// When the system refuses memory.
    pub fn bare(engine: &Engine, module: &Module) -> Result<Self, Error> {
        Self::at_rest(engine, module)
    }

    fn at_rest(engine: &Engine, module: &Module) -> Result<Self, Error> {
        let memory = match module.native_code() {
            Some(_) => GuestMemory::Mapped(engine.pool().take(module.image())?),
            None => GuestMemory::Paged(paged(module)?),
        };
        let machine = Machine {
            module: module.clone(),
            state: GuestState::new(Pc(0), Gas(0)),
            memory,
            heap: module.layout().map_or(Heap::default(), Heap::of_layout),
            block_costs: BlockCosts::default(),
        };
        Ok(Self { engine: engine.clone(), machine })
    }

    /// Back to what [`Instance::standard`] made, with other arguments, without making anything anew.
    ///
    /// # Errors
    /// As for [`Instance::standard`].
    pub fn reset(&mut self, arguments: &[u8]) -> Result<(), Error> {
        match &mut self.machine.memory {
            GuestMemory::Mapped(memory) => memory.reset(self.machine.module.image())?,
            GuestMemory::Paged(memory) => *memory = paged(&self.machine.module)?,
        }
        self.machine.state = GuestState::new(Pc(0), Gas(0));
        self.machine.heap = self.machine.module.layout().map_or(Heap::default(), Heap::of_layout);
        if self.machine.module.layout().is_some() {
            self.place_arguments(arguments)?;
        }
        Ok(())
    }

    fn place_arguments(&mut self, arguments: &[u8]) -> Result<(), Error> {
        if arguments.len() as u64 > MAX_ARGUMENT_BYTES {
            return Err(Error::ArgumentsTooLong { found: arguments.len(), limit: MAX_ARGUMENT_BYTES });
        }
        match &mut self.machine.memory {
            GuestMemory::Mapped(memory) => memory.set_arguments(arguments)?,
            GuestMemory::Paged(memory) => {
                let count = (pages(arguments.len() as u64) / u64::from(GuestAddr::PAGE_SIZE)) as u32;
                memory.set_access(ARGUMENTS_START.0 / GuestAddr::PAGE_SIZE, count, Access::Read);
                memory.copy_in(ARGUMENTS_START.0, arguments);
            }
        }
        let regs = &mut self.machine.state.regs;
        regs[0] = HALT_ADDRESS.into();
        regs[1] = STACK_TOP.0.into();
        regs[7] = ARGUMENTS_START.0.into();
        regs[8] = arguments.len() as u64;
        Ok(())
    }

    /// Registers, gas and program counter.
    #[must_use]
    pub fn state(&self) -> &GuestState {
        &self.machine.state
    }

    /// Registers, gas and program counter, to be changed between runs.
    pub fn state_mut(&mut self) -> &mut GuestState {
        &mut self.machine.state
    }

    /// The guest's memory.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.machine.memory
    }

    /// The guest's memory, to be changed between runs.
    pub fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.machine.memory
    }

    /// The module this is an instance of.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.machine.module
    }

    /// Runs from the current state until an exit, serving host calls through `calls`. A run that ended may be continued
    /// from any state the caller sets.
    ///
    /// # Errors
    /// When the machine or its host failed; the state is then unspecified.
    pub fn run(&mut self, calls: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        self.machine.until_exit(calls)
    }

    /// Moves the program counter from an `ecalli` where the run stopped to the instruction after it.
    pub fn skip_host_call(&mut self) {
        self.machine.skip_host_call();
    }

    /// Gives the guest's state and memory to an instance of `module`, the same program loaded in another way: from
    /// interpreted to compiled once it turned out to be worth it.
    ///
    /// # Errors
    /// When `module` is another program, or the system refuses memory.
    pub fn move_to(&mut self, module: &Module) -> Result<(), Error> {
        if module.program().blob() != self.machine.module.program().blob()
            || module.rules().version != self.machine.module.rules().version
        {
            return Err(Error::Internal("a guest was moved to another program".to_owned()));
        }
        let mut target = Self::at_rest(&self.engine, module)?;
        copy_memory(&self.machine.memory, &mut target.machine.memory)?;
        target.machine.state = self.machine.state.clone();
        target.machine.heap = self.machine.heap;
        *self = target;
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.machine.memory, GuestMemory::Paged(PagedMemory::new()));
        if let GuestMemory::Mapped(memory) = memory {
            self.engine.pool().put(memory);
        }
    }
}

/// The initial memory of an interpreted module.
fn paged(module: &Module) -> Result<PagedMemory, Error> {
    let mut memory = GuestMemory::Paged(PagedMemory::new());
    if let Some(layout) = module.layout() {
        let (ro, rw) = module.initial_data();
        for (region, access) in [(layout.ro, Access::Read), (layout.rw, Access::Write), (layout.stack, Access::Write)] {
            memory.set_access(region.start.0 / GuestAddr::PAGE_SIZE, region.len / GuestAddr::PAGE_SIZE, access)?;
        }
        memory.initialise(layout.ro.start, ro)?;
        memory.initialise(layout.rw.start, rw)?;
    }
    match memory {
        GuestMemory::Paged(memory) => Ok(memory),
        GuestMemory::Mapped(_) => Err(Error::Internal("paged memory turned into mapped memory".to_owned())),
    }
}

/// Makes `to`, which has no accessible pages, what `from` is.
fn copy_memory(from: &GuestMemory, to: &mut GuestMemory) -> Result<(), Error> {
    for (first, count, access) in from.page_runs() {
        to.set_access(first, count, access)?;
        for page in first..first + count {
            let start = u64::from(page) * u64::from(GuestAddr::PAGE_SIZE);
            let bytes = from.read(start, GuestAddr::PAGE_SIZE.into()).map_err(InitialiseError::from)?;
            if bytes.iter().any(|&byte| byte != 0) {
                to.initialise(GuestAddr(start as u32), &bytes)?;
            }
        }
    }
    Ok(())
}
