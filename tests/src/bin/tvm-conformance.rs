//! Runs public test vectors on TVM and names what fails.
//!
//! Exit codes: 0 all passed, 1 some failed, 2 nothing was run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tvm_isa::GpVersion;
use tvm_tests::conformance::{self, Options, Report, Suite};
use tvm_tests::machine::{CompiledEngine, Engine, InterpreterEngine};

const FAILED: u8 = 1;
const NOT_RUN: u8 = 2;

/// Run public test vectors and name what fails.
#[derive(Parser, Debug)]
#[command(name = "tvm-conformance", version)]
struct Arguments {
    /// Format of the vectors
    suite: Suite,
    /// Directory that holds them
    dir: PathBuf,
    /// What executes the programs
    #[arg(long, default_value = "interpreter")]
    engine: EngineChoice,
    /// Directory of the programs that cases name, if not DIR
    #[arg(long, value_name = "DIR")]
    blobs: Option<PathBuf>,
    /// Gray Paper version; without it the one the suite was made for
    #[arg(long, value_name = "VERSION")]
    gp: Option<GpVersion>,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum EngineChoice {
    Compiled,
    Interpreter,
    Both,
}

impl EngineChoice {
    fn engines(self) -> anyhow::Result<Vec<Box<dyn Engine>>> {
        match self {
            Self::Interpreter => Ok(vec![Box::new(InterpreterEngine)]),
            Self::Compiled => Ok(vec![Box::new(CompiledEngine::new(false)?)]),
            Self::Both => Ok(vec![Box::new(InterpreterEngine), Box::new(CompiledEngine::new(false)?)]),
        }
    }
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

fn run(Arguments { suite, dir, engine, blobs, gp }: Arguments) -> anyhow::Result<Report> {
    let engines = engine.engines()?;
    let version = gp.unwrap_or(suite.version());
    let cases = conformance::load(suite, &dir, &Options { version, blobs })?;
    Ok(conformance::run(&cases, &engines))
}
