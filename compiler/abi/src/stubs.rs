//! The stubs: the only code outside its own text that compiled code calls.
//!
//! Every exit is a call, so that the return address tells where the guest was; the [`crate::PcMap`] turns it into a
//! program counter and the gas to give back. Guest registers are in their host registers at every call to a stub.

/// The stubs in the order of their slots in [`crate::sections::STUBS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Stub {
    /// The charge for the region that starts here did not fit. It has been subtracted all the same.
    OutOfGas = 0,
    /// The instruction here is left to the interpreter: it traps, jumps where no block starts, halts, or is one that
    /// compiled code does not have.
    Interpret = 1,
    /// `ecalli`: [`crate::VmContext::host_call_id`] and [`crate::VmContext::host_call_pc`] are set. Returns to the
    /// instruction after it, unless the host leaves.
    HostCall = 2,
}

impl Stub {
    /// All stubs in slot order.
    pub const ALL: [Self; 3] = [Self::OutOfGas, Self::Interpret, Self::HostCall];

    /// The undefined symbol that names the stub in an object.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::OutOfGas => "tvm_stub_out_of_gas",
            Self::Interpret => "tvm_stub_interpret",
            Self::HostCall => "tvm_stub_host_call",
        }
    }

    /// Byte offset of the stub's slot in the stub section.
    #[must_use]
    pub const fn slot_offset(self) -> usize {
        self as usize * 8
    }
}

/// Why compiled code was left, as stored in [`crate::VmContext::leave`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u64)]
pub enum Leave {
    /// Through [`Stub::OutOfGas`].
    OutOfGas = 0,
    /// Through [`Stub::Interpret`].
    Interpret = 1,
    /// The host decided to leave at a host call.
    HostCall = 2,
    /// A memory access faulted; [`crate::VmContext::site`] is the machine instruction itself.
    Fault = 3,
}

impl Leave {
    /// The reason whose number is `value`.
    #[must_use]
    pub fn from_number(value: u64) -> Option<Self> {
        [Self::OutOfGas, Self::Interpret, Self::HostCall, Self::Fault].into_iter().find(|l| *l as u64 == value)
    }
}
