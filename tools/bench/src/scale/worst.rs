//! Compile and verification time and memory of the worst programs, for plain x86-64 because its code is the longest.

use tvm_abi::Tier;

use super::once::{Compiled, in_child};
use crate::Options;
use crate::programs;
use crate::table::Table;

/// Sizes of the programs, in bytes.
const SIZES: [usize; 2] = [1 << 20, 4 << 20];

/// Compiles each worst program on both tiers, in processes of their own.
pub fn measure(options: &Options) -> anyhow::Result<Table> {
    let columns = [
        "program",
        "code",
        "tier",
        "compile",
        "per byte",
        "object per byte",
        "peak memory per byte",
        "verify",
        "per byte",
        "peak memory per byte",
    ];
    let mut table =
        Table::new("Worst programs for the compiler, and for the verifier (plain x86-64, GP 0.7.2)", &columns);
    for name in programs::WORST {
        for (bytes, tier) in SIZES.into_iter().flat_map(|bytes| Tier::ALL.map(|tier| (bytes, tier))) {
            let Compiled { ns, object_bytes, peak_bytes, verify_ns, verify_peak_bytes, .. } =
                in_child(options, name, bytes, tier)?;
            let per_byte = |value: f64| format!("{:.1}", value / bytes as f64);
            table.rows.push(vec![
                name.to_owned(),
                format!("{} MB", bytes >> 20),
                tier.to_string(),
                format!("{:.0} ms", ns / 1e6),
                format!("{} ns", per_byte(ns)),
                per_byte(object_bytes as f64),
                per_byte(peak_bytes as f64),
                format!("{:.0} ms", verify_ns / 1e6),
                format!("{} ns", per_byte(verify_ns)),
                per_byte(verify_peak_bytes as f64),
            ]);
        }
    }
    Ok(table)
}
