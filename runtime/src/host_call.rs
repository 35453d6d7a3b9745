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
    /// Program counter of the `ecalli`.
    #[must_use]
    #[inline]
    pub const fn pc(&self) -> Pc {
        self.pc
    }

    /// Takes `cost` from the gas, and says whether there was that much. If not, all of it counts as used, because the Gray Paper's
    /// counter gets negative.
    #[must_use]
    pub fn charge(&mut self, cost: u128) -> bool {
        let left = u128::from(self.gas.0).checked_sub(cost);
        // What is left of 64 bits fits 64 bits.
        self.gas = Gas(left.unwrap_or(0) as u64);
        left.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_takes_what_there_is() {
        let max = u128::from(u64::MAX);
        let cases =
            [(5, 5, true, 0), (5, 6, false, 0), (u64::MAX, 1, true, u64::MAX - 1), (u64::MAX, max + 1, false, 0)];
        for (gas, cost, is_enough, left) in cases {
            let mut state = CallState { gas: Gas(gas), regs: [0; Reg::COUNT], pc: Pc(0) };
            assert_eq!((state.charge(cost), state.gas), (is_enough, Gas(left)), "{gas} - {cost}");
        }
    }
}
