//! Running time of the guests, TVM's beside that of other engines.
//!
//! Times are the processor's for the thread or process that runs the guest, so that others on the machine do not count.
//! Every engine first has to put out what is expected, and those that count the Gray Paper's gas must agree on it. Then
//! they take turns, starting with another one in each round, and times are compared within a round: what else the
//! machine does lasts longer than that, and falls on all of them alike.

mod tables;
mod tvm;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tvm_abi::Tier;
use tvm_isa::GpVersion;

use crate::goals::Figure;
use crate::guests::{self, Guest};
use crate::runner::{self, Contender, Entry, Runner};
use crate::stats::Samples;

pub use tvm::Tvm;

/// Guests that are too short to say anything about running: they measure calling.
const NOT_TIMED: [&str; 1] = ["sum"];

/// All engines' times.
#[derive(Serialize)]
pub struct Results {
    /// The engines; the first is the one that the others are compared with.
    pub engines: Vec<Column>,
    pub guests: Vec<Row>,
}

/// An engine that took part.
#[derive(Serialize)]
pub struct Column {
    pub name: String,
    pub goal: Option<Figure>,
    /// Whether it is one of TVM's.
    pub own: bool,
}

/// What one guest took.
#[derive(Serialize)]
pub struct Row {
    pub guest: String,
    /// Gas used, by the version of the Gray Paper.
    pub gas: BTreeMap<&'static str, u64>,
    /// Times by engine.
    pub times: Vec<Samples>,
}

/// TVM's ways of running guests, the one that counts first.
fn own(versions: &[GpVersion]) -> anyhow::Result<Vec<Entry>> {
    let mut all: Vec<Entry> = Vec::new();
    for &version in versions {
        for tier in [Tier::Best, Tier::Fast] {
            all.push(Entry { contender: Box::new(Tvm::compiled(version, tier)?), goal: None });
        }
    }
    for &version in versions {
        all.push(Entry { contender: Box::new(Tvm::interpreter(version)?), goal: None });
    }
    Ok(all)
}

/// Measures the guests' benchmark cases on TVM, for each version, and on `peers`: all guests, or `only` some. The first
/// version is the one that the peers run.
pub fn measure(
    folder: &Path,
    rounds: usize,
    versions: &[GpVersion],
    only: &[String],
    peers: Vec<Entry>,
) -> anyhow::Result<Results> {
    let own = own(versions)?;
    let own_count = own.len();
    let entries: Vec<Entry> = own.into_iter().chain(peers).collect();
    let column = |(index, Entry { contender, goal }): (usize, &Entry)| Column {
        name: contender.name().to_owned(),
        goal: *goal,
        own: index < own_count,
    };
    let engines = entries.iter().enumerate().map(column).collect();
    let mut builds: BTreeMap<GpVersion, Vec<Guest>> = BTreeMap::new();
    for version in entries.iter().map(|entry| entry.contender.version()) {
        builds.insert(version, guests::read(folder, version, "bench")?);
    }
    let mut rows = Vec::new();
    let wanted = |name: &str| match only {
        [] => !NOT_TIMED.contains(&name),
        names => names.iter().any(|it| it == name),
    };
    for name in builds[&versions[0]].iter().map(|guest| &guest.name).filter(|name| wanted(name)) {
        eprintln!("running {name}");
        rows.push(measure_guest(name, &builds, &entries, rounds)?);
    }
    ensure!(!rows.is_empty(), "no guest is called {}", only.join(", "));
    Ok(Results { engines, guests: rows })
}

fn measure_guest(
    name: &str,
    builds: &BTreeMap<GpVersion, Vec<Guest>>,
    entries: &[Entry],
    rounds: usize,
) -> anyhow::Result<Row> {
    let mut runners = Vec::new();
    let mut gas: BTreeMap<GpVersion, (u64, &str)> = BTreeMap::new();
    let mut times = vec![Samples::default(); entries.len()];
    for (Entry { contender, .. }, times) in entries.iter().zip(&mut times) {
        let build = builds[&contender.version()].iter().find(|guest| guest.name == name);
        let build = build.with_context(|| format!("{name} is not built for {}", contender.version()))?;
        let (runner, took) = runner::set_up(contender.as_ref(), build)?;
        if contender.interprets() {
            times.push(took);
        }
        if let Some(used) = runner.gas() {
            let (expected, by) = *gas.entry(contender.version()).or_insert((used, contender.name()));
            ensure!(
                used == expected,
                "{name}: {by} used {expected} gas, {} used {used}: nothing was timed",
                contender.name()
            );
        }
        runners.push((runner, build));
    }
    for round in 0..rounds {
        for turn in 0..entries.len() {
            let index = (round + turn) % entries.len();
            let contender = entries[index].contender.as_ref();
            if !contender.interprets() {
                let (runner, _) = &mut runners[index];
                times[index].push(timed(runner.as_mut(), contender, gas.get(&contender.version()))?);
            }
        }
    }
    for ((runner, build), Entry { contender, .. }) in runners.iter_mut().zip(entries) {
        runner::check(runner.as_mut(), build, contender.name())?;
    }
    let gas = gas.into_iter().map(|(version, (used, _))| (version.name(), used)).collect();
    Ok(Row { guest: name.to_owned(), gas, times })
}

/// The second of two runs, which must use the gas it should. The first one finds the caches as another engine left them.
fn timed(
    runner: &mut dyn Runner,
    contender: &dyn Contender,
    expected: Option<&(u64, &str)>,
) -> anyhow::Result<std::time::Duration> {
    runner.run()?;
    let took = runner.run()?;
    if let (Some(used), Some(&(expected, _))) = (runner.gas(), expected) {
        ensure!(used == expected, "{}: expected {expected} gas, found {used}", contender.name());
    }
    Ok(took)
}
