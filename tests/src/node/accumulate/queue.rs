//! Which reports accumulate, and which wait for others (GP 12.1).

use std::collections::{BTreeSet, VecDeque};

use tvm_runtime::jam::types::{Hash, TimeSlot};

use crate::node::model::{ReadyRecord, WorkReport};

/// The reports of a block in the order they would accumulate, and those that must wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ordered {
    /// Reports with nothing left to wait for (GP: W*).
    pub accumulatable: Vec<WorkReport>,
    /// New reports with dependencies that were not met before this block (GP: W^Q).
    pub waiting: Vec<ReadyRecord>,
}

/// The queues in the state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queues {
    /// Reports that wait, by slot of the epoch in which they became available (GP: ω).
    pub ready: Vec<Vec<ReadyRecord>>,
    /// Packages accumulated in the last E blocks, oldest first (GP: ξ).
    pub accumulated: Vec<Vec<Hash>>,
}

impl Queues {
    /// Orders the newly available reports and those that waited (GP: W^!, W^Q, W*).
    #[must_use]
    pub fn order(&self, available: &[WorkReport], slot: TimeSlot) -> Ordered {
        let (immediate, dependent): (Vec<_>, Vec<_>) =
            available.iter().cloned().partition(|report| dependencies(report).is_empty());
        let history: BTreeSet<Hash> = self.accumulated.iter().flatten().copied().collect();
        let dependent = dependent
            .into_iter()
            .map(|report| ReadyRecord { dependencies: dependencies(&report).into_iter().collect(), report });
        let waiting = edit(dependent, &history);

        let (before, from_now) = self.ready.split_at(self.position(slot));
        let queued = from_now.iter().chain(before).flatten().chain(&waiting).cloned();
        let queued = edit(queued, &packages(&immediate));
        let mut accumulatable = immediate;
        accumulatable.extend(resolve(queued));
        Ordered { accumulatable, waiting }
    }

    /// The queues after a block at `slot`, the first since `previous`, that accumulated the packages `done`.
    #[must_use]
    pub fn advance(&self, ordered: Ordered, done: &[WorkReport], slot: TimeSlot, previous: TimeSlot) -> Self {
        let done = packages(done);
        let mut accumulated: VecDeque<Vec<Hash>> = self.accumulated.clone().into();
        accumulated.pop_front();
        accumulated.push_back(done.iter().copied().collect());

        let epoch = self.ready.len();
        let passed = slot.0.saturating_sub(previous.0) as usize;
        let mut ready = vec![Vec::new(); epoch];
        ready[self.position(slot)] = edit(ordered.waiting, &done);
        for age in passed.max(1)..epoch {
            let at = (self.position(slot) + epoch - age) % epoch;
            ready[at] = edit(self.ready[at].iter().cloned(), &done);
        }
        Self { ready, accumulated: accumulated.into() }
    }

    fn position(&self, slot: TimeSlot) -> usize {
        slot.0 as usize % self.ready.len()
    }
}

/// The packages that must be accumulated before this report (GP: D).
fn dependencies(report: &WorkReport) -> BTreeSet<Hash> {
    let imported = report.segment_root_lookup.iter().map(|root| root.work_package_hash);
    report.context.prerequisites.iter().copied().chain(imported).collect()
}

/// Strikes out packages that were accumulated (GP: E).
fn edit(records: impl IntoIterator<Item = ReadyRecord>, done: &BTreeSet<Hash>) -> Vec<ReadyRecord> {
    let remaining = records.into_iter().filter(|record| !done.contains(&record.report.package()));
    let strike = |mut record: ReadyRecord| {
        record.dependencies.retain(|package| !done.contains(package));
        record
    };
    remaining.map(strike).collect()
}

/// The reports that can accumulate when those before them do, in order (GP: Q).
fn resolve(mut records: Vec<ReadyRecord>) -> Vec<WorkReport> {
    let mut order = Vec::new();
    loop {
        let free = records.iter().filter(|record| record.dependencies.is_empty());
        let free: Vec<WorkReport> = free.map(|record| record.report.clone()).collect();
        if free.is_empty() {
            return order;
        }
        records = edit(records, &packages(&free));
        order.extend(free);
    }
}

