//! Runs public test vectors on TVM and names what fails.
//!
//! Exit codes: 0 all passed, 1 some failed, 2 nothing was run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::ensure;
use clap::builder::PossibleValue;
use clap::{Parser, ValueEnum};
use tvm_abi::Tier;
use tvm_isa::GpVersion;
use tvm_tests::conformance::{self, Options, Report, Suite};
use tvm_tests::engines::Way;
use tvm_tests::machine::{CompiledEngine, Engine, InterpreterEngine};
use tvm_tests::node::suites::{NodeEngine, NodeSuite};

const FAILED: u8 = 1;
const NOT_RUN: u8 = 2;

/// Run public test vectors and name what fails.
#[derive(Parser, Debug)]
#[command(name = "tvm-conformance", version)]
struct Arguments {
    /// Format of the vectors
    suite: AnySuite,
    /// Directory that holds them
    dir: PathBuf,
    /// What executes the programs
    #[arg(long, default_value = "both")]
    engine: EngineChoice,
    /// Compile on this tier only: fast or best
    #[arg(long, value_name = "TIER")]
    tier: Option<Tier>,
    /// Directory of the programs that cases name, if not where the suite looks for them
    #[arg(long, value_name = "DIR")]
    blobs: Option<PathBuf>,
    /// Gray Paper version; without it the one the suite was made for
    #[arg(long, value_name = "VERSION")]
    gp: Option<GpVersion>,
    /// Threads for services of a block that run at the same time
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Cache directory for compiled services
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// All suites there are.
#[derive(Clone, Copy, Debug)]
enum AnySuite {
    /// Of bare machines.
    Machine(Suite),
    /// Of a node.
    Node(NodeSuite),
}

impl ValueEnum for AnySuite {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<AnySuite>> = LazyLock::new(|| {
            let machines = Suite::value_variants().iter().copied().map(AnySuite::Machine);
            machines.chain(NodeSuite::value_variants().iter().copied().map(AnySuite::Node)).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Machine(suite) => suite.to_possible_value(),
            Self::Node(suite) => suite.to_possible_value(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum EngineChoice {
    /// On every tier
    Compiled,
    Interpreter,
    Both,
}

/// The ways of executing programs that the options select.
fn ways(engine: EngineChoice, tier: Option<Tier>) -> Vec<Way> {
    let is_selected = |way: &Way| match way {
        Way::Interpreted => engine != EngineChoice::Compiled,
        Way::Compiled(of) => engine != EngineChoice::Interpreter && tier.is_none_or(|tier| tier == *of),
    };
    Way::ALL.into_iter().filter(is_selected).collect()
}

fn machine(way: Way) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match way {
        Way::Interpreted => Box::new(InterpreterEngine),
        Way::Compiled(tier) => Box::new(CompiledEngine::new(tier, false)?),
    })
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(report) => {
            print!("{report}");
            if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(NOT_RUN)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Report> {
    let Arguments { suite, dir, engine, tier, blobs, gp, threads, cache } = arguments;
    ensure!(tier.is_none() || engine != EngineChoice::Interpreter, "`--tier` is for compiled code");
    let ways = ways(engine, tier).into_iter();
    match suite {
        AnySuite::Machine(suite) => {
            let of_nodes = threads.is_some() || cache.is_some();
            ensure!(!of_nodes, "`--threads` and `--cache` are for suites that run services, `{suite}` is none");
            let engines: Vec<_> = ways.map(machine).collect::<anyhow::Result<_>>()?;
            let version = gp.unwrap_or(suite.version());
            let cases = conformance::load(suite, &dir, &Options { version, blobs })?;
            Ok(conformance::run(&cases, &engines))
        }
        AnySuite::Node(suite) => {
            ensure!(gp.is_none(), "these vectors say themselves which version they are of: leave `--gp` out");
            let node = |way| NodeEngine::new(way, cache.as_deref(), threads.unwrap_or(1));
            let engines: Vec<NodeEngine> = ways.map(node).collect::<anyhow::Result<_>>()?;
            suite.run(&dir, blobs.as_deref(), &engines)
        }
    }
}
