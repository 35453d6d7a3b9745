//! The interpreter alone, on memory of its own.

use anyhow::ensure;
use tvm_isa::layout::{ARGUMENTS_START, HALT_ADDRESS, Layout, MAX_ARGUMENT_BYTES, Region, STACK_TOP, pages};
use tvm_isa::{Container, Gas, GpVersion, GuestAddr, Pc, Program, StandardProgram, split_metadata};
use tvm_runtime::interpreter::{Heap, Interpreter};
use tvm_runtime::memory::{Access, GuestMemory, PagedMemory};
use tvm_runtime::{Error, GuestExit, GuestState, HostCalls, LoadError, Malformed};

use super::{Engine, Machine};

/// Executes every instruction by interpretation.
#[derive(Clone, Copy, Default, Debug)]
pub struct InterpreterEngine;

struct InterpretedMachine<'p> {
    interpreter: Interpreter<'p>,
    state: GuestState,
    memory: GuestMemory,
}

impl Engine for InterpreterEngine {
    fn name(&self) -> &'static str {
        "interpreter"
    }

    fn bare<'a>(&self, version: GpVersion, blob: &'a [u8]) -> anyhow::Result<Box<dyn Machine + 'a>> {
        Ok(Box::new(InterpretedMachine::new(version, parse(version, blob)?)))
    }

    fn standard<'a>(
        &self,
        version: GpVersion,
        container: Container,
        bytes: &'a [u8],
        arguments: &[u8],
    ) -> anyhow::Result<Box<dyn Machine + 'a>> {
        let bytes = match container {
            Container::Jam => split_metadata(bytes)?.1,
            Container::Standard => bytes,
            Container::Raw => anyhow::bail!("expected a standard program, found a bare program blob"),
        };
        let standard = StandardProgram::parse(bytes)?;
        let mut machine = InterpretedMachine::new(version, parse(version, standard.program)?);
        machine.initialise(&standard, arguments)?;
        Ok(Box::new(machine))
    }
}

/// The program of a blob that the version accepts.
fn parse(version: GpVersion, blob: &[u8]) -> Result<Program<'_>, LoadError> {
    let program = Program::parse(blob).map_err(Malformed::from)?;
    program.validate(version.rules()).map_err(Malformed::from)?;
    Ok(program)
}

impl<'p> InterpretedMachine<'p> {
    fn new(version: GpVersion, program: Program<'p>) -> Self {
        Self {
            interpreter: Interpreter::new(program, version.rules()),
            state: GuestState::new(Pc(0), Gas(0)),
            memory: GuestMemory::Paged(PagedMemory::new()),
        }
    }

    /// Memory and registers at the start of a standard program (GP A.7, eq:memlayout and eq:registers).
    fn initialise(&mut self, standard: &StandardProgram<'_>, arguments: &[u8]) -> anyhow::Result<()> {
        let found = arguments.len() as u64;
        ensure!(found <= MAX_ARGUMENT_BYTES, "{found} bytes of arguments, at most {MAX_ARGUMENT_BYTES} are possible");
        let layout = Layout::new(standard.sizes())
            .map_err(|found| anyhow::anyhow!("the regions take {found} bytes, at most 2^32 are there"))?;
        let argument_region = Region { start: ARGUMENTS_START, len: pages(found) as u32 };
        let regions: [(Region, Access, &[u8]); 4] = [
            (layout.ro, Access::Read, standard.ro),
            (layout.rw, Access::Write, standard.rw),
            (layout.stack, Access::Write, &[]),
            (argument_region, Access::Read, arguments),
        ];
        for (Region { start, len }, access, contents) in regions {
            self.memory.set_access(start.0 / GuestAddr::PAGE_SIZE, len / GuestAddr::PAGE_SIZE, access)?;
            self.memory.initialise(start, contents)?;
        }
        self.interpreter.heap = Heap::of_layout(&layout);
        self.state.regs[0] = HALT_ADDRESS.into();
        self.state.regs[1] = STACK_TOP.0.into();
        self.state.regs[7] = ARGUMENTS_START.0.into();
        self.state.regs[8] = found;
        Ok(())
    }
}

impl Machine for InterpretedMachine<'_> {
    fn state_mut(&mut self) -> &mut GuestState {
        &mut self.state
    }

    fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    fn run(&mut self, hosts: &mut dyn HostCalls) -> Result<GuestExit, Error> {
        let Self { interpreter, state, memory } = self;
        loop {
            let exit = interpreter.run(state, memory, None)?.expect("a run without limit ends with an exit");
            let GuestExit::HostCall(id) = exit else {
                return Ok(exit);
            };
            if let Some(exit) = interpreter.host_call(id, state, memory, hosts)? {
                return Ok(exit);
            }
        }
    }

    fn skip_host_call(&mut self) {
        self.interpreter.after_host_call(&mut self.state);
    }

    fn shows_registers_at(&self, _exit: GuestExit) -> bool {
        true
    }

    fn may_start_at(&self, pc: u32) -> bool {
        self.interpreter.program().validate_entry(self.interpreter.rules(), Pc(pc)).is_ok()
    }
}
