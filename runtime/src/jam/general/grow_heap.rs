//! The host function grow_heap.

use tvm_isa::GuestAddr;
use tvm_isa::layout::{Layout, MAX_ARGUMENT_BYTES, ZONE_SIZE};

use crate::jam::call::{Call, Stop};
use crate::jam::cost::Cost;
use crate::jam::dispatch::not_served;
use crate::jam::table::Entry;
use crate::memory::Access;

/// How far a standard program's heap reaches, and how far it may grow.
///
/// The Gray Paper counts writable pages between the read-write region's start and the limit. They are always the ones
/// right behind the start: nothing but `grow_heap` changes access rights of a standard program's memory where that host
/// call exists, and the stack lies above the limit. So the end is remembered instead of being counted in every call.
///
/// By default it cannot grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct GrowingHeap {
    /// One past the heap's last page (GP: h).
    end: u64,
    /// The highest value that the end may have (GP: b).
    limit: u64,
}

impl GrowingHeap {
    /// The heap of a program before it runs.
    pub(crate) fn of(layout: &Layout) -> Self {
        let page = u64::from(GuestAddr::PAGE_SIZE);
        let limit = ((1 << 32) - 3 * ZONE_SIZE - MAX_ARGUMENT_BYTES - u64::from(layout.stack.len)) / page;
        Self { end: layout.rw.end() / page, limit }
    }
}

/// **grow_heap** (0.8.0: 1). Makes the heap larger by whole pages, or tells how large it is.
///
/// φ7 wanted end of the heap, as a page's number. φ7 ← the end after the call: the wanted one, or the present one when
/// that is not higher or not possible. New pages are zero.
///
/// Gas is charged here. When growth cannot be paid, the gas stays as it was (GP 0.8.0 says so of this call alone). That a
/// query cannot be paid is not covered by the text, which subtracts all the same: it is out of gas here, as anywhere else.
pub(crate) fn grow_heap(call: &mut Call<'_>, entry: &Entry, heap: &mut GrowingHeap) -> Result<(), Stop> {
    let Cost::Growth { base, per_page } = entry.cost else {
        return Err(not_served(entry.function));
    };
    let wanted = call.reg(7);
    if wanted <= heap.end || wanted > heap.limit {
        call.charge(base.into())?;
        call.answer(heap.end);
        return Ok(());
    }
    let more = wanted - heap.end;
    let cost = u128::from(base) + u128::from(per_page) * u128::from(more);
    if call.rules.unpaid_growth_keeps_gas && u128::from(call.gas().0) < cost {
        return Err(Stop::OutOfGas);
    }
    call.charge(cost)?;
    // Page numbers up to the limit fit 32 bits.
    let set = call.memory().set_access(heap.end as u32, more as u32, Access::Write);
    set.map_err(|error| Stop::Host(error.into()))?;
    heap.end = wanted;
    Ok(())
}
