//! Programs that do all that a machine can do.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use tvm_isa::{Container, Program, StandardProgram, split_metadata};
use tvm_tests::differential::{Coverage, Generator, compare, shrink};
use tvm_tests::machine::{CompiledEngine, InterpreterEngine};

use super::{Args, Share, save};

/// Whether all agree.
pub fn run(args: &Args, compiled: &[CompiledEngine]) -> anyhow::Result<bool> {
    let corpus = read_corpus(&args.corpus)?;
    let total = Mutex::new(Coverage::default());
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = args
            .shares()
            .map(|share| {
                let (corpus, total, failed) = (corpus.clone(), &total, &failed);
                scope.spawn(move || work(args, &share, corpus, compiled, total, failed))
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
    &Share { job, seed, programs }: &Share,
    corpus: Vec<Vec<u8>>,
    compiled: &[CompiledEngine],
    total: &Mutex<Coverage>,
    failed: &AtomicBool,
) -> anyhow::Result<()> {
    let mut generator = Generator::new(seed, args.gp, corpus);
    let mut coverage = Coverage::default();
    for index in 0..programs {
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
