//! Host functions of several invocations (GP B.5).

mod fetch;
mod fetch_inputs;
mod fetch_package;
mod grow_heap;
mod info;
mod lookup;
mod storage;

pub(crate) use fetch::fetch;
pub(crate) use fetch_inputs::InputsSource;
pub(crate) use fetch_package::{PackageSource, RefineSource};
pub(crate) use grow_heap::{GrowingHeap, grow_heap};
pub(crate) use info::info;
pub(crate) use lookup::lookup;
pub(crate) use storage::{read, write};

use super::call::{Call, Stop};
use super::results::SELF;
use super::types::ServiceId;

/// **gas** (0.7: 0, 0.8.0: 0). Tells the remaining gas, the call itself paid for.
///
/// φ7 ← remaining gas.
pub(crate) fn gas(call: &mut Call<'_>) -> Result<(), Stop> {
    call.answer(call.gas().0);
    Ok(())
}

/// The service that an argument names: 2^64 − 1 is the caller, numbers past 32 bits are no service.
pub(crate) fn service_argument(argument: u64, caller: ServiceId) -> Option<ServiceId> {
    if argument == SELF { Some(caller) } else { u32::try_from(argument).ok().map(ServiceId) }
}
