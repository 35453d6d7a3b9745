//! The suite `ecalli`: recorded host calls, replayed and compared line by line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use tvm_abi::Tier;

use super::log::{Log, Recorder, compare_logs, read_logs, without_unseen_registers};
use super::{NodeEngine, run_case, vector_files};
use super::{accumulate, traces};
use crate::conformance::{Differences, Report};
use crate::engines::Way;
use crate::node::traces::{Step, for_each_trace};

/// Directory of logs of single transitions.
const SINGLE_TRANSITIONS: &str = "stf-accumulate-tiny";

/// Directory of logs in the draft's own form, named after a trace and a block, or a single transition.
const CANONICAL: &str = "canonical";

/// Recorded logs by block number, which some have two of.
type Logs = BTreeMap<String, Vec<PathBuf>>;

/// Replays the logs in `directory`: subdirectories are named after the traces they are of. Those are looked for beside
/// `directory`, in `traces-delta` and `stf/accumulate/tiny`.
///
/// # Errors
/// When there is no log, or what it is of cannot be read.
pub fn ecalli(directory: &Path, engines: &[NodeEngine]) -> anyhow::Result<Report> {
    let vectors = directory.join("..");
    let (transitions, all_traces) = (vectors.join("stf/accumulate/tiny"), vectors.join("traces-delta"));
    let mut singles: Vec<(String, PathBuf, PathBuf)> = Vec::new();
    let mut of_traces: BTreeMap<String, Logs> = BTreeMap::new();
    for log in vector_files(directory, &["log"])? {
        let set = name(log.parent().unwrap_or(directory));
        let stem = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let transition = transitions.join(&stem).with_extension("json");
        if set == SINGLE_TRANSITIONS || (set == CANONICAL && transition.exists()) {
            singles.push((format!("{set}/{stem}"), log, transition));
            continue;
        }
        let (trace, block) = match (set == CANONICAL, stem.rsplit_once('-')) {
            (true, Some((trace, block))) => (trace.to_owned(), block.to_owned()),
            (true, None) => bail!("{} is named after no trace and block", log.display()),
            (false, _) => (set, stem),
        };
        of_traces.entry(trace).or_default().entry(block).or_default().push(log);
    }

    let mut report = Report::default();
    for (name, log, transition) in singles {
        let expected = read_logs(&log)?;
        let case = accumulate::read(&transition).with_context(|| format!("cannot read {}", transition.display()))?;
        run_case(&mut report, &name, engines, |engine| {
            replay(&expected, engine, |recorder| case.run(recorder, 1).map(drop))
        });
    }
    for (trace, logs) in of_traces {
        replay_trace(&mut report, &all_traces.join(&trace), logs, engines)?;
    }
    Ok(report)
}

fn name(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn replay_trace(report: &mut Report, path: &Path, mut logs: Logs, engines: &[NodeEngine]) -> anyhow::Result<()> {
    for_each_trace(path, &mut |trace| {
        let set = trace.set.clone();
        for step in trace {
            let step: Step = step?;
            for log in logs.remove(&step.name).unwrap_or_default() {
                let expected = read_logs(&log)?;
                run_case(report, &format!("{set}/{}", step.name), engines, |engine| {
                    replay(&expected, engine, |recorder| traces::import(&step, recorder, 1).map(drop))
                });
            }
        }
        Ok(())
    })?;
    ensure!(logs.is_empty(), "no blocks {:?} in {}", logs.keys(), path.display());
    Ok(())
}

/// One thread, because the logs have the services of a round in their order.
fn replay(
    expected: &[Log],
    engine: &NodeEngine,
    run: impl FnOnce(&Recorder<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Differences> {
    let recorder = Recorder::new(&engine.tvm);
    run(&recorder)?;
    let mut differences = Differences::default();
    let found = recorder.logs();
    if engine.way == Way::Compiled(Tier::Best) {
        compare_logs(&without_unseen_registers(expected), &without_unseen_registers(&found), &mut differences);
    } else {
        compare_logs(expected, &found, &mut differences);
    }
    Ok(differences)
}
