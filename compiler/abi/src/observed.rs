//! Where somebody sees the registers of a program.

use tvm_isa::Container;

/// Where all registers must be exactly what the Gray Paper says. Memory, gas, the kind of exit, its program counter and fault address always
/// are; and registers always hold whatever decides about those.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observed {
    /// Wherever execution can end: for programs of inner machines, whose registers `invoke` hands out at every exit (GP B.8).
    EveryExit,
    /// At host calls and where the program halts: for services, of which an invocation that panics, faults or runs out of gas shows nothing
    /// but that (GP A.8).
    HostCalls,
}

impl Observed {
    /// What the use of a container says: services come in one, programs of inner machines do not.
    #[must_use]
    pub const fn of(container: Container) -> Self {
        match container {
            Container::Raw => Self::EveryExit,
            Container::Standard | Container::Jam => Self::HostCalls,
        }
    }
}
