//! Where compiled code and its tables are, in an object or without one.

use core::ops::Range;

use crate::Note;

/// Where in an object, or in memory, what running code needs is: the sections of the same names ([`crate::sections`]). Ranges are
/// offsets from the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
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

impl Places {
    /// The part that is used where it is, as other parts are mapped on their own. It starts with the text.
    #[must_use]
    #[inline]
    pub fn in_place(&self) -> Range<usize> {
        let end = [&self.text, &self.pc_map, &self.program].into_iter().fold(0, |end, part| end.max(part.end));
        self.text.start..end
    }

    /// Where the last of all parts ends.
    #[must_use]
    pub fn end(&self) -> usize {
        [&self.jump_table, &self.ro_image, &self.rw_image]
            .into_iter()
            .fold(self.in_place().end, |end, part| end.max(part.end))
    }
}

/// A compiled program as it lies in memory that the process runs it from, where nobody wants an object: headers and symbols are
/// missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// What the code was made from.
    pub note: Note,
    /// Where in the memory it is.
    pub places: Places,
}
