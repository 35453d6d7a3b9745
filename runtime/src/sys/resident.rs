//! Which pages of an image stay in memory between guests.
//!
//! A page that is dropped costs the next guest a page fault, and dropping it a system call that interrupts the other
//! processors on which the process runs. Writing a page anew takes a fiftieth of that. So the writable pages that guests
//! most likely touch are written, whether they did or not: all where there are few, otherwise those where the data begins
//! and where the stack does, at the end.

use super::Segment;
use crate::memory::Access;

/// Most writable pages that are all resident. Writing so many takes as long as one system call that drops nothing, about
/// 1.4 µs.
pub(crate) const MAX_RESIDENT_PAGES: u32 = 40;

/// Pages at either end of the writable ones that are resident where there are more.
pub(crate) const RESIDENT_EDGE_PAGES: u32 = 8;

/// The writable pages of an image, by how they are cleaned. None is in two lists.
#[derive(Default, Debug)]
pub(crate) struct Resident {
    /// First page and number of pages with contents, and where in the file these are.
    pub contents: Vec<(u32, u32, u64)>,
    /// First page and number of zeroed pages.
    pub zeroes: Vec<(u32, u32)>,
    /// First page and number of pages that are not resident.
    pub dropped: Vec<(u32, u32)>,
}

/// Chooses among the pages of segments, which are in order.
pub(super) fn resident(segments: &[Segment]) -> Resident {
    let writable = || segments.iter().filter(|segment| segment.access == Access::Write);
    let total: u64 = writable().map(|segment| u64::from(segment.count)).sum();
    // Pages to drop, counted through the writable ones.
    let drop = match u32::try_from(total) {
        Ok(total) if total > MAX_RESIDENT_PAGES => RESIDENT_EDGE_PAGES..total - RESIDENT_EDGE_PAGES,
        _ => 0..0,
    };
    let mut result = Resident::default();
    let mut before = 0;
    for &Segment { first, count, file_offset, .. } in writable() {
        let place = |page: u32| page.clamp(before, before + count) - before;
        let (start, end) = (place(drop.start), place(drop.end));
        for (from, to) in [(0, start), (end, count)].into_iter().filter(|(from, to)| from < to) {
            match file_offset {
                Some(offset) => {
                    result.contents.push((
                        first + from,
                        to - from,
                        offset + u64::from(from) * super::image::PAGE as u64,
                    ));
                }
                None => result.zeroes.push((first + from, to - from)),
            }
        }
        if start < end {
            result.dropped.push((first + start, end - start));
        }
        before += count;
    }
    result
}

impl Resident {
    /// The parts of a range of pages that are not resident, in order.
    pub(crate) fn outside(&self, first: u32, count: u32) -> impl Iterator<Item = (u32, u32)> + use<> {
        let mut parts = vec![(first, first.saturating_add(count))];
        for (start, end) in self.ranges() {
            parts = parts
                .into_iter()
                .flat_map(|(from, to)| [(from, to.min(start)), (from.max(end), to)])
                .filter(|(from, to)| from < to)
                .collect();
        }
        parts.into_iter().map(|(from, to)| (from, to - from))
    }

    /// Whether a resident page lies in `start..end`.
    pub(crate) fn meets(&self, start: u32, end: u32) -> bool {
        self.ranges().any(|(from, to)| from < end && start < to)
    }

    /// First page and end of each resident range.
    fn ranges(&self) -> impl Iterator<Item = (u32, u32)> {
        let contents = self.contents.iter().map(|&(first, count, _)| (first, count));
        contents.chain(self.zeroes.iter().copied()).map(|(first, count)| (first, first + count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first: u32, count: u32, file_offset: Option<u64>) -> Segment {
        Segment { first, count, access: Access::Write, file_offset }
    }

    #[test]
    fn few_pages_are_all_resident() {
        let read = Segment { access: Access::Read, ..segment(16, 1000, Some(0)) };
        let segments = [read, segment(2000, 3, Some(8192)), segment(2003, 20, None), segment(9000, 17, None)];
        let all = resident(&segments);
        assert_eq!((all.contents, all.zeroes), (vec![(2000, 3, 8192)], vec![(2003, 20), (9000, 17)]));
        assert_eq!(all.dropped, []);
    }

    #[test]
    fn of_more_the_edges_are() {
        let segments = [segment(2000, 3, Some(8192)), segment(2003, 20, None), segment(9000, 18, None)];
        let edges = resident(&segments);
        assert_eq!((&edges.contents, &edges.zeroes), (&vec![(2000, 3, 8192)], &vec![(2003, 5), (9010, 8)]));
        assert_eq!(edges.dropped, [(2008, 15), (9000, 10)]);
        assert!(edges.meets(2007, 2008) && !edges.meets(2008, 9010) && edges.meets(9009, 9011));
        // Contents too: an edge may end within them, or begin.
        let long = resident(&[segment(100, 20, Some(4096)), segment(200, 30, Some(1 << 20))]);
        assert_eq!(long.contents, [(100, 8, 4096), (222, 8, (1 << 20) + (22 << 12))]);
        assert_eq!(long.dropped, [(108, 12), (200, 22)]);
        assert_eq!(resident(&[segment(0, 1 << 20, None)]).dropped, [(8, (1 << 20) - 16)]);
    }

    #[test]
    fn what_is_outside() {
        let edges = resident(&[segment(100, 41, None)]);
        let outside = |first, count| edges.outside(first, count).collect::<Vec<_>>();
        assert_eq!(outside(90, 100), [(90, 10), (108, 25), (141, 49)]);
        assert_eq!(outside(100, 8), []);
        assert_eq!(outside(104, 5), [(108, 1)]);
        assert_eq!(outside(0, u32::MAX).len(), 3);
    }
}
