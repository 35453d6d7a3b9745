//! The host function export.

use crate::jam::call::{Call, Stop};
use crate::jam::results::FULL;
use crate::jam::types::{Bytes, SEGMENT_BYTES};

/// The segments that an item exported so far.
#[derive(Debug)]
pub(crate) struct Exports {
    /// Segments that earlier items of the package export (GP: ς).
    pub offset: u64,
    /// The most that a package may export (GP: W_X).
    pub limit: u64,
    /// This item's.
    pub segments: Vec<Bytes>,
}

/// **export** (0.7: 7, 0.8.0: 8). Appends a segment of 4104 octets to the exports; shorter data is padded with zeros, of
/// longer data the rest is left out.
///
/// φ7 address, φ8 length.
/// Panics when what is exported is not readable. φ7 ← FULL when the package has exported all it may, otherwise the
/// segment's index within the package.
pub(super) fn export(call: &mut Call<'_>, exports: &mut Exports) -> Result<(), Stop> {
    let (start, len) = (call.reg(7), call.reg(8).min(SEGMENT_BYTES as u64));
    call.need_readable(start, len)?;
    let index = exports.offset.saturating_add(exports.segments.len() as u64);
    if index >= exports.limit {
        call.answer(FULL);
        return Ok(());
    }
    let mut segment = call.read(start, len)?;
    segment.resize(SEGMENT_BYTES, 0);
    exports.segments.push(segment.into());
    call.answer(index);
    Ok(())
}
