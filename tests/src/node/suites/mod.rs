//! The conformance suites that need a node.

mod accumulate;
mod accumulate_case;
mod compare;
mod ecalli;
mod log;
mod preimages;
mod refine;
mod traces;

use std::path::{Path, PathBuf};

pub use accumulate::accumulate;
use anyhow::ensure;
pub use ecalli::ecalli;
pub use preimages::preimages;
pub use refine::refine;
pub use traces::traces;
use tvm_runtime::Engine;

use crate::conformance::{Differences, Failure, Report};
use crate::engines::Way;
use crate::node::accumulate::Tvm;
use crate::node::traces::sorted_entries;

/// A set of vectors that needs a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum NodeSuite {
    /// Accumulation of given reports: `stf/accumulate`.
    Accumulate,
    /// The preimages extrinsic: `stf/preimages`.
    Preimages,
    /// Whole blocks: `traces-delta`, `traces`.
    Traces,
    /// Recorded host calls: `ecalli`.
    Ecalli,
    /// Refinement of work items: `refine`.
    Refine,
}

impl NodeSuite {
    /// Runs the suite's vectors in `directory` on every engine. `blobs` has the programs that refinement names, if they
    /// are not in the directory of that name beside `directory`.
    ///
    /// # Errors
    /// When there is no vector, or one cannot be read.
    pub fn run(self, directory: &Path, blobs: Option<&Path>, engines: &[NodeEngine]) -> anyhow::Result<Report> {
        match self {
            Self::Accumulate => accumulate(directory, engines),
            Self::Preimages => preimages(directory),
            Self::Traces => traces(directory, engines),
            Self::Ecalli => ecalli(directory, engines),
            Self::Refine => refine(directory, blobs, engines),
        }
    }
}

/// One of the ways that services are run.
#[derive(Clone, Debug)]
pub struct NodeEngine {
    /// The engine's name, as the command line takes it.
    pub name: &'static str,
    /// How it executes programs.
    pub way: Way,
    /// Runs services.
    pub tvm: Tvm,
    /// Threads for services that run in the same round.
    pub threads: usize,
}

impl NodeEngine {
    /// An engine with its objects in the cache directory `cache`, if there is one.
    ///
    /// # Errors
    /// When the cache cannot be used.
    pub fn new(way: Way, cache: Option<&Path>, threads: usize) -> anyhow::Result<Self> {
        Ok(Self { name: way.name(), way, tvm: Tvm { engine: Engine::new(way.config(cache))? }, threads })
    }
}

/// Runs a case on all engines and adds what comes of it to the report.
fn run_case(
    report: &mut Report,
    name: &str,
    engines: &[NodeEngine],
    run: impl Fn(&NodeEngine) -> anyhow::Result<Differences>,
) {
    let failures = engines.iter().filter_map(|engine| {
        let differences = run(engine).unwrap_or_else(|error| Differences::error(&error));
        let failure = Failure { case: name.to_owned(), engine: engine.name, differences };
        (!failure.differences.is_empty()).then_some(failure)
    });
    report.add(failures.collect());
}

/// The files of vectors in a directory or its subdirectories, ascending; a single file stands for itself.
fn vector_files(path: &Path, endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect_files(path, endings, &mut files)?;
    ensure!(!files.is_empty(), "no file in {} ends in {}", path.display(), endings.join(" or "));
    Ok(files)
}

fn collect_files(path: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        return sorted_entries(path)?.iter().try_for_each(|entry| collect_files(entry, endings, files));
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    if ending.is_some_and(|ending| endings.contains(&ending)) {
        files.push(path.to_owned());
    }
    Ok(())
}
