//! Executed instructions, counted by callgrind: the same in every run, whatever else a machine does.
//!
//! [`mod@work`] does everything once under valgrind, in a process of its own, and tells the names of what it did; callgrind
//! writes a count for each. The counts are compared with those in `counts.json`.

mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::table::Table;

pub use work::run as work;

/// Counts, by name.
type Counts = BTreeMap<String, u64>;

/// How much more than the committed count is a regression.
const TOLERANCE: f64 = 0.03;

/// The function around all that is counted, as callgrind calls it.
const COUNTED: &str = "tvm_bench::counts::work::counted_region";

/// What to do about changed counts.
const UPDATE: &str = "if that is as it should be: `cargo run --release -p tvm-bench -- counts --update`, commit \
                      tools/bench/counts.json and say why";

/// Where the committed counts are.
fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.json")
}

/// Counts everything; compares with the committed counts, or writes them. `Err` when something takes clearly more.
pub fn measure(guests: &Path, update: bool) -> anyhow::Result<Table> {
    let found = count(guests)?;
    let path = baseline_path();
    if update {
        std::fs::write(&path, serde_json::to_string_pretty(&found)? + "\n")?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let committed: Counts = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let mut table = Table::new("Executed instructions", &["what", "committed", "now", "change"]);
    let mut worse = Vec::new();
    for (name, &now) in &found {
        let before = committed.get(name).copied();
        let change = before.map(|before| now as f64 / before as f64 - 1.0);
        let shown = change.map_or_else(|| "new".to_owned(), |change| format!("{:+.1} %", change * 100.0));
        if change.is_none_or(|change| change > TOLERANCE) {
            worse.push(format!("{name}: {shown}"));
        }
        table.rows.push(vec![
            name.clone(),
            before.map_or_else(String::new, |it| it.to_string()),
            now.to_string(),
            shown,
        ]);
    }
    worse.extend(committed.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("{name}: gone")));
    if !worse.is_empty() {
        println!("{table}");
        bail!("executed instructions: {}; {UPDATE}", worse.join(", "));
    }
    Ok(table)
}

/// Runs the work under callgrind.
fn count(guests: &Path) -> anyhow::Result<Counts> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--smc-check=all-non-file"])
        .args([format!("--toggle-collect={COUNTED}"), format!("--dump-after={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .arg("counts-work")
        .arg("--guests")
        .arg(guests)
        .output()
        .context("cannot start valgrind: apt-get update && apt-get install -y valgrind")?;
    ensure!(output.status.success(), "under valgrind: {}", String::from_utf8_lossy(&output.stderr));
    let mut counts = Counts::new();
    for (index, name) in String::from_utf8(output.stdout)?.lines().enumerate() {
        let part = out.with_extension((index + 1).to_string());
        let text = std::fs::read_to_string(&part).with_context(|| format!("callgrind's count of {name}"))?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.with_context(|| format!("no total for {name}"))?.trim().parse()?;
        ensure!(total > 0, "nothing was counted for {name}: is `{COUNTED}` still what the function is called?");
        counts.insert(name.to_owned(), total);
    }
    ensure!(!counts.is_empty(), "nothing was counted");
    Ok(counts)
}
