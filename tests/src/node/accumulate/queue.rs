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
