//! The jump table the other way round: which entries lead to a position.

use core::fmt;
use core::ops::RangeInclusive;

use crate::program::Program;
use crate::units::Pc;

/// The entries of a jump table, by the instruction they lead to.
#[derive(Clone, Debug)]
pub struct JumpTableIndex {
    /// For each position of the code where its entries start in `entries`; one more tells where the last ones end.
    starts: Vec<usize>,
    /// Entry numbers in the order of their targets, those with the same target ascending.
    entries: Vec<u64>,
    /// Entries that lead to no marked position, ascending.
    astray: Vec<u64>,
    /// Where all entries lead to if they have no bytes, and so are 0: there may be up to 2^64 − 1 of them.
    empty: Empty,
}

/// How many entries without bytes lead to position 0 or, if that is not marked, astray.
#[derive(Clone, Copy, Debug, Default)]
struct Empty {
    to_start: u64,
    astray: u64,
}

/// Numbers of jump table entries, ascending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entries<'a> {
    /// These.
    Listed(&'a [u64]),
    /// The first so many.
    First(u64),
}

impl JumpTableIndex {
    /// Sorts the entries by counting them, in time linear in table and code.
    pub(super) fn new(program: &Program<'_>) -> Self {
        let table = program.jump_table();
        if table.entry_size() == 0 {
            let empty = match program.is_marked(0) {
                true => Empty { to_start: table.len(), astray: 0 },
                false => Empty { to_start: 0, astray: table.len() },
            };
            return Self { starts: Vec::new(), entries: Vec::new(), astray: Vec::new(), empty };
        }
        let target = |entry| table.get(entry).filter(|&target| program.is_marked(target)).map(|target| target as usize);
        let code_len = program.code().len();
        let (mut starts, mut astray) = (vec![0; code_len + 1], Vec::new());
        for entry in 0..table.len() {
            match target(entry) {
                Some(target) => starts[target + 1] += 1,
                None => astray.push(entry),
            }
        }
        for position in 0..code_len {
            starts[position + 1] += starts[position];
        }
        let mut entries = vec![0; starts[code_len]];
        let mut free = starts.clone();
        for (entry, target) in (0..table.len()).filter_map(|entry| Some((entry, target(entry)?))) {
            entries[free[target]] = entry;
            free[target] += 1;
        }
        Self { starts, entries, astray, empty: Empty::default() }
    }

    /// The entries that lead to the marked position `pc`; none if it is not marked.
    #[must_use]
    pub fn entries_to(&self, pc: Pc) -> Entries<'_> {
        let position = pc.0 as usize;
        match (self.starts.get(position), self.starts.get(position.saturating_add(1))) {
            (Some(&start), Some(&end)) => Entries::Listed(&self.entries[start..end]),
            _ if position == 0 => Entries::First(self.empty.to_start),
            _ => Entries::Listed(&[]),
        }
    }

    /// The entries that lead to no marked position.
    #[must_use]
    pub fn astray(&self) -> Entries<'_> {
        if self.astray.is_empty() { Entries::First(self.empty.astray) } else { Entries::Listed(&self.astray) }
    }
}

impl Entries<'_> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Listed([]) | Self::First(0))
    }

    /// The numbers, as few ranges as possible.
    pub fn ranges(self) -> impl Iterator<Item = RangeInclusive<u64>> {
        let (listed, first) = match self {
            Self::Listed(listed) => (listed, None),
            Self::First(count) => (&[][..], count.checked_sub(1).map(|last| 0..=last)),
        };
        let runs = listed.chunk_by(|before, after| after - before == 1);
        first.into_iter().chain(runs.filter_map(|run| Some(*run.first()?..=*run.last()?)))
    }
}

impl fmt::Display for Entries<'_> {
    /// Numbers and ranges, as in `0, 3..5`; the last number of a range is part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.ranges().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            match range.into_inner() {
                (first, last) if first == last => write!(f, "{separator}{first}")?,
                (first, last) => write!(f, "{separator}{first}..{last}")?,
            }
        }
        Ok(())
    }
}