/// Hashes of the reports' packages (GP: P).
fn packages(reports: &[WorkReport]) -> BTreeSet<Hash> {
    reports.iter().map(WorkReport::package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::testing::{hash, importing, report};

    fn empty() -> Queues {
        Queues { ready: vec![Vec::new(); 12], accumulated: vec![Vec::new(); 12] }
    }

    fn order(queues: &Queues, available: &[WorkReport], slot: u32) -> Vec<u8> {
        let ordered = queues.order(available, TimeSlot(slot));
        ordered.accumulatable.iter().map(|report| report.package().0[0]).collect()
    }

    fn waiting(queues: &Queues) -> Vec<(usize, u8, Vec<u8>)> {
        let slots = queues.ready.iter().enumerate();
        let record = |at: usize, record: &ReadyRecord| {
            (at, record.report.package().0[0], record.dependencies.iter().map(|hash| hash.0[0]).collect())
        };
        slots.flat_map(|(at, records)| records.iter().map(move |entry| record(at, entry))).collect()
    }

    #[test]
    fn reports_wait_for_prerequisites_and_imports() {
        let available = [report(3, &[2], &[]), importing(report(2, &[], &[]), 1), report(1, &[], &[])];
        assert_eq!(order(&empty(), &available, 5), [1, 2, 3]);
        assert_eq!(order(&empty(), &available[..2], 5), [0; 0]);

        let after = empty().advance(empty().order(&available[..2], TimeSlot(5)), &[], TimeSlot(5), TimeSlot(4));
        assert_eq!(waiting(&after), [(5, 3, vec![2]), (5, 2, vec![1])]);
    }

    #[test]
    fn what_was_accumulated_lately_is_no_dependency_any_more() {
        let mut queues = empty();
        queues.accumulated[0] = vec![hash(9)];
        assert_eq!(order(&queues, &[report(1, &[9], &[])], 5), [1]);
        // Nor is the same package accumulated again from the queue.
        let again = queues.order(&[report(9, &[8], &[])], TimeSlot(5));
        assert_eq!(again, Ordered { accumulatable: vec![], waiting: vec![] });
    }

    #[test]
    fn older_reports_come_first_around_the_end_of_the_epoch() {
        let mut queues = empty();
        for (at, package) in [(4, 14), (5, 15), (11, 11), (0, 10)] {
            queues.ready[at] = vec![ReadyRecord { report: report(package, &[1], &[]), dependencies: vec![hash(1)] }];
        }
        assert_eq!(order(&queues, &[report(1, &[], &[])], 17), [1, 15, 11, 10, 14]);
    }

    #[test]
    fn skipped_slots_lose_their_reports() {
        let mut queues = empty();
        for at in 0..12 {
            let report = report(at as u8, &[77], &[]);
            queues.ready[at] = vec![ReadyRecord { report, dependencies: vec![hash(77)] }];
        }
        let ordered = queues.order(&[], TimeSlot(15));
        let after = queues.advance(ordered, &[], TimeSlot(15), TimeSlot(12));
        let left: Vec<usize> = waiting(&after).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(left, [0, 4, 5, 6, 7, 8, 9, 10, 11], "slots 1 to 3 began anew");

        let ordered = queues.order(&[], TimeSlot(40));
        assert_eq!(waiting(&queues.advance(ordered, &[], TimeSlot(40), TimeSlot(12))), []);
    }

    #[test]
    fn history_shifts_by_one_block() {
        let mut queues = empty();
        queues.accumulated[0] = vec![hash(1)];
        queues.accumulated[1] = vec![hash(2)];
        let done = [report(9, &[], &[]), report(7, &[], &[])];
        let after = queues.advance(queues.order(&done, TimeSlot(3)), &done, TimeSlot(3), TimeSlot(2));
        assert_eq!(after.accumulated[0], [hash(2)]);
        assert_eq!(after.accumulated[11], [hash(7), hash(9)], "a set, ascending");
    }

    #[test]
    fn reports_that_wait_for_each_other_never_come() {
        let available = [report(1, &[2], &[]), report(2, &[1], &[]), report(3, &[3], &[])];
        assert_eq!(order(&empty(), &available, 5), [0; 0]);
    }
}
