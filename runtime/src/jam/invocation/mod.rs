//! JAM's invocations of guest code (GP B.2 to B.4, and B.5 of GP 0.7.0).

mod accumulate;
mod is_authorized;
mod on_transfer;
mod program;
mod refine;

pub use accumulate::{AccumulateInput, Accumulated, accumulate};
pub use is_authorized::{Authorized, IsAuthorizedInput, is_authorized};
pub use on_transfer::{OnTransferInput, Transferred, on_transfer};
pub use refine::{RefineInput, Refined, refine};

use tvm_isa::{GpVersion, Pc};

use super::constants::ChainConstants;
use super::state::Accounts;

/// Where execution starts (GP A.8 as used in B).
const ENTRY_IS_AUTHORIZED: Pc = Pc(0);
const ENTRY_REFINE: Pc = Pc(0);
const ENTRY_ACCUMULATE: Pc = Pc(5);
const ENTRY_ON_TRANSFER: Pc = Pc(10);

/// What every invocation is told of the chain.
#[derive(Clone, Copy)]
pub struct Chain<'a> {
    /// The Gray Paper version whose rules hold.
    pub version: GpVersion,
    /// The chain's constants.
    pub constants: &'a ChainConstants,
    /// The accounts, as they are before the invocation. For is-authorized and refine any state that has the preimages
    /// of the lookup anchor.
    pub accounts: &'a dyn Accounts,
}

impl std::fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("version", &self.version).finish_non_exhaustive()
    }
}

/// How the guest's run ended. Page faults are panics here (GP A.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InvocationEnd {
    /// It halted.
    Halt,
    /// It panicked, or its code is no program.
    Panic,
    /// It ran out of gas.
    OutOfGas,
    /// There was no code that could run.
    NotRun,
}
