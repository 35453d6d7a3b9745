//! Refine's host functions (GP B.3, B.6).

mod export;
mod historical_lookup;
mod inner;
mod machine;
mod machines;
mod policy;

pub(crate) use export::Exports;
pub(crate) use historical_lookup::available_preimage;
pub(crate) use machines::Machines;
pub use machines::{MAX_INNER_PAGES, MAX_PROGRAM_BYTES};

use super::call::{Call, Stop};
use super::dispatch::{Host, not_served};
use super::general::{self, GrowingHeap, PackageSource};
use super::state::Accounts;
use super::table::{Entry, HostFunction, Setting};
use super::types::{ServiceId, TimeSlot};

/// Serves refine's host calls.
pub(crate) struct RefineHost<'a> {
    /// The service whose item is refined.
    pub service: ServiceId,
    /// Accounts that preimages are looked up in.
    pub accounts: &'a dyn Accounts,
    /// Slot of the lookup anchor.
    pub anchor_slot: TimeSlot,
    pub source: PackageSource<'a>,
    pub heap: GrowingHeap,
    pub exports: Exports,
    pub machines: Machines<'a>,
}

impl Host for RefineHost<'_> {
    const SETTING: Setting = Setting::Refine;

    fn service(&self) -> ServiceId {
        self.service
    }

    fn serve(&mut self, entry: &'static Entry, call: &mut Call<'_>) -> Result<(), Stop> {
        match entry.function {
            HostFunction::Gas => general::gas(call),
            HostFunction::GrowHeap => general::grow_heap(call, entry, &mut self.heap),
            HostFunction::Fetch => general::fetch(call, &self.source),
            HostFunction::HistoricalLookup => {
                historical_lookup::historical_lookup(call, self.accounts, self.service, self.anchor_slot)
            }
            HostFunction::Export => export::export(call, &mut self.exports),
            HostFunction::Machine => machine::machine(call, &mut self.machines),
            HostFunction::Peek => machine::peek(call, &mut self.machines),
            HostFunction::Poke => machine::poke(call, &mut self.machines),
            HostFunction::Pages => machine::pages(call, &mut self.machines),
            HostFunction::Invoke => machine::invoke(call, &mut self.machines),
            HostFunction::Expunge => machine::expunge(call, &mut self.machines),
            HostFunction::Lookup
            | HostFunction::Read
            | HostFunction::Write
            | HostFunction::Info
            | HostFunction::Bless
            | HostFunction::Assign
            | HostFunction::Designate
            | HostFunction::Checkpoint
            | HostFunction::New
            | HostFunction::Upgrade
            | HostFunction::Transfer
            | HostFunction::Eject
            | HostFunction::Query
            | HostFunction::Solicit
            | HostFunction::Forget
            | HostFunction::Yield
            | HostFunction::Provide => Err(not_served(entry.function)),
        }
    }
}
