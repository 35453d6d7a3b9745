//! What a run of the tool came to.

use std::collections::BTreeMap;
use std::fmt;

use tvm_runtime::GuestExit;
use tvm_tests::differential::{Case, Coverage, Kind};

use crate::generated::Verdict;
use crate::guests::{Ran, Session};
use crate::known::Disagreement;
use crate::ours::VERSION;

/// Of how many generated programs one is looked at for the instructions it executes.
const COVERAGE_SAMPLE: u64 = 8;

/// Counts and failures.
#[derive(Default)]
pub struct Report {
    /// Blocks whose costs agree.
    blocks: u64,
    /// Generated programs on which the engines agree.
    agreed: u64,
    /// Programs that both refuse.
    refused: u64,
    /// Programs that TVM alone refuses, by reason.
    refused_by_us: BTreeMap<String, u64>,
    /// Programs beyond the limits of the polkavm crate.
    beyond_peer: u64,
    /// How often each explained disagreement was met.
    known: BTreeMap<Disagreement, u64>,
    coverage: Coverage,
    /// A line for each guest session that agrees.
    sessions: Vec<String>,
    /// What differs.
    pub failures: Vec<String>,
}

impl Report {
    /// Counts the blocks of a program.
    pub fn blocks(&mut self, compared: Result<u64, String>) {
        match compared {
            Ok(blocks) => self.blocks += blocks,
            Err(difference) => self.failures.push(difference),
        }
    }

    /// Counts a generated program. Without its kind, as in a replay, it does not count for coverage.
    pub fn case(&mut self, kind: Option<Kind>, case: &Case, verdict: Verdict) {
        match verdict {
            Verdict::Agreed { exits, blocks, known } => {
                self.agreed += 1;
                self.blocks += blocks;
                self.explained(known);
                if let Some(kind) = kind {
                    self.coverage.exits(kind, &exits);
                    if self.agreed.is_multiple_of(COVERAGE_SAMPLE)
                        && let Err(error) = self.coverage.operations(case)
                    {
                        self.failures.push(format!("coverage: {error:#}"));
                    }
                }
            }
            Verdict::Refused => self.refused += 1,
            Verdict::RefusedByUs(reason) => *self.refused_by_us.entry(reason).or_default() += 1,
            Verdict::BeyondPeer => self.beyond_peer += 1,
            Verdict::Differs(difference) => self.failures.push(difference),
        }
    }

    /// Counts a session of a guest.
    pub fn session(&mut self, session: &Session, ran: Result<Ran, String>) {
        let Session { guest, name, .. } = session;
        match ran {
            Ok(Ran { exit, gas_used, host_calls, known }) => {
                let exit = match exit {
                    GuestExit::Halt => "halt",
                    _ => "panic",
                };
                self.explained(known);
                self.sessions.push(format!("{guest}, {name}: {exit}, {gas_used} gas, {host_calls} host calls"));
            }
            Err(difference) => self.failures.push(format!("{guest}, {name}: {difference}")),
        }
    }

    /// Adds another worker's report.
    pub fn add(&mut self, other: Self) {
        let Self { blocks, agreed, refused, refused_by_us, beyond_peer, known, coverage, sessions, failures } = other;
        self.blocks += blocks;
        self.agreed += agreed;
        self.refused += refused;
        refused_by_us.into_iter().for_each(|(why, count)| *self.refused_by_us.entry(why).or_default() += count);
        self.beyond_peer += beyond_peer;
        self.explained(known);
        self.coverage.add(coverage);
        self.sessions.extend(sessions);
        self.failures.extend(failures);
    }

    fn explained(&mut self, known: BTreeMap<Disagreement, u64>) {
        known.into_iter().for_each(|(which, count)| *self.known.entry(which).or_default() += count);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, agreed, refused, refused_by_us, beyond_peer, known, coverage, sessions, failures } = self;
        for session in sessions {
            writeln!(f, "{session}")?;
        }
        if *agreed > 0 {
            let exits: Vec<_> = coverage.exits.iter().map(|(name, count)| format!("{name} {count}")).collect();
            let missing = coverage.missing(VERSION);
            let missing = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
            writeln!(f, "stops: {}\ninstructions never executed: {missing}", exits.join(", "))?;
        }
        writeln!(f, "refused by both: {refused}; beyond polkavm's limits: {beyond_peer}")?;
        for (why, count) in refused_by_us {
            writeln!(f, "refused by TVM alone: {count}, {why}")?;
        }
        for (which, count) in known {
            writeln!(f, "explained: {count}, {which}")?;
        }
        for failure in failures {
            writeln!(f, "DIFFERENT {failure}")?;
        }
        let agree =
            [format!("{blocks} block costs"), format!("{agreed} programs"), format!("{} sessions", sessions.len())];
        writeln!(f, "the same: {}; different: {}", agree.join(", "), failures.len())
    }
}
