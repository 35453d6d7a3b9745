//! Compiled code without an object around it.

use core::ops::Range;

use crate::Note;

/// A compiled program as it lies in memory that the process runs it from, where nobody wants an object.
///
/// The parts are those of the sections of the same names ([`crate::sections`]), at the same distances as far as code depends on
/// them; headers, relocations and symbols are missing. Ranges are offsets in the memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// What the code was made from.
    pub note: Note,
    /// The machine code. Its pages are its own, up to the next multiple of [`crate::sections::PAGE`].
    pub text: Range<usize>,
    /// The dynamic jump table, whole pages.
    pub jump_table: Range<usize>,
    /// Machine code to program counters.
    pub pc_map: Range<usize>,
    /// The program blob.
    pub program: Range<usize>,
    /// Image of the guest's read-only data, whole pages.
    pub ro_image: Range<usize>,
    /// Image of the guest's initialised read-write data, whole pages.
    pub rw_image: Range<usize>,
}
