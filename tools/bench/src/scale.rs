//! Compile time and memory of the worst programs.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tvm_abi::{CpuFeatures, Tier};
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};

use crate::programs;
use crate::table::Table;

/// What compiling one program took.
#[derive(Serialize, Deserialize)]
pub struct Compiled {
    ns: f64,
    object_bytes: usize,
    peak_bytes: u64,
}

/// Compiles each worst program at 1 and 4 MB, in processes of their own.
pub fn measure() -> anyhow::Result<Table> {
    let columns = ["program", "code", "compile", "per byte", "object per byte", "peak memory per byte"];
    let mut table = Table::new("Worst programs for the compiler (plain x86-64, GP 0.7.2)", &columns);
    for name in programs::WORST {
        for bytes in [1 << 20, 4 << 20] {
            let Compiled { ns, object_bytes, peak_bytes } = in_child(name, bytes)?;
            let per_byte = |value: f64| format!("{:.1}", value / bytes as f64);
            table.rows.push(vec![
                name.to_owned(),
                format!("{} MB", bytes >> 20),
                format!("{:.0} ms", ns / 1e6),
                format!("{} ns", per_byte(ns)),
                per_byte(object_bytes as f64),
                per_byte(peak_bytes as f64),
            ]);
        }
    }
    Ok(table)
}

fn in_child(name: &str, bytes: usize) -> anyhow::Result<Compiled> {
    let output =
        Command::new(std::env::current_exe()?).arg("compile-worst").arg(name).arg(bytes.to_string()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the child's answer")
}

/// Compiles one program, for plain x86-64 because its code is the longest.
pub fn compile_worst(name: &str, bytes: usize) -> anyhow::Result<Compiled> {
    let blob = programs::worst(name, bytes).with_context(|| format!("no program is called `{name}`"))?;
    let options = CompileOptions {
        version: GpVersion::V0_7_2,
        container: Container::Raw,
        cpu: CpuFeatures::BASELINE,
        tier: Tier::Fast,
    };
    let start = Instant::now();
    let object = compile(&blob, [0; 32], options)?;
    let ns = start.elapsed().as_nanos() as f64;
    Ok(Compiled { ns, object_bytes: object.len(), peak_bytes: peak_memory()? })
}

/// Most memory this process has had resident, in bytes.
fn peak_memory() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}
