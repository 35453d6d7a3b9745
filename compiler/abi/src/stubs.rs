//! The stubs: the only code outside its own text that compiled code calls.
//!
//! Every exit is a call, so that the return address tells where the guest was; the [`crate::PcMap`] turns it into a
//! program counter and the gas to give back. [`Stub::Jump`], through which guests halt, is jumped to instead, with the
//! place pushed: a call that is never returned from costs a return predicted wrongly. Guest registers are in their host
//! registers at every call of a stub.

use tvm_isa::layout::HALT_ADDRESS;

use crate::context::{self, MAX_JUMP_TABLE_SLOTS};
use crate::sections::{NO_TARGET, PAGE};

/// The stubs in the order of their slots in [`crate::VmContext::stubs`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Stub {
    /// The charge for the region that starts here did not fit. It has been subtracted all the same.
    OutOfGas = 0,
    /// The instruction here is left to the interpreter: it traps, jumps where no block starts, halts, or is one that
    /// compiled code does not have.
    Interpret = 1,
    /// A dynamic jump that writes no register and cannot go through the jump table. On the stack is where in the text it
    /// is, as a call's return address would tell, but counted from the text's start. The scratch register holds
    /// [`jump_key`] of its address, or, if the address has an entry where no block starts, the sum of the text's address
    /// and [`NO_TARGET`]. Halts if that is [`HALT_KEY`]; otherwise this is [`Stub::Interpret`].
    Jump = 2,
    /// `ecalli`: the scratch register holds [`crate::HostCall::packed`]. Returns to the instruction after it, unless the host
    /// leaves.
    HostCall = 3,
}

/// What compiled code makes of the address of a dynamic jump: table entry i is at 2·(i + 1), so that rotating makes
/// the address an index, and odd addresses huge ones.
#[must_use]
pub const fn jump_key(address: u32) -> u32 {
    address.rotate_right(1)
}

/// [`jump_key`] of the address that halts. No jump table is so long, and it is not one less than the address of a page:
/// nothing else in the scratch register can be taken for it.
pub const HALT_KEY: u32 = jump_key(HALT_ADDRESS);

const _: () = assert!(HALT_KEY as usize >= MAX_JUMP_TABLE_SLOTS);
const _: () = assert!(NO_TARGET & (PAGE as u32 - 1) != HALT_KEY & (PAGE as u32 - 1));

impl Stub {
    /// All stubs in slot order.
    pub const ALL: [Self; 4] = [Self::OutOfGas, Self::Interpret, Self::Jump, Self::HostCall];

    /// Those that an object has a thunk for, code at the start of its text that jumps to the stub, with the symbols that
    /// name it. Host calls do without the detour.
    pub const THUNKS: [(Self, &'static str); 3] = [
        (Self::OutOfGas, "tvm_stub_out_of_gas"),
        (Self::Interpret, "tvm_stub_interpret"),
        (Self::Jump, "tvm_stub_jump"),
    ];

    /// Displacement of the stub's address from the segment base.
    #[must_use]
    pub const fn slot(self) -> i32 {
        context::STUBS + self as i32 * 8
    }
}

/// Why compiled code was left: what entering it returns.
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
    /// Through [`Stub::Jump`], to the halt address.
    Halt = 4,
}

impl Leave {
    /// The reason whose number is `value`.
    #[must_use]
    pub fn from_number(value: u64) -> Option<Self> {
        const ALL: [Leave; 5] = [Leave::OutOfGas, Leave::Interpret, Leave::HostCall, Leave::Fault, Leave::Halt];
        ALL.get(usize::try_from(value).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_lists() {
        for (at, stub) in Stub::ALL.into_iter().enumerate() {
            assert_eq!((stub as usize, stub.slot()), (at, context::STUBS + 8 * at as i32));
        }
        for (at, (stub, _)) in Stub::THUNKS.into_iter().enumerate() {
            assert_eq!(stub as usize, at);
        }
        for leave in [Leave::OutOfGas, Leave::Interpret, Leave::HostCall, Leave::Fault, Leave::Halt] {
            assert_eq!(Leave::from_number(leave as u64), Some(leave));
        }
        assert_eq!((Leave::from_number(5), Leave::from_number(u64::MAX)), (None, None));
    }
}
