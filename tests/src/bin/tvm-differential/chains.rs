//! Programs of short chains.

use std::sync::atomic::{AtomicBool, Ordering};

use tvm_tests::differential::{CHAINS, Case, ChainGenerator, Chains, compare_once, shrink};
use tvm_tests::machine::{CompiledEngine, InterpreterEngine};

use super::{Args, Share, save};

/// Whether all agree.
pub fn run(args: &Args, compiled: &[CompiledEngine]) -> anyhow::Result<bool> {
    let failed = AtomicBool::new(false);
    let programs = std::thread::scope(|scope| {
        let workers: Vec<_> = args
            .shares()
            .map(|share| {
                let failed = &failed;
                scope.spawn(move || work(args, &share, compiled, failed))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).sum::<anyhow::Result<u64>>()
    })?;
    let failed = failed.into_inner();
    println!("{} chains in {programs} programs passed, {} failed", programs * CHAINS as u64, u8::from(failed));
    Ok(!failed)
}

/// Gives the number of programs that agreed.
fn work(
    args: &Args,
    &Share { job, seed, programs }: &Share,
    compiled: &[CompiledEngine],
    failed: &AtomicBool,
) -> anyhow::Result<u64> {
    let mut generator = ChainGenerator::new(seed, args.gp);
    let compare = |case: &Case| compare_once(case, &InterpreterEngine, compiled);
    for index in 0..programs {
        if failed.load(Ordering::Relaxed) {
            return Ok(index);
        }
        let program = generator.program()?;
        let Some(case) = generator.check(&program, compiled)? else { continue };
        if !failed.swap(true, Ordering::Relaxed) {
            let smallest = smallest(&program, &case, |case| matches!(compare(case), Ok(Err(_))));
            println!("job {job}, program {index}: {}", save(&args.failure, &smallest));
            println!("{}", compare(&smallest)?.err().map_or_else(|| "does not repeat".to_owned(), |it| it.to_string()));
        }
        return Ok(index);
    }
    Ok(programs)
}

/// The smallest case for which `differs` still holds: mostly a part of one chain.
fn smallest(program: &Chains, case: &Case, differs: impl Fn(&Case) -> bool) -> Case {
    let apart = program.apart().map(|chain| Case { gas: case.gas, ..chain.case() }).find(&differs);
    shrink(&apart.unwrap_or_else(|| case.clone()), differs)
}
