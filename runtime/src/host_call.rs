//! The interface through which a running guest's host calls are served.

use tvm_isa::{Gas, Pc, Reg};

use crate::exit::GuestExit;
use crate::memory::GuestMemory;

/// The guest as a host function sees it.
#[derive(Debug)]
pub struct Guest<'a> {
    /// Registers φ0 to φ12; arguments are in φ7 to φ12, results go to φ7 and φ8.
    pub regs: &'a mut [u64; Reg::COUNT],
    /// Remaining gas; the `ecalli` instruction itself is paid for.
    pub gas: &'a mut Gas,
    /// Program counter of the `ecalli`.
    pub pc: Pc,
    /// The guest's memory.
    pub memory: &'a mut GuestMemory,
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
}

/// Ends the run at every host call, with [`GuestExit::HostCall`].
#[derive(Clone, Copy, Default, Debug)]
pub struct StopAtHostCalls;

impl HostCalls for StopAtHostCalls {
    fn host_call(&mut self, id: u64, _guest: Guest<'_>) -> Result<HostAction, HostError> {
        Ok(HostAction::Exit(GuestExit::HostCall(id)))
    }
}
