//! Recorded host calls, and their comparison.
//!
//! Binding are registers, program counters, gas, and what the host wrote and set. What it read is not, nor what a panic
//! is said to come from.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use tvm_runtime::jam::trace::TraceWriter;
use tvm_runtime::jam::types::{DeferredTransfer, Hash};
use tvm_runtime::jam::{Accumulated, Transferred};
use tvm_runtime::{Error, HostError};

use crate::conformance::Differences;
use crate::node::accumulate::{Invocation, Invoke, Tvm};

/// The log of one invocation: its lines, without those that are not binding.
pub type Log = Vec<String>;

/// What the lines of some test runners begin with.
const RUNNER_PREFIX: &str = "TRACE [  ecalli] ";

/// First words of the lines of a log, before `=` or a space. Test runners write others in between.
const WORDS: [&str; 9] = ["program", "memwrite", "start", "ecalli", "setreg", "setgas", "HALT", "PANIC", "OOG"];

/// The invocations recorded in a file.
///
/// # Errors
/// When it cannot be read.
pub fn read_logs(path: &Path) -> anyhow::Result<Vec<Log>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(split_logs(&text))
}

/// The invocations in a text.
#[must_use]
pub fn split_logs(text: &str) -> Vec<Log> {
    let mut logs: Vec<Log> = Vec::new();
    for line in text.lines() {
        let line = line.strip_prefix(RUNNER_PREFIX).unwrap_or(line);
        let word = line.split([' ', '=']).next().unwrap_or_default();
        if !WORDS.contains(&word) {
            continue;
        }
        if word == "program" {
            logs.push(Log::new());
        }
        if let Some(log) = logs.last_mut() {
            log.push(normalise(word, line));
        }
    }
    logs.iter_mut().for_each(drop_unpaid_call);
    logs
}

/// Gas of a host call, in the versions the logs are of.
const CALL_GAS: u64 = 10;

/// Drops the line of a last call that could not be paid: the recorded logs have only what it left, `setgas <- 0`.
fn drop_unpaid_call(log: &mut Log) {
    let [.., call, charge, end] = &log[..] else { return };
    let gas =
        call.split(" gas=").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|gas| gas.parse::<u64>().ok());
    let unpaid = call.starts_with("ecalli") && gas.is_some_and(|gas| gas < CALL_GAS);
    if unpaid && charge == "setgas <- 0" && end.starts_with("OOG") {
        log.remove(log.len() - 3);
    }
}

fn normalise(word: &str, line: &str) -> String {
    match (word, line.split_once(' ')) {
        ("PANIC", Some((_, state))) => format!("PANIC {state}"),
        // The draft's form of the line has the program itself.
        ("program", Some((_, program))) => match program.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok())
        {
            Some(program) => format!("program blake2b-256={:?}", Hash::of(&program)),
            None => line.to_owned(),
        },
        _ => line.to_owned(),
    }
}

/// Cuts the registers from the ends of invocations that show none on the best tier (see [`tvm_abi::Observed`]).
pub fn without_unseen_registers(logs: &[Log]) -> Vec<Log> {
    let cut = |line: &String| match line.split_once(" r") {
        Some((start, _)) if line.starts_with("PANIC") || line.starts_with("OOG") => start.to_owned(),
        _ => line.clone(),
    };
    logs.iter().map(|log| log.iter().map(cut).collect()).collect()
}

/// Notes how many invocations there are if that differs, and the first line that differs in each.
pub fn compare_logs(expected: &[Log], found: &[Log], differences: &mut Differences) {
    differences.expect("invocations", expected.len(), found.len());
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        let lines = expected.len().max(found.len());
        let Some(at) = (0..lines).find(|&at| expected.get(at) != found.get(at)) else { continue };
        let call = expected[..at.min(expected.len())].iter().rfind(|line| line.starts_with("ecalli"));
        let show = |log: &Log| log.get(at).map_or("the end".to_owned(), |line| line.chars().take(300).collect());
        differences.note(format_args!(
            "invocation {number}, binding line {at}: expected {}, found {} (after {})",
            show(expected),
            show(found),
            call.map_or("the start", |call| call)
        ));
    }
}

/// Runs services as [`Tvm`] does and records each.
#[derive(Debug)]
pub struct Recorder<'a> {
    tvm: &'a Tvm,
    text: Mutex<String>,
}

impl<'a> Recorder<'a> {
    /// Nothing recorded yet.
    #[must_use]
    pub fn new(tvm: &'a Tvm) -> Self {
        Self { tvm, text: Mutex::default() }
    }

    /// What was recorded, in the order in which invocations ended.
    #[must_use]
    pub fn logs(&self) -> Vec<Log> {
        split_logs(&self.text.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, writer: TraceWriter<Vec<u8>>) -> Result<(), Error> {
        let host = |error: HostError| Error::Host(error);
        let bytes = writer.finish().map_err(|error| host(error.into()))?;
        let text = String::from_utf8(bytes).map_err(|error| host(error.into()))?;
        self.text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        Ok(())
    }
}

impl Invoke for Recorder<'_> {
    fn accumulate(&self, invocation: &Invocation<'_>) -> Result<Accumulated, Error> {
        let mut writer = TraceWriter::new(Vec::new());
        let accumulated = self.tvm.accumulate_observed(invocation, Some(&mut writer))?;
        self.add(writer)?;
        Ok(accumulated)
    }

    fn on_transfer(&self, invocation: &Invocation<'_>, transfers: &[DeferredTransfer]) -> Result<Transferred, Error> {
        self.tvm.on_transfer(invocation, transfers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
TRACE [  ecalli] program 0x00
start pc=5 gas=100
INFO something else
ecalli=1 pc=7 gas=90 r00=0x1
memread 0x00010000 len=1 -> 0x05
setgas <- 80
PANIC=1 pc=7 gas=80

program blake2b-256=0x12
start pc=5 gas=1
OOG pc=5 gas=0
";

    #[test]
    fn only_binding_lines_are_kept() {
        let logs = split_logs(LOG);
        assert_eq!(logs.len(), 2);
        let program = format!("program blake2b-256={:?}", Hash::of(&[0]));
        let expected =
            [&program[..], "start pc=5 gas=100", "ecalli=1 pc=7 gas=90 r00=0x1", "setgas <- 80", "PANIC pc=7 gas=80"];
        assert_eq!(logs[0], expected);
        assert_eq!(logs[1].len(), 3);
    }

    #[test]
    fn calls_that_cannot_be_paid_are_dropped() {
        let with_gas = |gas: u64| {
            let log =
                format!("program 0x\nstart pc=5 gas=20\necalli=20 pc=7 gas={gas} r00=0x1\nsetgas <- 0\nOOG pc=7 gas=0");
            split_logs(&log)[0].len()
        };
        assert_eq!([0, 9, 10].map(with_gas), [4, 4, 5]);
    }

    #[test]
    fn differences_name_the_line_and_the_call() {
        let expected = split_logs(LOG);
        let mut found = expected.clone();
        found[0][3] = "setgas <- 79".to_owned();
        found[1].pop();
        let mut differences = Differences::default();
        compare_logs(&expected, &expected, &mut differences);
        assert!(differences.is_empty());
        compare_logs(&expected, &found, &mut differences);
        let text = format!("{differences:?}");
        assert!(text.contains("line 3: expected setgas <- 80, found setgas <- 79 (after ecalli=1 pc=7"), "{text}");
        assert!(text.contains("expected OOG pc=5 gas=0, found the end (after the start)"), "{text}");
    }
}
