//! Host functions for preimages: query, solicit, forget, provide.
//!
//! A length that does not fit 32 bits is HUH since GP 0.8.0, before anything else is looked at. Before, the text lets it
//! through to a dictionary that has no such keys: there is no such request then, and where one would have to be made
//! (solicit) no balance could cover it.

use super::context::Context;
use super::footprint::Footprint;
use crate::jam::call::{Call, Stop};
use crate::jam::general::service_argument;
use crate::jam::results::{FULL, HUH, NONE, OK, WHO};
use crate::jam::state::Accounts;
use crate::jam::types::{Hash, RequestKey, TimeSlot, Timeline};

/// Whether a preimage that was forgotten at `since` may be expunged (GP: y < t − D). That is never so while t − D would be
/// negative.
pub(super) fn is_expungeable(since: TimeSlot, context: &Context<'_>) -> bool {
    let (slot, period) = (u64::from(context.slot().0), u64::from(context.constants().expunge_period));
    u64::from(since.0) + period < slot
}

/// Whether the rules refuse this length before anything else.
fn refused_first(call: &Call<'_>, len: u64) -> bool {
    call.rules.lengths_checked_first && u32::try_from(len).is_err()
}

/// The caller's request for `hash` at a length that may not fit 32 bits.
fn request(context: &Context<'_>, hash: Hash, len: u64) -> Result<Option<(RequestKey, Timeline)>, Stop> {
    let Ok(len) = u32::try_from(len) else {
        return Ok(None);
    };
    let key = (hash, len);
    Ok(context.request(context.service(), key)?.map(|timeline| (key, timeline)))
}

/// **query** (0.7: 22, 0.8.0: 23). Tells the timeline of one of the caller's requests.
///
/// φ7 address of the hash, φ8 length.
/// Panics when the hash is not readable. φ7 and φ8 ← NONE and 0 when there is no such request, otherwise the number of
/// slots in the low half of φ7, and the slots in its high half and both halves of φ8. Since GP 0.8.0: HUH, with φ8 as it
/// was, when the length does not fit 32 bits.
pub(super) fn query(call: &mut Call<'_>, context: &Context<'_>) -> Result<(), Stop> {
    let (start, len) = (call.reg(7), call.reg(8));
    if refused_first(call, len) {
        call.answer(HUH);
        return Ok(());
    }
    let hash = call.read_hash(start)?;
    let high = |slot: TimeSlot| u64::from(slot.0) << 32;
    let low = |slot: TimeSlot| u64::from(slot.0);
    let (first, second) = match request(context, hash, len)?.map(|(_, timeline)| timeline) {
        None => (NONE, 0),
        Some(Timeline::Requested) => (0, 0),
        Some(Timeline::Available(x)) => (1 | high(x), 0),
        Some(Timeline::Forgotten(x, y)) => (2 | high(x), low(y)),
        Some(Timeline::AvailableAgain(x, y, z)) => (3 | high(x), low(y) | high(z)),
    };
    call.answer(first);
    call.answer_second(second);
    Ok(())
}

/// **solicit** (0.7: 23, 0.8.0: 24). Requests a preimage, or requests it again.
///
/// φ7 address of the hash, φ8 length.
/// Panics when the hash is not readable. φ7 ← HUH when it is requested or available already, FULL when the balance does
/// not cover the request, otherwise OK. Since GP 0.8.0: HUH when the length does not fit 32 bits.
pub(super) fn solicit(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let (start, len) = (call.reg(7), call.reg(8));
    if refused_first(call, len) {
        call.answer(HUH);
        return Ok(());
    }
    let hash = call.read_hash(start)?;
    let own = context.own()?;
    let mut footprint = Footprint::of(&own);
    let timeline = match request(context, hash, len)?.map(|(_, timeline)| timeline) {
        None => {
            footprint.add_request(len);
            Timeline::Requested
        }
        Some(Timeline::Forgotten(x, y)) => Timeline::AvailableAgain(x, y, context.slot()),
        Some(Timeline::Requested | Timeline::Available(_) | Timeline::AvailableAgain(..)) => {
            call.answer(HUH);
            return Ok(());
        }
    };
    let covered = footprint.covered(own, context.constants());
    let (Some(own), Ok(len)) = (covered, u32::try_from(len)) else {
        call.answer(FULL);
        return Ok(());
    };
    let delta = context.own_delta()?;
    delta.account = own;
    delta.requests.insert((hash, len), Some(timeline));
    call.answer(OK);
    Ok(())
}

/// **forget** (0.7: 24, 0.8.0: 25). Takes a request back: one that is not fulfilled, or was forgotten long enough ago,
/// disappears with its preimage; an available one becomes forgotten.
///
/// φ7 address of the hash, φ8 length.
/// Panics when the hash is not readable. φ7 ← HUH when there is no such request or it was forgotten too recently, otherwise
/// OK.
pub(super) fn forget(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let (start, len) = (call.reg(7), call.reg(8));
    if refused_first(call, len) {
        call.answer(HUH);
        return Ok(());
    }
    let hash = call.read_hash(start)?;
    let Some((key, timeline)) = request(context, hash, len)? else {
        call.answer(HUH);
        return Ok(());
    };
    let kept = match timeline {
        Timeline::Requested => None,
        Timeline::Available(x) => Some(Timeline::Forgotten(x, context.slot())),
        Timeline::Forgotten(_, y) if is_expungeable(y, context) => None,
        Timeline::AvailableAgain(_, y, z) if is_expungeable(y, context) => Some(Timeline::Forgotten(z, context.slot())),
        Timeline::Forgotten(..) | Timeline::AvailableAgain(..) => {
            call.answer(HUH);
            return Ok(());
        }
    };
    let delta = context.own_delta()?;
    if kept.is_none() {
        let mut footprint = Footprint::of(&delta.account);
        footprint.remove_request(len);
        // Smaller numbers than before fit too.
        delta.account = footprint.applied(delta.account.clone()).unwrap_or_else(|| delta.account.clone());
        delta.preimages.insert(hash, None);
    }
    delta.requests.insert(key, kept);
    call.answer(OK);
    Ok(())
}

/// **provide** (0.7: 26, 0.8.0: 27). Gives a requested preimage to a service. It arrives after the round.
///
/// φ7 service, φ8 address of the preimage, φ9 its length.
/// Panics when the preimage is not readable. φ7 ← WHO when there is no such service, HUH when it does not wait for this
/// preimage or the caller gave it already, otherwise OK. Since GP 0.8.0: HUH when the length does not fit 32 bits.
pub(super) fn provide(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let (start, len) = (call.reg(8), call.reg(9));
    if refused_first(call, len) {
        call.answer(HUH);
        return Ok(());
    }
    call.need_readable(start, len)?;
    let service = service_argument(call.reg(7), context.service());
    let account = match service {
        Some(service) => context.account(service)?.map(|_| service),
        None => None,
    };
    let Some(service) = account else {
        call.answer(WHO);
        return Ok(());
    };
    let preimage = call.read(start, len)?;
    let hash = Hash::of(&preimage);
    let timeline = match u32::try_from(len) {
        Ok(len) => context.request(service, (hash, len))?,
        Err(_) => None,
    };
    if timeline != Some(Timeline::Requested) || context.is_provided(service, hash) {
        call.answer(HUH);
        return Ok(());
    }
    context.provide(service, hash, preimage.into());
    call.answer(OK);
    Ok(())
}
