//! `tvm-bench`: what TVM costs, alone and beside other engines.
//!
//! Every measurement is checked first: results against the values that native builds of the guests gave, gas against
//! the interpreter. Times are medians with the spread between the 10th and 90th percentile, taken in alternation.
//! README.md says what is measured and how to repeat it.

#![deny(unsafe_code)]

mod clock;
mod counts;
mod goals;
mod guests;
mod node;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "peers")]
mod plot;
mod programs;
mod report;
mod run;
mod runner;
mod scale;
mod start;
mod stats;
mod table;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tvm_abi::Tier;
use tvm_isa::GpVersion;

use goals::Figures;
use report::Report;
use runner::Entry;
use start::warm::NewProcess;

/// Repetitions, unless others are asked for.
const ROUNDS: usize = 31;
const QUICK_ROUNDS: usize = 5;

/// The versions of the Gray Paper under which guests run; the peers take programs of the first.
const VERSIONS: [GpVersion; 2] = [GpVersion::V0_8_0, GpVersion::V0_7_2];

#[derive(Parser)]
#[command(about, version)]
struct Args {
    /// What to measure; without it, `run`, `start` and `scale`.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args)]
struct Options {
    /// Write everything as JSON, single times included.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables to a file, too.
    #[arg(long, global = true, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draw the running times beside those of other engines.
    #[cfg(feature = "peers")]
    #[arg(long, global = true, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Folder with the guests.
    #[arg(long, global = true, default_value = "guests")]
    guests: PathBuf,
    /// Directory of the test vectors; `start` compiles their programs, if it is there.
    #[arg(long, global = true, env = "TVM_VECTORS", default_value = "../shared/vectors")]
    vectors: PathBuf,
    /// Where the guests are built for other engines.
    #[cfg(feature = "peers")]
    #[arg(long, global = true, default_value = "target/bench-guests")]
    build: PathBuf,
    /// Repetitions of each measurement [default: 31, or 5 with --quick].
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// Few repetitions, and no large caches: to see that it works.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Running time of the guests.
    Run {
        /// Only these guests.
        names: Vec<String>,
    },
    /// The way to the first result: compile, load, instantiate, call.
    Start,
    /// What grows: compile time and memory with size, loads with the cache, threads, live instances.
    Scale,
    /// Services in a node: the public traces, cold, warm, loaded and interpreted, and where the time goes.
    Node,
    /// Executed instructions, counted by valgrind's callgrind, against those committed. Fails when there are clearly more.
    Counts {
        /// Commit what is counted now: writes counts.json.
        #[arg(long)]
        update: bool,
    },
    /// What `counts` counts.
    #[command(hide = true)]
    CountsWork,
    /// Warm loads in this process; used by `start`.
    #[command(hide = true)]
    WarmLoad {
        /// Which engine.
        engine: String,
        /// What it needs: paths, or hashes of programs.
        needs: Vec<OsString>,
    },
    /// Compile one program and print time and peak memory; used by `scale`.
    #[command(hide = true)]
    CompileOnce {
        /// Name of the program.
        program: String,
        /// Code bytes.
        bytes: usize,
        /// The compiler's tier.
        tier: Tier,
    },
}

impl Options {
    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS })
    }
}

fn main() -> anyhow::Result<()> {
    let Args { command, options } = Args::parse();
    let mut report = Report::new()?;
    match &command {
        None => {
            run(&mut report, &options, &[])?;
            start(&mut report, &options)?;
            scale(&mut report, &options)?;
        }
        Some(Command::Run { names }) => run(&mut report, &options, names)?,
        Some(Command::Start) => start(&mut report, &options)?,
        Some(Command::Scale) => scale(&mut report, &options)?,
        Some(Command::Node) => report.add(node::measure(&options.vectors, options.rounds())?, Figures::new()),
        Some(Command::Counts { update }) => report.add([counts::measure(&options.guests, *update)?], Figures::new()),
        Some(Command::CountsWork) => return counts::work(&options.guests),
        Some(Command::WarmLoad { engine, needs }) => {
            println!("{}", serde_json::to_string(&warm_load(engine, needs)?)?);
            return Ok(());
        }
        Some(Command::CompileOnce { program, bytes, tier }) => {
            println!("{}", serde_json::to_string(&scale::once::here(&options, program, *bytes, *tier)?)?);
            return Ok(());
        }
    }
    println!("{report}");
    if let Some(path) = &options.markdown {
        write(path, report.to_string())?;
    }
    if let Some(path) = &options.json {
        write(path, serde_json::to_string_pretty(&report)?)?;
    }
    #[cfg(feature = "peers")]
    if let Some(path) = &options.svg {
        let results = report.run.as_ref().context("nothing to draw: no running times were taken")?;
        write(path, plot::bars(results)?)?;
    }
    Ok(())
}

fn run(report: &mut Report, options: &Options, names: &[String]) -> anyhow::Result<()> {
    // The interpreters take most of the time.
    let versions = if options.quick { &VERSIONS[..1] } else { &VERSIONS };
    let results = run::measure(&options.guests, options.rounds(), versions, names, peers(report, options)?)?;
    report.add(results.tables(), results.figures());
    report.run = Some(results);
    Ok(())
}

fn start(report: &mut Report, options: &Options) -> anyhow::Result<()> {
    let (tables, figures) = start::measure(options)?;
    report.add(tables, figures);
    Ok(())
}

fn scale(report: &mut Report, options: &Options) -> anyhow::Result<()> {
    report.add(scale::measure(options)?, Figures::new());
    Ok(())
}

/// Warm loads of one engine in this process, which must be a new one.
fn warm_load(engine: &str, needs: &[OsString]) -> anyhow::Result<NewProcess> {
    match (engine, needs) {
        ("tvm", [cache, hashes @ ..]) => {
            let digits: Option<Vec<&str>> = hashes.iter().map(|hash| hash.to_str()).collect();
            let hashes = digits.as_deref().and_then(|digits| <[&str; 2]>::try_from(digits).ok());
            start::warm::in_new_process(cache.as_ref(), hashes.context("expected two hashes")?)
        }
        #[cfg(feature = "peers")]
        ("wasmtime", [first, next]) => peers::in_new_process([first, next].map(Path::new)),
        _ => anyhow::bail!("no engine `{engine}` that takes {} arguments", needs.len()),
    }
}

/// The engines that run guests beside TVM.
#[cfg(feature = "peers")]
fn peers(report: &mut Report, options: &Options) -> anyhow::Result<Vec<Entry>> {
    let (peers, compiler) = peers::all(&options.guests, &options.build)?;
    report.machine.native_compiler = Some(compiler);
    Ok(peers)
}

#[cfg(not(feature = "peers"))]
fn peers(_report: &mut Report, _options: &Options) -> anyhow::Result<Vec<Entry>> {
    Ok(Vec::new())
}

fn write(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
