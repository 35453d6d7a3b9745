//! Public test vectors, run on every engine.
//!
//! A suite is a directory of files; [`load`] makes cases of them and [`run`] runs the cases.

mod expectation;
mod gas;
mod instructions;
mod report;
mod spi;
mod steps;
mod translation;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tvm_isa::GpVersion;

use crate::machine::Engine;
pub use report::{Differences, Failure, Report};

/// A set of vectors in one format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Suite {
    /// Single instructions and small programs: `pvm-programs`.
    Instructions,
    /// Programs stepped through maps, writes, runs and assertions: `gas-cost/programs`.
    Steps,
    /// Standard programs with arguments: `spi`.
    Spi,
    /// Costs of basic blocks: `gas-cost`.
    Gas,
}

impl Suite {
    /// The Gray Paper version that the suite was made for.
    #[must_use]
    pub fn version(self) -> GpVersion {
        match self {
            Self::Instructions | Self::Steps | Self::Spi => GpVersion::V0_7_2,
            Self::Gas => GpVersion::V0_8_0,
        }
    }
}

/// How a suite is to be read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Gray Paper version to run under.
    pub version: GpVersion,
    /// Where the programs are that cases name, if not next to the cases.
    pub blobs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { version: GpVersion::V0_7_2, blobs: None }
    }
}

/// Something to try on an engine.
pub trait Case {
    /// The case's name, unique in its suite.
    fn name(&self) -> &str;

    /// Runs it and tells what differs from what was expected.
    ///
    /// # Errors
    /// When TVM fails, which is a failure of the case.
    fn run(&self, engine: &dyn Engine) -> anyhow::Result<Differences>;
}

/// The cases of the suite in `directory`, in the order of their names.
///
/// # Errors
/// When there is no such directory or no case in it, when a file is not in the suite's format, or when the suite says
/// nothing about the version.
pub fn load(suite: Suite, directory: &Path, options: &Options) -> anyhow::Result<Vec<Box<dyn Case>>> {
    ensure!(directory.is_dir(), "there is no directory {}: name the one that holds the vectors", directory.display());
    let cases = match suite {
        Suite::Instructions => instructions::load(directory, options),
        Suite::Steps => steps::load(directory, options),
        Suite::Spi => spi::load(directory, options),
        Suite::Gas => gas::load(directory, options),
    }?;
    ensure!(!cases.is_empty(), "no case of the suite `{suite}` in {}", directory.display());
    Ok(cases)
}

/// Runs every case on every engine. A case passes when it passes on all of them.
#[must_use]
pub fn run(cases: &[Box<dyn Case>], engines: &[Box<dyn Engine>]) -> Report {
    let mut report = Report::default();
    for case in cases {
        let failures = engines.iter().filter_map(|engine| {
            let differences = case.run(engine.as_ref()).unwrap_or_else(|error| Differences::error(&error));
            let failure = Failure { case: case.name().to_owned(), engine: engine.name(), differences };
            (!failure.differences.is_empty()).then_some(failure)
        });
        report.add(failures.collect());
    }
    report
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instructions => "instructions",
            Self::Steps => "steps",
            Self::Spi => "spi",
            Self::Gas => "gas",
        })
    }
}

/// The `.json` files in `directory`, in the order of their names.
fn json_files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file in one of the vectors' formats.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not in the suite's format", path.display()))
}

/// Refuses versions other than 0.7.x, for suites whose expectations hold under its rules only.
fn expect_per_instruction_gas(suite: Suite, options: &Options) -> anyhow::Result<()> {
    if options.version > GpVersion::V0_7_2 {
        bail!("the suite `{suite}` expects the gas of GP 0.7.2, it cannot be run under GP {}", options.version);
    }
    Ok(())
}
