//! The host function fetch: whatever an invocation is about.

use std::borrow::Cow;

use crate::jam::call::{Call, Stop};

/// What can be fetched in an invocation.
pub(crate) trait FetchSource {
    /// The value of `kind`, with φ11 and φ12 as indices; `None` when there is no such value here.
    fn value(&self, kind: u64, first: u64, second: u64) -> Option<Cow<'_, [u8]>>;
}

/// **fetch** (0.7: 1, 0.8.0: 2). Copies a value, or a part of it, to the guest.
///
/// φ7 destination, φ8 offset, φ9 length, φ10 kind, φ11 and φ12 indices.
/// Panics when the part's destination is not writable. φ7 ← NONE when there is no such value, otherwise its whole length.
pub(crate) fn fetch(call: &mut Call<'_>, source: &impl FetchSource) -> Result<(), Stop> {
    let value = source.value(call.reg(10), call.reg(11), call.reg(12));
    call.answer_window(7, 8, value.as_deref())
}

/// The entry at a guest's index.
pub(super) fn at<T>(list: &[T], index: u64) -> Option<&T> {
    list.get(usize::try_from(index).ok()?)
}
