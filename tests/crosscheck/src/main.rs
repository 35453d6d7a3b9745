//! `tvm-crosscheck`: TVM against the polkavm crate with its full gas model.
//!
//! Three parts: the cost of long random blocks, which are not run; generated programs; the repository's guests. In the
//! last two registers, memory, gas, program counter and outcome are compared at every stop. Exit codes: 0 the engines
//! agree but for what docs/gas-crosscheck.md explains, 1 they differ, 2 something could not be run.

#![forbid(unsafe_code)]

mod adapt;
mod blocks;
mod generated;
mod guests;
mod known;
mod lockstep;
mod machine;
mod ours;
mod peer;
mod report;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use polkavm::BackendKind;
use tvm_isa::{Container, Program, StandardProgram, split_metadata};
use tvm_runtime::Tier;
use tvm_tests::differential::{Case, Generator};

use tvm_tests::machine::{CompiledEngine, Engine, InterpreterEngine};

use blocks::BlockGenerator;
use peer::Peer;
use report::Report;

/// Runs programs on TVM and on the polkavm crate, and compares what can be seen of them.
#[derive(Parser)]
struct Args {
    /// Programs to generate and run
    #[arg(long, default_value_t = 10_000)]
    programs: u64,
    /// Programs of long blocks whose costs are compared, not run
    #[arg(long, default_value_t = 10_000)]
    block_programs: u64,
    /// Seed of the generators: the same seed makes the same programs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What executes programs in TVM
    #[arg(long, default_value = "compiled")]
    engine: EngineChoice,
    /// What executes guests in the polkavm crate; generated programs are always interpreted
    #[arg(long, default_value = "interpreter")]
    peer: PeerChoice,
    /// Threads
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    jobs: usize,
    /// Folder of the guests
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/blobs/0.8.0"))]
    guests: PathBuf,
    /// Where to write a failing program
    #[arg(long, default_value = "crosscheck-failure.json")]
    failure: PathBuf,
    /// Run only this program, as written by an earlier failure
    #[arg(long)]
    replay: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EngineChoice {
    Compiled,
    CompiledBest,
    Interpreter,
}

#[derive(Clone, Copy, ValueEnum)]
enum PeerChoice {
    Interpreter,
    Recompiler,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(report) => {
            print!("{report}");
            if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("tvm-crosscheck: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Report> {
    let engine: Box<dyn Engine + Sync> = match args.engine {
        EngineChoice::Compiled => Box::new(CompiledEngine::new(Tier::Fast, false)?),
        EngineChoice::CompiledBest => Box::new(CompiledEngine::new(Tier::Best, false)?),
        EngineChoice::Interpreter => Box::new(InterpreterEngine),
    };
    let engine: &(dyn Engine + Sync) = engine.as_ref();
    let mut report = Report::default();
    if let Some(path) = &args.replay {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let case: Case = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        report.case(None, &case, generated::check(&case, engine, &Peer::new(BackendKind::Interpreter)?)?);
        return Ok(report);
    }
    let corpus = corpus(&args.guests)?;
    let jobs = args.jobs.max(1) as u64;
    let share = |all: u64, job: u64| all / jobs + u64::from(job < all % jobs);
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let worker = |job: u64| {
            let seed = args.seed.wrapping_add(job << 48);
            let generator = Generator::new(seed, ours::VERSION, corpus.clone());
            let shares = [share(args.block_programs, job), share(args.programs, job)];
            scope.spawn(move || generate(args, BlockGenerator::new(seed), generator, shares, engine))
        };
        let workers: Vec<_> = (0..jobs).map(worker).collect();
        workers.into_iter().try_for_each(|worker| {
            report.add(worker.join().expect("a worker panicked")?);
            Ok(())
        })
    })?;
    let peer = Peer::new(match args.peer {
        PeerChoice::Interpreter => BackendKind::Interpreter,
        PeerChoice::Recompiler => BackendKind::Compiler,
    })?;
    for (jam, session) in guests::sessions(&args.guests)? {
        let ran = guests::check(&jam, &session, engine, &peer)
            .with_context(|| format!("{}, {}", session.guest, session.name))?;
        report.session(&session, ran);
    }
    Ok(report)
}

/// A worker's share of blocks and programs. It ends at its first failure.
fn generate(
    args: &Args,
    mut blocks: BlockGenerator,
    mut generator: Generator,
    [block_programs, programs]: [u64; 2],
    engine: &dyn Engine,
) -> anyhow::Result<Report> {
    let peer = Peer::new(BackendKind::Interpreter)?;
    let mut report = Report::default();
    for index in 0..block_programs {
        let blob = blocks.program();
        report.blocks(blocks::compare(&blob, &blob, &peer).with_context(|| format!("blocks, program {index}"))?);
    }
    for index in 0..programs {
        let (kind, case) = generator.case();
        let verdict = generated::check(&case, engine, &peer).with_context(|| format!("program {index}"))?;
        report.case(Some(kind), &case, verdict);
        if !report.failures.is_empty() {
            std::fs::write(&args.failure, serde_json::to_string(&case)?)?;
            break;
        }
    }
    Ok(report)
}

/// The program blobs of the guests, to be mutated.
fn corpus(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    paths.sort();
    let mut blobs = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        anyhow::ensure!(Container::detect(&bytes)? == Container::Jam, "{} is no JAM blob", path.display());
        let blob = StandardProgram::parse(split_metadata(&bytes)?.1)?.program;
        Program::parse(blob)?;
        blobs.push(blob.to_vec());
    }
    Ok(blobs)
}
