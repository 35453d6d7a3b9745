//! Machines under test: one interface to every way TVM has of executing a program.

mod compiled;
mod interpreter;

pub use compiled::CompiledEngine;
pub use interpreter::InterpreterEngine;

use tvm_isa::{Container, GpVersion};
use tvm_runtime::memory::GuestMemory;
use tvm_runtime::{GuestExit, GuestState, HostCalls, LoadError};

/// Makes machines.
pub trait Engine {
    /// The engine's name, as the command line takes it.
    fn name(&self) -> &'static str;

    /// A machine of a bare program blob: registers are zero, the program counter is 0, there is no gas and no memory.
    ///
    /// # Errors
    /// When the blob is no program, or TVM fails.
    fn bare<'a>(&self, version: GpVersion, blob: &'a [u8]) -> anyhow::Result<Box<dyn Machine + 'a>>;

    /// A machine of a standard program in `container`, set up for these arguments (GP A.7): the program counter is 0 and
    /// there is no gas.
    ///
    /// # Errors
    /// When the bytes are no standard program, the arguments are too long, or TVM fails.
    fn standard<'a>(
        &self,
        version: GpVersion,
        container: Container,
        bytes: &'a [u8],
        arguments: &[u8],
    ) -> anyhow::Result<Box<dyn Machine + 'a>>;

    /// Whether an error of [`Engine::bare`] or [`Engine::standard`] says that the bytes are no program.
    fn is_malformed(&self, error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(LoadError::Malformed(_)))
    }
}

/// A machine with its state and memory.
pub trait Machine {
    /// Registers, program counter and gas.
    fn state_mut(&mut self) -> &mut GuestState;

    /// The memory.
    fn memory_mut(&mut self) -> &mut GuestMemory;

    /// Runs from the state as it is to an exit.
    ///
    /// # Errors
    /// When TVM or a host call fails.
    fn run(&mut self, hosts: &mut dyn HostCalls) -> Result<GuestExit, tvm_runtime::Error>;

    /// Moves the program counter from the `ecalli` where a run stopped to the instruction after it.
    fn skip_host_call(&mut self);

    /// Whether the version lets execution begin at `pc`.
    fn may_start_at(&self, pc: u32) -> bool;

    /// Whether all registers are exact when execution ends like this.
    fn shows_registers_at(&self, exit: GuestExit) -> bool;
}
