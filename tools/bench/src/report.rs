//! All that was measured, for people and for programs.

use std::fmt;

use anyhow::Context as _;
use serde::Serialize;
use tvm_abi::CpuFeatures;

use crate::goals::{self, Figures};
use crate::run::Results;
use crate::table::Table;

/// What one run of the benchmark came to.
#[derive(Serialize)]
pub struct Report {
    pub machine: Machine,
    /// What goals speak of, by their names.
    pub figures: Figures,
    pub tables: Vec<Table>,
    /// All running times.
    pub run: Option<Results>,
}

/// Where it was measured.
#[derive(Serialize)]
pub struct Machine {
    processor: String,
    /// What compiled code may use of it.
    features: String,
    cores: usize,
    system: String,
    /// What compiled the guests for the machine itself, if anything did.
    pub native_compiler: Option<String>,
}

impl Report {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { machine: Machine::this()?, figures: Figures::new(), tables: Vec::new(), run: None })
    }

    /// Adds measurements.
    pub fn add(&mut self, tables: impl IntoIterator<Item = Table>, figures: Figures) {
        self.tables.extend(tables);
        self.figures.extend(figures);
    }
}

impl Machine {
    fn this() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
        let field = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's version")?;
        Ok(Self {
            processor: field.map_or("unknown", |(_, name)| name).to_owned(),
            features: CpuFeatures::host().names().collect::<Vec<_>>().join(", "),
            cores: std::thread::available_parallelism()?.get(),
            system: format!("Linux {}", release.trim()),
            native_compiler: None,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, features, cores, system, native_compiler } = self;
        write!(f, "{processor} ({features}), {cores} cores, {system}")?;
        match native_compiler {
            Some(compiler) => write!(f, "; native guests by {compiler}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.machine)?;
        if !self.figures.is_empty() {
            writeln!(f, "{}", goals::table(&self.figures))?;
        }
        self.tables.iter().try_for_each(|table| writeln!(f, "{table}"))
    }
}
