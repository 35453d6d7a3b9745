//! `tvmc compile`: programs into the cache, or one program into a file.

mod files;
mod job;
mod report;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::CompileArgs;
use crate::cache_place;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, explain};

use files::Input;
use job::{Compiled, Destination, Job};
use report::{CompileReport, Row};

/// Compiles what the command line names.
pub fn compile(args: CompileArgs, output: &Output) -> Outcome {
    let CompileArgs { inputs, jobs, output: object, target, tier, program, cache } = args;
    let inputs = files::collect(&inputs)?;
    let destination = match object {
        Some(path) if inputs.len() == 1 => Destination::File(path),
        Some(path) => {
            return Err(Failure::usage(format_args!(
                "--output {} takes the object of one program, but there are {}",
                path.display(),
                inputs.len()
            )));
        }
        None => Destination::Cache(Box::new(cache_place::open(&cache)?)),
    };
    let job = Job { program, target, tier, destination: &destination };
    let started = Instant::now();
    let rows = run_all(&inputs, worker_count(jobs, inputs.len()), &job, output);
    let report = CompileReport::new(rows, started.elapsed(), &job);
    output.show(&report)?;
    report.failures().for_each(explain);
    Ok(report.status())
}

/// Threads to compile with: as many as asked for, but no more than there is work for.
fn worker_count(jobs: Option<u16>, inputs: usize) -> usize {
    let cpus = || thread::available_parallelism().map_or(1, usize::from);
    jobs.map_or_else(cpus, usize::from).min(inputs)
}

/// Runs the job on every input; the results are in the order of the inputs.
fn run_all(inputs: &[Input], workers: usize, job: &Job<'_>, output: &Output) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Row)>> = Mutex::new(Vec::with_capacity(inputs.len()));
    let progress = progress(inputs.len(), output);
    let work = || {
        while let Some((index, input)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            inputs.get(index).map(|input| (index, input))
        } {
            let row = timed(input.path(), || job.run(input));
            progress.inc(1);
            done.lock().expect("nothing panics while this is held").push((index, row));
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    progress.finish_and_clear();
    let mut rows = done.into_inner().expect("all workers have ended");
    rows.sort_unstable_by_key(|(index, _)| *index);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn timed(path: &Path, compile: impl FnOnce() -> Result<Compiled, Failure>) -> Row {
    let started = Instant::now();
    let result = compile();
    Row { path: path.to_owned(), result, time: started.elapsed() }
}

fn progress(inputs: usize, output: &Output) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("compiling [{bar:40}] {pos} of {len}, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(Some(inputs as u64), ProgressDrawTarget::stderr()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
