//! What TVM is meant to reach beside other engines, and whether it does.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::stats::duration;
use crate::table::Table;

/// What goals are set for. A measurement that a goal speaks of is kept under its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    RunPolkavmProcess,
    /// The largest ratio of any guest.
    RunPolkavmProcessWorst,
    RunPolkavmInProcess,
    RunPolkavmGasOff,
    RunNative,
    RunWasmtime,
    CompileNaive,
    CompileFull,
    WarmLoadPolkavm,
    /// In nanoseconds.
    WarmLoad,
    WarmLoadWasmtime,
    /// In nanoseconds.
    LoadAgain,
    Instantiate,
    FirstCall,
    EmptyCall,
    HostCall,
}

/// Measured values: ratios, or nanoseconds where the figure says so.
pub type Figures = BTreeMap<Figure, f64>;

/// What a figure may be at most.
struct Goal {
    figure: Figure,
    what: &'static str,
    against: &'static str,
    at_most: f64,
}

const GOALS: [Goal; 16] = [
    goal(Figure::RunPolkavmProcess, "run, best", "polkavm, process sandbox, synchronous gas", 0.80),
    goal(
        Figure::RunPolkavmProcessWorst,
        "run, best, on any one guest",
        "polkavm, process sandbox, synchronous gas",
        1.0,
    ),
    goal(Figure::RunPolkavmInProcess, "run, best", "polkavm, in-process sandbox, synchronous gas", 0.65),
    goal(Figure::RunPolkavmGasOff, "run, best", "polkavm, process sandbox, gas off", 1.05),
    goal(Figure::RunNative, "run, best", "native x86-64 -O2 without vectorisation", 1.10),
    goal(Figure::RunWasmtime, "run, best", "wasmtime Cranelift with fuel", 0.70),
    goal(Figure::CompileNaive, "cold compile, fast, per byte", "polkavm's recompiler, one gas per instruction", 1.0),
    goal(Figure::CompileFull, "cold compile, fast, per byte", "polkavm's recompiler, full 0.8.0 gas model", 1.0),
    goal(
        Figure::WarmLoadPolkavm,
        "warm load from disk, 1 MB program",
        "polkavm compiling it, full gas model",
        1.0 / 200.0,
    ),
    goal(Figure::WarmLoad, "warm load from disk, 1 MB program", "–", 50_000.0),
    goal(Figure::WarmLoadWasmtime, "warm load from disk, worst size", "wasmtime `deserialize_file`, warm", 1.0),
    goal(Figure::LoadAgain, "load within the process", "–", 200.0),
    goal(Figure::Instantiate, "instantiate (pooled)", "wasmtime, pooling", 1.0),
    goal(Figure::FirstCall, "first call", "wasmtime, pooling", 1.0),
    goal(Figure::EmptyCall, "empty call", "wasmtime", 1.5),
    goal(Figure::HostCall, "host call, there and back", "wasmtime", 3.0),
];

const fn goal(figure: Figure, what: &'static str, against: &'static str, at_most: f64) -> Goal {
    Goal { figure, what, against, at_most }
}

impl Figure {
    /// The value for people.
    fn show(self, value: f64) -> String {
        match self {
            Self::WarmLoad | Self::LoadAgain => duration(value),
            _ if value < 0.1 => format!("1/{:.0}", 1.0 / value),
            _ => format!("{value:.2}×"),
        }
    }

    /// What it may be at most, for people.
    pub fn goal(self) -> Option<String> {
        GOALS.iter().find(|goal| goal.figure == self).map(|goal| self.show(goal.at_most))
    }
}

/// All goals of which something was measured.
pub fn table(figures: &Figures) -> Table {
    let mut table = Table::new("Goals", &["what", "against", "at most", "measured", "reached"]);
    for Goal { figure, what, against, at_most } in GOALS {
        let Some(&value) = figures.get(&figure) else { continue };
        let reached = if value <= at_most { "yes" } else { "**no**" };
        let cells = [what, against, &figure.show(at_most), &figure.show(value), reached];
        table.rows.push(cells.map(str::to_owned).into());
    }
    table
}
