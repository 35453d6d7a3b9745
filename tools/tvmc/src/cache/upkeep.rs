//! `tvmc cache verify`, `gc` and `rebuild`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tvm_abi::sections::FORMAT_VERSION;
use tvm_cache::{Cache, GcReport, Key, Policy, Repair, Report, TRAILER_LEN, UnixSecs};
use tvm_compiler::COMPILER_IDENTITY;
use tvm_loader::{Verified, VerifyError};

use crate::args::{GcArgs, VerifyArgs};
use crate::failure::{Outcome, Status};
use crate::output::{self, Output};
use crate::quantity::{counted, grouped};

/// Checks every file, and the machine code in those of this build's format.
pub fn verify(cache: &Cache, args: VerifyArgs, output: &Output) -> Outcome {
    let VerifyArgs { repair } = args;
    let readable: BTreeSet<Key> = cache
        .ls()
        .into_iter()
        .filter(|entry| entry.parts.format_version == FORMAT_VERSION)
        .map(|entry| entry.key)
        .collect();
    let mut report = VerifyReport { path: cache.path(), good: 0, code_verified: 0, bad: Vec::new(), repaired: repair };
    for Report { path, key, fault, .. } in cache.verify(if repair { Repair::Quarantine } else { Repair::No }) {
        let mut fault = fault.map(|fault| fault.to_string());
        if fault.is_none()
            && let Some(key) = key.filter(|key| readable.contains(key))
            && let Some(verified) = verify_code(&path)
        {
            match verified {
                Ok(_) => report.code_verified += 1,
                Err(error) => {
                    if repair {
                        cache.quarantine(&key)?;
                    }
                    fault = Some(error.to_string());
                }
            }
        }
        match fault {
            None => report.good += 1,
            Some(fault) => report.bad.push(BadFile { path, fault }),
        }
    }
    let status = if report.bad.is_empty() { Status::Done } else { Status::Negative };
    output.show(&report)?;
    Ok(status)
}

/// Verifies the machine code of an object whose digest is right; `None` if it is gone. Its file is read as it is: looking it up would count as
/// use.
fn verify_code(path: &Path) -> Option<Result<Verified, VerifyError>> {
    let bytes = std::fs::read(path).ok()?;
    Some(tvm_loader::verify(&bytes[..bytes.len().saturating_sub(TRAILER_LEN as usize)]))
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
    /// Objects among them whose machine code was verified: those of this build's format.
    code_verified: u64,
    bad: Vec<BadFile>,
    repaired: bool,
}

#[derive(Serialize, Debug)]
struct BadFile {
    path: PathBuf,
    fault: String,
}

impl output::Report for VerifyReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { path, good, code_verified, bad, repaired } = self;
        for BadFile { path, fault } in bad {
            writeln!(out, "{}: {fault}", path.display())?;
        }
        let advice = match (bad.is_empty(), repaired) {
            (true, _) => "",
            (false, true) => "; moved to quarantine",
            (false, false) => "; --repair moves them to quarantine (until then they are misses)",
        };
        let (good, bad) = (counted(*good, "good file"), grouped(bad.len() as u64));
        writeln!(
            out,
            "{}: {good}, machine code verified in {}, {bad} bad{advice}",
            path.display(),
            grouped(*code_verified)
        )
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

impl output::Report for Collected {
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

impl output::Report for Rebuilt {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: the index has {}", self.path.display(), counted(self.indexed, "object"))
    }
}

#[cfg(test)]
mod tests {
    use tvm_abi::{CpuFeatures, Tier, sections};
    use tvm_compiler::{CompileOptions, compile};
    use tvm_isa::{Container, GpVersion};

    use super::*;
    use crate::args::OutputArgs;

    #[test]
    fn code_that_is_not_safe_is_found_though_its_digest_is_right() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let (version, container, cpu) = (GpVersion::V0_7_2, Container::Raw, CpuFeatures::BASELINE);
        // trap
        let mut object =
            compile(&[0, 0, 1, 0, 1], [7; 32], CompileOptions { version, container, cpu, tier: Tier::Fast }).unwrap();
        let store = |object: &[u8], tier: Tier| {
            cache.publish(&tvm_runtime::object_key(version, container, [7; 32], cpu, tier), object).unwrap();
        };
        store(&object, Tier::Fast);
        // mov rax, [rax]; nop: in the place of the charge behind the jumps to the stubs.
        let charge = sections::TEXT_FILE_OFFSET as usize + 24;
        object[charge..charge + 4].copy_from_slice(&[0x48, 0x8b, 0x00, 0x90]);
        store(&object, Tier::Best);
        let quiet = Output::new(&OutputArgs { json: false, quiet: true });
        let verify = |repair: bool| verify(&cache, VerifyArgs { repair }, &quiet).unwrap();
        assert_eq!(verify(false), Status::Negative);
        assert_eq!((cache.stat().entries, cache.stat().quarantined), (2, 0));
        assert_eq!(verify(true), Status::Negative);
        assert_eq!((cache.stat().entries, cache.stat().quarantined), (1, 1));
        assert_eq!(verify(false), Status::Done);
    }
}
