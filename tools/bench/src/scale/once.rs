//! One compilation in a process of its own, so that its memory can be told, and the verification of what it made.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tvm_abi::{CpuFeatures, Tier};
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};

use crate::Options;
use crate::clock::CpuClock;
use crate::programs::{self, Pool};

/// What [`in_child`] calls programs that are joined from real ones.
pub const JOINED: &str = "joined";

/// What compiling one program took.
#[derive(Serialize, Deserialize)]
pub struct Compiled {
    /// Bytes of code.
    pub code_bytes: usize,
    /// Processor time.
    pub ns: f64,
    pub object_bytes: usize,
    /// Most memory resident beyond what was before.
    pub peak_bytes: u64,
    /// Processor time of verifying the object.
    pub verify_ns: f64,
    /// Most memory resident while it is verified beyond what was before that; 0 if compiling took as much.
    pub verify_peak_bytes: u64,
}

/// Compiles in a new process: one of the worst programs, or [`JOINED`].
pub fn in_child(options: &Options, program: &str, bytes: usize, tier: Tier) -> anyhow::Result<Compiled> {
    let output = Command::new(std::env::current_exe()?)
        .args(["compile-once", program, &bytes.to_string(), tier.name(), "--guests"])
        .arg(&options.guests)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the child's answer")
}

/// Compiles in this process, which must be a new one.
pub fn here(options: &Options, program: &str, bytes: usize, tier: Tier) -> anyhow::Result<Compiled> {
    let (code, code_bytes, version, container, cpu) = if program == JOINED {
        let subject = Pool::of_guests(&options.guests)?.joined(bytes)?;
        let version = GpVersion::V0_8_0;
        (subject.jam(version).to_vec(), subject.code_bytes, version, Container::Jam, CpuFeatures::host())
    } else {
        let blob = programs::worst(program, bytes).with_context(|| format!("no program is called `{program}`"))?;
        (blob, bytes, GpVersion::V0_7_2, Container::Raw, CpuFeatures::BASELINE)
    };
    let options = CompileOptions { version, container, cpu, tier };
    let before = status("VmRSS:")?;
    let clock = CpuClock::this_thread();
    let start = clock.now()?;
    let object = compile(&code, [0; 32], options)?;
    let ns = clock.since(start)?.as_nanos() as f64;
    let peak = status("VmHWM:")?;
    let (resident, start) = (status("VmRSS:")?, clock.now()?);
    tvm_loader::verify(&object)?;
    let verify_ns = clock.since(start)?.as_nanos() as f64;
    let peak_of_both = status("VmHWM:")?;
    let verify_peak_bytes = if peak_of_both > peak { peak_of_both - resident } else { 0 };
    let peak_bytes = peak.saturating_sub(before);
    Ok(Compiled { code_bytes, ns, object_bytes: object.len(), peak_bytes, verify_ns, verify_peak_bytes })
}

/// A number of bytes that the system tells about this process.
pub fn status(field: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("a field in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}
