//! Accumulate's context and host functions (GP B.4, B.7).

mod context;
mod finish;
mod footprint;
mod preimages;
mod privileges;
mod service_ids;
mod services;
mod transfer;

pub(crate) use context::{Context, Layer, Surroundings};
pub(crate) use finish::changes;
pub(crate) use footprint::Footprint;
pub(crate) use service_ids::first_service_id;

use super::call::{Call, Stop};
use super::dispatch::{Host, not_served};
use super::general::{self, GrowingHeap, InputsSource};
use super::results::OK;
use super::table::{Entry, HostFunction, Setting};
use super::types::{AccumulationInput, ServiceId};

/// Serves accumulate's host calls.
pub(crate) struct AccumulateHost<'a> {
    pub context: Context<'a>,
    pub source: InputsSource<'a, AccumulationInput>,
    pub heap: GrowingHeap,
}

impl Host for AccumulateHost<'_> {
    const SETTING: Setting = Setting::Accumulate;

    fn service(&self) -> ServiceId {
        self.context.service()
    }

    fn serve(&mut self, entry: &'static Entry, call: &mut Call<'_>) -> Result<(), Stop> {
        let Self { context, source, heap } = self;
        let (service, constants) = (context.service(), context.constants());
        match entry.function {
            HostFunction::Gas => general::gas(call),
            HostFunction::GrowHeap => general::grow_heap(call, entry, heap),
            HostFunction::Fetch => general::fetch(call, source),
            HostFunction::Lookup => general::lookup(call, context, service),
            HostFunction::Read => general::read(call, context),
            HostFunction::Write => general::write(call, context),
            HostFunction::Info => general::info(call, context, service, constants),
            HostFunction::Bless => privileges::bless(call, context),
            HostFunction::Assign => privileges::assign(call, context),
            HostFunction::Designate => privileges::designate(call, context),
            HostFunction::Checkpoint => checkpoint(call, context),
            HostFunction::New => services::new(call, context),
            HostFunction::Upgrade => services::upgrade(call, context),
            HostFunction::Transfer => transfer::transfer(call, context),
            HostFunction::Eject => services::eject(call, context),
            HostFunction::Query => preimages::query(call, context),
            HostFunction::Solicit => preimages::solicit(call, context),
            HostFunction::Forget => preimages::forget(call, context),
            HostFunction::Yield => yield_hash(call, context),
            HostFunction::Provide => preimages::provide(call, context),
            HostFunction::HistoricalLookup
            | HostFunction::Export
            | HostFunction::Machine
            | HostFunction::Peek
            | HostFunction::Poke
            | HostFunction::Pages
            | HostFunction::Invoke
            | HostFunction::Expunge => Err(not_served(entry.function)),
        }
    }
}

/// **checkpoint** (0.7: 17, 0.8.0: 18). From here on, what was done so far stays done even if the guest panics or runs out
/// of gas.
///
/// φ7 ← remaining gas.
fn checkpoint(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    context.checkpoint();
    call.answer(call.gas().0);
    Ok(())
}

/// **yield** (0.7: 25, 0.8.0: 26). Sets the hash that the accumulation results in.
///
/// φ7 address of the hash. Panics when it is not readable. φ7 ← OK.
fn yield_hash(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let hash = call.read_hash(call.reg(7))?;
    context.set_yield(hash);
    call.answer(OK);
    Ok(())
}
