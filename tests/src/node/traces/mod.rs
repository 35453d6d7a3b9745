//! Published traces: blocks with the state before and after each.
//!
//! Three forms are read: directories of `.bin` steps, archives of such (`.tar.xz`, `.tar.zst`), and directories of
//! `.delta` steps next to an `initial.state`. The vectors' README describes them.

mod archive;
mod steps;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

pub use steps::{Step, Trace};

use crate::node::spec::{Spec, TINY, TINY_0_7_0};
use crate::node::state::Dictionary;

/// Calls `each` for every trace in `path`: a directory of steps, an archive, or a directory of those, in order of their
/// names.
///
/// # Errors
/// When a file cannot be read, or `each` fails.
pub fn for_each_trace(path: &Path, each: &mut dyn FnMut(Trace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.is_file() {
        return archive::read(path, &mut |mut trace| {
            trace.set = join(&name, &trace.set);
            each(trace)
        });
    }
    let entries = sorted_entries(path)?;
    let is_step = |entry: &PathBuf| entry.extension().is_some_and(|end| end == "bin" || end == "delta");
    let steps: Vec<PathBuf> = entries.iter().filter(|entry| is_step(entry)).cloned().collect();
    if !steps.is_empty() {
        return each(Trace::from_files(name, &steps)?);
    }
    for entry in entries {
        let nested = entry.is_dir() || archive::is_archive(&entry);
        if nested {
            for_each_trace(&entry, each)?;
        }
    }
    Ok(())
}

/// Entries of a directory, ascending.
///
/// # Errors
/// When it cannot be read.
pub fn sorted_entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect() };
    let mut entries = read().with_context(|| format!("cannot read the directory {}", directory.display()))?;
    entries.sort();
    Ok(entries)
}

/// The chain a trace is of. All published traces are of the tiny chain; the account records' length tells the version.
///
/// # Errors
/// When the state has no account, or one of an unknown length.
pub fn spec_of(state: &Dictionary) -> anyhow::Result<&'static Spec> {
    let account = state.iter().find(|(key, _)| key.as_account().is_some());
    match account.map(|(_, value)| value.len()) {
        Some(89) => Ok(&TINY),
        Some(88) => Ok(&TINY_0_7_0),
        Some(len) => bail!("expected account records of 88 (GP 0.7.0) or 89 bytes (0.7.2), found {len} bytes"),
        None => bail!("the state has no account record, so its Gray Paper version is unknown"),
    }
}

fn join(outer: &str, inner: &str) -> String {
    if inner.is_empty() { outer.to_owned() } else { format!("{outer}/{inner}") }
}
