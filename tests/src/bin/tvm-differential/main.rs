//! `tvm-differential`: compiled code of all tiers against the interpreter on generated programs.

mod chains;
mod programs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tvm_abi::Tier;
use tvm_isa::GpVersion;
use tvm_tests::differential::{Case, compare};
use tvm_tests::machine::{CompiledEngine, InterpreterEngine};

/// Runs generated programs, half of them as services and half as inner machines, on compiled code and on the interpreter, at every gas limit around the true cost, and
/// compares registers, memory, gas, program counter and outcome at every stop.
///
/// With --chains, programs of 128 short chains of operations, loops or calls each, on 16 rows of numbers, once to the end and once not quite:
/// they try what the optimiser makes of a few instructions.
#[derive(Parser)]
struct Args {
    /// Programs to generate.
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
    /// Compile on this tier only: fast or best.
    #[arg(long)]
    tier: Option<Tier>,
    /// Folders with blobs to mutate.
    #[arg(long, conflicts_with = "chains")]
    corpus: Vec<PathBuf>,
    /// Generate programs of short chains instead.
    #[arg(long)]
    chains: bool,
    /// Where to write a failing case.
    #[arg(long, default_value = "differential-failure.json")]
    failure: PathBuf,
    /// Run only this case, as written by an earlier failure.
    #[arg(long)]
    replay: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tvm-differential: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let tiers = args.tier.map_or_else(|| Tier::ALL.to_vec(), |tier| vec![tier]);
    let compiled: Vec<_> =
        tiers.into_iter().map(|tier| CompiledEngine::new(tier, args.baseline)).collect::<anyhow::Result<_>>()?;
    if let Some(path) = &args.replay {
        return replay(path, &compiled);
    }
    if args.chains { chains::run(args, &compiled) } else { programs::run(args, &compiled) }
}

fn replay(path: &Path, compiled: &[CompiledEngine]) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let case: Case = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(match compare(&case, &InterpreterEngine, compiled)? {
        Ok(_) => true,
        Err(difference) => {
            println!("{difference}");
            false
        }
    })
}

impl Args {
    /// Each job with its seed and how many programs it makes.
    fn shares(&self) -> impl Iterator<Item = Share> + use<> {
        let (programs, seed, jobs) = (self.programs, self.seed, self.jobs.max(1) as u64);
        (0..jobs).map(move |job| Share {
            job,
            seed: seed.wrapping_add(job << 48),
            programs: programs / jobs + u64::from(job < programs % jobs),
        })
    }
}

/// A job's part of the programs.
struct Share {
    job: u64,
    seed: u64,
    programs: u64,
}

/// Writes a case for `--replay`; says where.
fn save(path: &Path, case: &Case) -> String {
    let text = serde_json::to_string(case).expect("a case serialises");
    match std::fs::write(path, text) {
        Ok(()) => format!("case written to {}", path.display()),
        Err(error) => format!("case not written to {}: {error}", path.display()),
    }
}
