//! How a guest's execution ends.

use tvm_isa::{Gas, GuestAddr, Pc, Reg};

/// What the guest did. An outcome of the guest is never an error of the machine, and the reverse: see [`crate::Error`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GuestExit {
    /// A dynamic jump to the halt address (GP: ∎).
    Halt,
    /// A trap, a jump where no block starts, or an inaccessible byte below 2^16 (GP: ☇).
    Panic,
    /// The gas does not cover the next instruction or block (GP: ∞).
    OutOfGas,
    /// An inaccessible byte at or above 2^16 (GP: F × address).
    PageFault(
        /// First address of the page that the access failed on.
        GuestAddr,
    ),
    /// `ecalli` with this sign-extended immediate (GP: ħ × id); only seen when the caller asked to stop at host calls.
    HostCall(
        /// The call's identifier.
        u64,
    ),
}

/// The part of a machine's state that is not memory (GP: ı, γ, φ and, from 0.8.0, the charged flag).
#[derive(Clone, PartialEq, Eq, Debug)]
// Compiled code finds gas and registers in it, see `tvm_abi::context::STATE_GAS`.
#[repr(C)]
pub struct GuestState {
    /// Remaining gas. After [`GuestExit::OutOfGas`] under per-instruction gas it is 0, where the Gray Paper's counter is −1.
    pub gas: Gas,
    /// Registers φ0 to φ12.
    pub regs: [u64; Reg::COUNT],
    /// Program counter. At an exit it stays at the instruction that caused it, also for halt and panic, where the Gray
    /// Paper's Ψ reports 0: callers that need that say so themselves.
    pub pc: Pc,
    /// Whether the block at `pc` is paid for already. Always false under per-instruction gas.
    pub charged: bool,
}

impl GuestState {
    /// A machine about to execute `pc` with cleared registers.
    #[must_use]
    pub fn new(pc: Pc, gas: Gas) -> Self {
        Self { pc, gas, regs: [0; Reg::COUNT], charged: false }
    }
}
