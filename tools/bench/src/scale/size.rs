//! Compile time and memory of real programs against their size, and the time of verifying their code.

use tvm_abi::Tier;

use super::once::{Compiled, JOINED, in_child};
use crate::Options;
use crate::stats::{Samples, duration};
use crate::table::Table;

/// Code sizes of the programs, in bytes.
const SIZES: [usize; 7] = [2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10, 1 << 20, 2 << 20];

/// Processes for each.
const TIMES: usize = 5;

/// Compiles programs joined from guests on both tiers.
pub fn measure(options: &Options) -> anyhow::Result<Table> {
    let columns = ["code", "tier", "compile", "per byte", "object", "per byte", "peak memory", "per byte", "verify"];
    let mut table = Table::new(
        "Compile time and memory against size (GP 0.8.0, a first compilation and verification in a process)",
        &columns,
    );
    for (bytes, tier) in SIZES.into_iter().flat_map(|bytes| Tier::ALL.map(|tier| (bytes, tier))) {
        let runs = (0..TIMES).map(|_| in_child(options, JOINED, bytes, tier)).collect::<anyhow::Result<Vec<_>>>()?;
        let time = runs.iter().map(|run| run.ns).collect::<Samples>().median();
        let verify = runs.iter().map(|run| run.verify_ns).collect::<Samples>().median();
        let memory = runs.iter().map(|run| run.peak_bytes).max().unwrap_or_default();
        let Compiled { code_bytes, object_bytes, .. } = runs[0];
        let per_byte = |value: f64| format!("{:.1}", value / code_bytes as f64);
        table.rows.push(vec![
            format!("{:.0} KB", code_bytes as f64 / 1024.0),
            tier.to_string(),
            duration(time),
            format!("{} ns", per_byte(time)),
            format!("{} KB", object_bytes >> 10),
            per_byte(object_bytes as f64),
            format!("{} KB", memory >> 10),
            per_byte(memory as f64),
            duration(verify),
        ]);
    }
    Ok(table)
}
