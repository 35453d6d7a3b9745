//! What a guest did.

use tvm_isa::GuestAddr;
use tvm_runtime::GuestExit;

/// How a guest's execution ended. Only ever written together with [`crate::Status::Ok`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct TvmOutcome {
    /// One of the constants of [`TvmOutcome`]; 0 is no outcome.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// Of a page fault the first address of the page, of a host call its identifier, else 0.
    pub value: u64,
}

impl TvmOutcome {
    /// A dynamic jump to the halt address (GP: ∎).
    pub const HALT: u32 = 1;
    /// A trap, a jump where no block starts, or an inaccessible byte below 2^16 (GP: ☇).
    pub const PANIC: u32 = 2;
    /// The gas does not cover the next instruction or block (GP: ∞).
    pub const OUT_OF_GAS: u32 = 3;
    /// An inaccessible byte at or above 2^16 (GP: F × address).
    pub const PAGE_FAULT: u32 = 4;
    /// `ecalli` (GP: ħ × id).
    pub const HOST_CALL: u32 = 5;

    /// No outcome: what a variable may be set to before it is written.
    pub const NONE: Self = Self { kind: 0, reserved: 0, value: 0 };

    /// The guest's exit, unless this is no outcome: a host call's answer may be anything.
    pub(crate) fn exit(self) -> Result<GuestExit, String> {
        let Self { kind, reserved: _, value } = self;
        match kind {
            Self::HALT => Ok(GuestExit::Halt),
            Self::PANIC => Ok(GuestExit::Panic),
            Self::OUT_OF_GAS => Ok(GuestExit::OutOfGas),
            Self::PAGE_FAULT => match u32::try_from(value) {
                Ok(address) if GuestAddr(address).page_start() == GuestAddr(address) => {
                    Ok(GuestExit::PageFault(GuestAddr(address)))
                }
                _ => Err(format!("a page fault at {value:#x}, expected the first address of a page below 2^32")),
            },
            Self::HOST_CALL => Ok(GuestExit::HostCall(value)),
            _ => Err(format!("an outcome of kind {kind}, expected one of the TVM_OUTCOME_* constants, 1 to 5")),
        }
    }
}

impl From<GuestExit> for TvmOutcome {
    fn from(exit: GuestExit) -> Self {
        let (kind, value) = match exit {
            GuestExit::Halt => (Self::HALT, 0),
            GuestExit::Panic => (Self::PANIC, 0),
            GuestExit::OutOfGas => (Self::OUT_OF_GAS, 0),
            GuestExit::PageFault(address) => (Self::PAGE_FAULT, address.0.into()),
            GuestExit::HostCall(id) => (Self::HOST_CALL, id),
        };
        Self { kind, reserved: 0, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn exits_come_back_as_they_went() {
        let exits = [
            GuestExit::Halt,
            GuestExit::Panic,
            GuestExit::OutOfGas,
            GuestExit::PageFault(GuestAddr(0xffff_f000)),
            GuestExit::HostCall(u64::MAX),
        ];
        for exit in exits {
            assert_eq!(TvmOutcome::from(exit).exit(), Ok(exit));
        }
    }

    #[test]
    fn what_is_no_outcome_is_refused() {
        let outcome = |kind, value| TvmOutcome { kind, reserved: 0, value }.exit();
        assert!(TvmOutcome::NONE.exit().unwrap_err().contains("of kind 0"));
        assert!(outcome(6, 0).is_err());
        assert!(outcome(TvmOutcome::PAGE_FAULT, 0x10001).is_err());
        assert!(outcome(TvmOutcome::PAGE_FAULT, 1 << 32).is_err());
    }

    #[test]
    fn no_number_is_both_a_status_and_an_outcome() {
        assert!(Status::NAMES.iter().all(|(status, _)| *status as i32 <= 0));
        let kinds = [1, 2, 3, 4, 5];
        let named = [
            TvmOutcome::HALT,
            TvmOutcome::PANIC,
            TvmOutcome::OUT_OF_GAS,
            TvmOutcome::PAGE_FAULT,
            TvmOutcome::HOST_CALL,
        ];
        assert_eq!(kinds, named);
    }
}
