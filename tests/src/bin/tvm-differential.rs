//! `tvm-differential`: compiled code of all tiers against the interpreter on generated programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser;
use tvm_abi::Tier;
use tvm_isa::{Container, GpVersion, Program, StandardProgram, split_metadata};
use tvm_tests::differential::{Case, Coverage, Generator, compare, shrink};
use tvm_tests::machine::{CompiledEngine, InterpreterEngine};

/// Runs generated programs, half of them as services and half as inner machines, on compiled code and on the interpreter, at every gas limit around the true cost, and
/// compares registers, memory, gas, program counter and outcome at every stop.
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
    #[arg(long)]
    corpus: Vec<PathBuf>,
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
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let case: Case = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        return Ok(match compare(&case, &InterpreterEngine, &compiled)? {
            Ok(_) => true,
            Err(difference) => {
                println!("{difference}");
                false
            }
        });
    }
    let corpus = read_corpus(&args.corpus)?;
    let total = Mutex::new(Coverage::default());
    let failed = AtomicBool::new(false);
    let jobs = args.jobs.max(1) as u64;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|job| {
                let (corpus, total, failed, compiled) = (corpus.clone(), &total, &failed, &compiled);
                let share = args.programs / jobs + u64::from(job < args.programs % jobs);
                scope.spawn(move || work(args, job, share, corpus, compiled, total, failed))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker panicked"))
    })?;
    let coverage = total.into_inner().expect("no worker panicked");
    print!("{coverage}");
    let (missing, missing_exits) = (coverage.missing(args.gp), coverage.missing_exits());
    println!("never executed: {}", if missing.is_empty() { "none".to_owned() } else { missing.join(", ") });
    println!("never reached: {}", if missing_exits.is_empty() { "none".to_owned() } else { missing_exits.join(", ") });
    let failed = failed.into_inner();
    println!("{} passed, {} failed", coverage.kinds.values().sum::<u64>(), u8::from(failed));
    Ok(!failed)
}

fn work(
    args: &Args,
    job: u64,
    share: u64,
    corpus: Vec<Vec<u8>>,
    compiled: &[CompiledEngine],
    total: &Mutex<Coverage>,
    failed: &AtomicBool,
) -> anyhow::Result<()> {
    let mut generator = Generator::new(args.seed.wrapping_add(job << 48), args.gp, corpus);
    let mut coverage = Coverage::default();
    for index in 0..share {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        let (kind, case) = generator.case();
        match compare(&case, &InterpreterEngine, compiled)
            .with_context(|| format!("job {job}, program {index}: {}", save(&args.failure, &case)))?
        {
            Ok(agreement) => coverage.exits(kind, &agreement.exits),
            Err(_) if failed.swap(true, Ordering::Relaxed) => break,
            Err(_) => {
                let smallest = shrink(&case, |case| matches!(compare(case, &InterpreterEngine, compiled), Ok(Err(_))));
                let difference = compare(&smallest, &InterpreterEngine, compiled)?.err();
                println!("job {job}, program {index} ({kind:?}): {}", save(&args.failure, &smallest));
                println!("{}", difference.map_or_else(|| "does not repeat".to_owned(), |it| it.to_string()));
                break;
            }
        }
        // One case in eight is enough to know what is executed.
        if index % 8 == 0 {
            coverage.operations(&case)?;
        }
    }
    total.lock().expect("no worker panicked").add(coverage);
    Ok(())
}

/// Writes a case for `--replay`; says where.
fn save(path: &Path, case: &Case) -> String {
    let text = serde_json::to_string(case).expect("a case serialises");
    match std::fs::write(path, text) {
        Ok(()) => format!("case written to {}", path.display()),
        Err(error) => format!("case not written to {}: {error}", path.display()),
    }
}

/// The program blobs of all containers in these folders.
fn read_corpus(folders: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut blobs = Vec::new();
    for folder in folders {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .with_context(|| folder.display().to_string())?
            .map(|entry| Ok(entry?.path()))
            .collect::<anyhow::Result<_>>()?;
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            let body = match Container::detect(&bytes) {
                Ok(Container::Jam) => split_metadata(&bytes)?.1,
                Ok(_) => &bytes,
                Err(_) => continue,
            };
            let blob = StandardProgram::parse(body).map_or(body, |standard| standard.program);
            if Program::parse(blob).is_ok() {
                blobs.push(blob.to_vec());
            }
        }
    }
    Ok(blobs)
}
