//! The interface through which a running guest's host calls are served.

use tvm_isa::{Gas, Pc, Reg};

use crate::exit::GuestExit;
use crate::memory::GuestMemory;

/// The guest as a host function sees it. Two references, which are passed in registers.
#[derive(Debug)]
pub struct Guest<'a> {
    /// Its gas and registers.
    pub state: &'a mut CallState,
    /// Its memory.
    pub memory: &'a mut GuestMemory,
}

/// The part of a guest's state that is not memory, during a host call.
#[derive(Clone, Debug)]
// The stub for host calls saves gas, registers and program counter here.
#[repr(C)]
pub struct CallState {
    /// Remaining gas; the `ecalli` instruction itself is paid for.
    pub gas: Gas,
    /// Registers φ0 to φ12; arguments are in φ7 to φ12, results go to φ7 and φ8.
    pub regs: [u64; Reg::COUNT],
    pub(crate) pc: Pc,
}

impl CallState {
    /// The state of a guest whose `ecalli` is at `pc`.
    #[must_use]
    pub const fn new(gas: Gas, regs: [u64; Reg::COUNT], pc: Pc) -> Self {
        Self { gas, regs, pc }
    }

    /// Program counter of the `ecalli`.
    #[must_use]
    #[inline]
    pub const fn pc(&self) -> Pc {
        self.pc
    }
}

/// What happens after a host call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostAction {
    /// The guest goes on after the `ecalli`.
    Resume,
    /// The run ends with this outcome; the program counter stays at the `ecalli`.
    Exit(GuestExit),
}

/// An error of the host while it served a call, such as a failed read of the node's database. It ends the run as
/// [`crate::Error::Host`] and never becomes an outcome of the guest.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Serves host calls.
pub trait HostCalls {
    /// Serves the call `id` (the sign-extended immediate of `ecalli`).
    ///
    /// # Errors
    /// When the host itself failed.
    fn host_call(&mut self, id: u64, guest: Guest<'_>) -> Result<HostAction, HostError>;

    /// Serves the call for compiled code: whether the guest goes on, and what is to happen instead if it does not.
    ///
    /// Not to be implemented. It is compiled together with [`host_call`](Self::host_call), whose result is larger than two registers and would go
    /// through memory at every call.
    #[doc(hidden)]
    fn resumes(&mut self, id: u64, guest: Guest<'_>, action: &mut Result<HostAction, HostError>) -> bool {
        match self.host_call(id, guest) {
            Ok(HostAction::Resume) => true,
            other => {
                *action = other;
                false
            }
        }
    }
}

/// Ends the run at every host call, with [`GuestExit::HostCall`].
#[derive(Clone, Copy, Default, Debug)]
pub struct StopAtHostCalls;

impl HostCalls for StopAtHostCalls {
    fn host_call(&mut self, id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok(HostAction::Exit(GuestExit::HostCall(id)))
    }
}
