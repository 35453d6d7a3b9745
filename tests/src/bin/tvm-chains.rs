//! `tvm-chains`: compiled code of all tiers against the interpreter on short chains of operations, loops and calls.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser;
use tvm_abi::Tier;
use tvm_isa::GpVersion;
use tvm_runtime::GuestExit;
use tvm_tests::differential::{CHAINS, Case, ChainGenerator, Chains, compare_once, shrink};
use tvm_tests::machine::{CompiledEngine, InterpreterEngine};

/// Runs short chains of operations, loops and calls, each on many rows of numbers, on compiled code and on the interpreter, once to the end and once
/// with less gas, and compares what they store and what is left. A chain that differs is written to a file for `tvm-differential --replay`.
#[derive(Parser)]
struct Args {
    /// Programs to generate, of 128 chains each.
    #[arg(long, default_value_t = 10_000)]
    programs: u64,
    /// Seed of the generator: the same seed makes the same programs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Gray Paper version.
    #[arg(long, default_value = "0.7.2")]
    gp: GpVersion,
    /// Threads.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    jobs: usize,
    /// Compile for plain x86-64 instead of this CPU.
    #[arg(long)]
    baseline: bool,
    /// Where to write a failing case.
    #[arg(long, default_value = "chains-failure.json")]
    failure: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tvm-chains: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let compiled = Tier::ALL
        .into_iter()
        .map(|tier| CompiledEngine::new(tier, args.baseline))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let failed = AtomicBool::new(false);
    let jobs = args.jobs.max(1) as u64;
    let programs = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|job| {
                let share = args.programs / jobs + u64::from(job < args.programs % jobs);
                let (failed, compiled) = (&failed, &compiled);
                scope.spawn(move || work(args, job, share, compiled, failed))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).sum::<anyhow::Result<u64>>()
    })?;
    let failed = failed.into_inner();
    println!("{} chains agree, {} differ", programs * CHAINS as u64, u8::from(failed));
    Ok(!failed)
}

/// Gives the number of programs that agreed.
fn work(args: &Args, job: u64, share: u64, compiled: &[CompiledEngine], failed: &AtomicBool) -> anyhow::Result<u64> {
    let mut generator = ChainGenerator::new(args.seed.wrapping_add(job << 48), args.gp);
    let compare = |case: &Case| compare_once(case, &InterpreterEngine, compiled);
    for index in 0..share {
        if failed.load(Ordering::Relaxed) {
            return Ok(index);
        }
        let program = generator.program()?;
        let case = program.case();
        let case = match compare(&case)? {
            Ok(last) => {
                let last = last.filter(|last| last.exit == GuestExit::Panic);
                let last = last.context("a program did not come to its end")?;
                // Once more, not quite to its end.
                let gas = generator.less_than(case.gas - last.state.gas.0);
                let poor = Case { gas, ..case };
                match compare(&poor)? {
                    Ok(_) => continue,
                    Err(_) => poor,
                }
            }
            Err(_) => case,
        };
        if !failed.swap(true, Ordering::Relaxed) {
            let smallest = smallest(&program, &case, |case| matches!(compare(case), Ok(Err(_))));
            println!("job {job}, program {index}: {}", save(&args.failure, &smallest)?);
            println!("{}", compare(&smallest)?.err().map_or_else(|| "does not repeat".to_owned(), |it| it.to_string()));
        }
        return Ok(index);
    }
    Ok(share)
}

/// The smallest case for which `differs` still holds: mostly a part of one chain.
fn smallest(program: &Chains, case: &Case, differs: impl Fn(&Case) -> bool) -> Case {
    let apart = program.apart().map(|chain| Case { gas: case.gas, ..chain.case() }).find(&differs);
    shrink(&apart.unwrap_or_else(|| case.clone()), differs)
}

/// Writes a case; says where.
fn save(path: &Path, case: &Case) -> anyhow::Result<String> {
    let text = serde_json::to_string(case)?;
    std::fs::write(path, text).with_context(|| path.display().to_string())?;
    Ok(format!("case written to {}", path.display()))
}
