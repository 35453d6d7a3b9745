//! What services cost a node: public traces, imported by the small node of `tests/`.
//!
//! The state after every block is checked on every way of running before anything is timed, and every timed run must
//! make the same number of invocations with the same gas. All ways take turns in every round, so that what else the
//! machine does falls on all of them alike.
//!
//! * [`trace`] has the blocks, decoded: reading files and checking states is not timed.
//! * [`import`] imports them and adds up what the invocations took.
//! * [`ways`] has the ways of running that are compared: cold, warm, loaded, with best code, on two threads, interpreted.
//! * [`split`] divides the time of an invocation with best code into set-up, guest code, and host functions.

mod import;
mod split;
mod trace;
mod ways;

use std::path::Path;

use anyhow::ensure;
use tvm_abi::Tier;
use tvm_tests::engines;
use tvm_tests::node::suites::{NodeEngine, traces};

use crate::table::Table;
use split::Split;
use trace::Trace;
use ways::{Engines, Way, WayTimes};

/// The traces that are measured, of `traces-delta`.
const TRACES: [&str; 4] = ["storage", "storage_light", "preimages", "fuzzy_light"];

/// Measures all traces.
pub fn measure(vectors: &Path, rounds: usize) -> anyhow::Result<Vec<Table>> {
    let mut tables = [ways::table(), split::table(), split::set_up_table()];
    for name in TRACES {
        let path = vectors.join("traces-delta").join(name);
        check(&path)?;
        let trace = Trace::read(name, &path)?;
        let engines = Engines::new()?;
        let work = engines.run(&trace, Way::Loaded)?.work;
        engines.run(&trace, Way::LoadedBest)?.work.ensure(work)?;
        let mut times = Way::ALL.map(WayTimes::new);
        let mut split = Split::new();
        for _ in 0..rounds {
            for times in &mut times {
                times.add(engines.run(&trace, times.way)?, work)?;
            }
            split.measure(&trace, &engines.best, work)?;
        }
        tables[0].rows.extend(times.iter().map(|times| times.row(name, work)));
        tables[1].rows.push(split.row(name, work));
        tables[2].rows.push(split.set_up_row(name));
    }
    Ok(tables.into())
}

/// Checks the state after every block.
fn check(path: &Path) -> anyhow::Result<()> {
    let cache = tempfile::tempdir()?;
    let compiled = |tier, threads| NodeEngine::new(engines::Way::Compiled(tier), Some(cache.path()), threads);
    let interpreted = NodeEngine::new(engines::Way::Interpreted, None, 1)?;
    let engines = [compiled(Tier::Fast, 1)?, compiled(Tier::Best, 1)?, compiled(Tier::Fast, 2)?, interpreted];
    let report = traces(path, &engines)?;
    ensure!(report.failed == 0, "nothing was timed, because results are wrong:\n{report}");
    Ok(())
}
