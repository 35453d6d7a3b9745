//! A small set of page ranges.

/// Ranges that are kept apart; with one more, all are joined into the range that spans them.
const MAX_RANGES: usize = 16;

/// A superset of the pages that were put in: cheap to keep, for work that may be done on too many pages.
#[derive(Clone, Default, Debug)]
pub(crate) struct PageRanges {
    /// First page and end of each range, none touching another.
    ranges: Vec<(u32, u32)>,
}

impl PageRanges {
    /// Puts in `count` pages from `first` on.
    pub(crate) fn insert(&mut self, first: u32, count: u32) {
        if count == 0 {
            return;
        }
        let (mut start, mut end) = (first, first.saturating_add(count));
        self.ranges.retain(|&(other_start, other_end)| {
            let apart = other_end < start || end < other_start;
            if !apart {
                (start, end) = (start.min(other_start), end.max(other_end));
            }
            apart
        });
        self.ranges.push((start, end));
        if self.ranges.len() > MAX_RANGES {
            let start = self.ranges.iter().map(|range| range.0).min().unwrap_or(0);
            let end = self.ranges.iter().map(|range| range.1).max().unwrap_or(0);
            self.ranges = vec![(start, end)];
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether one of `count` pages from `first` on may have been put in.
    pub(crate) fn meet(&self, first: u32, count: u32) -> bool {
        self.ranges.iter().any(|&(start, end)| start < first.saturating_add(count) && first < end)
    }

    /// The ranges as first page and number of pages, in no particular order. None is left.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (u32, u32)> + use<'_> {
        self.ranges.drain(..).map(|(start, end)| (start, end - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_become_one() {
        let mut set = PageRanges::default();
        set.insert(10, 2);
        set.insert(14, 2);
        set.insert(20, 1);
        set.insert(12, 2);
        set.insert(5, 0);
        assert!(set.meet(15, 1) && set.meet(0, 11) && set.meet(20, u32::MAX));
        assert!(!set.meet(16, 4) && !set.meet(0, 10) && !set.meet(21, 9));
        assert!(!set.is_empty());
        assert_eq!(set.take().collect::<Vec<_>>(), [(20, 1), (10, 6)]);
        assert!(set.is_empty());
        assert_eq!(set.take().count(), 0);
    }

    #[test]
    fn one_range_too_many_joins_all() {
        let mut set = PageRanges::default();
        (0..MAX_RANGES as u32).for_each(|i| set.insert(i * 10, 1));
        assert_eq!(set.clone().take().count(), MAX_RANGES);
        set.insert(1000, 2);
        assert_eq!(set.take().collect::<Vec<_>>(), [(0, 1002)]);
    }
}
