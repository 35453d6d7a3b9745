//! `tvmc cache verify`, `gc` and `rebuild`.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use tvm_cache::{Cache, GcReport, Policy, Repair, UnixSecs};
use tvm_compiler::COMPILER_IDENTITY;

use crate::args::{GcArgs, VerifyArgs};
use crate::failure::{Outcome, Status};
use crate::output::{Output, Report};
use crate::quantity::{counted, grouped};

/// Checks every file.
pub fn verify(cache: &Cache, args: VerifyArgs, output: &Output) -> Outcome {
    let VerifyArgs { repair } = args;
    let reports = cache.verify(if repair { Repair::Quarantine } else { Repair::No });
    let good = reports.iter().filter(|report| report.fault.is_none()).count() as u64;
    let bad: Vec<_> = reports
        .into_iter()
        .filter_map(|report| report.fault.map(|fault| BadFile { path: report.path, fault: fault.to_string() }))
        .collect();
    let status = if bad.is_empty() { Status::Done } else { Status::Negative };
    output.show(&VerifyReport { path: cache.path(), good, bad, repaired: repair })?;
    Ok(status)
}

/// Removes what the limits do not keep.
pub fn gc(cache: &Cache, args: GcArgs, output: &Output) -> Outcome {
    let GcArgs { max_bytes, max_age, only_this_compiler } = args;
    let only_compiler = only_this_compiler.then_some(COMPILER_IDENTITY);
    let policy = Policy { max_bytes, max_age, only_compiler, now: UnixSecs::now() };
    let GcReport { removed, removed_bytes, kept, kept_bytes, quarantine_removed, temporary_removed, .. } =
        cache.gc(&policy)?;
    output.show(&Collected { removed, removed_bytes, kept, kept_bytes, quarantine_removed, temporary_removed })?;
    Ok(Status::Done)
}

/// Builds the index anew.
pub fn rebuild(cache: &Cache, output: &Output) -> Outcome {
    let indexed = cache.rebuild_index()?;
    output.show(&Rebuilt { path: cache.path(), indexed })?;
    Ok(Status::Done)
}

#[derive(Serialize, Debug)]
struct VerifyReport {
    path: PathBuf,
    good: u64,
    bad: Vec<BadFile>,
    repaired: bool,
}

#[derive(Serialize, Debug)]
struct BadFile {
    path: PathBuf,
    fault: String,
}

impl Report for VerifyReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { path, good, bad, repaired } = self;
        for BadFile { path, fault } in bad {
            writeln!(out, "{}: {fault}", path.display())?;
        }
        let advice = match (bad.is_empty(), repaired) {
            (true, _) => "",
            (false, true) => "; moved to quarantine",
            (false, false) => "; --repair moves them to quarantine (until then they are misses)",
        };
        writeln!(out, "{}: {}, {} bad{advice}", path.display(), counted(*good, "good file"), grouped(bad.len() as u64))
    }
}

#[derive(Serialize, Debug)]
struct Collected {
    removed: u64,
    removed_bytes: u64,
    kept: u64,
    kept_bytes: u64,
    quarantine_removed: u64,
    temporary_removed: u64,
}

impl Report for Collected {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { removed, removed_bytes, kept, kept_bytes, quarantine_removed, temporary_removed } = self;
        writeln!(out, "removed {} of {} bytes", counted(*removed, "object"), grouped(*removed_bytes))?;
        writeln!(out, "kept {} of {} bytes", counted(*kept, "object"), grouped(*kept_bytes))?;
        let swept = quarantine_removed + temporary_removed;
        if swept > 0 {
            writeln!(out, "swept {quarantine_removed} files from quarantine and {temporary_removed} unfinished ones")?;
        }
        Ok(())
    }
}

#[derive(Serialize, Debug)]
struct Rebuilt {
    path: PathBuf,
    indexed: u64,
}

impl Report for Rebuilt {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: the index has {}", self.path.display(), counted(self.indexed, "object"))
    }
}
