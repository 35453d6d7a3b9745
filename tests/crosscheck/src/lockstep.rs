//! Two machines run side by side, compared at every stop.

use std::collections::BTreeMap;
use std::fmt;

use tvm_runtime::GuestExit;

use crate::known::{Disagreement, Situation, explain};
use crate::machine::{Effect, Machine, Snapshot, Span};

/// What the world does with a stopped machine.
pub trait Environment {
    /// What to change before the machine goes on; `None` to end the run here. Both machines get the same, `machine` is
    /// there to be looked at.
    fn answer(&mut self, stop: &Snapshot, machine: &mut dyn Machine) -> anyhow::Result<Option<Vec<Effect>>>;
}

/// What is compared, beyond the machines themselves.
pub struct Comparison<'a> {
    /// What is known about the program, to tell explained disagreements.
    pub situation: &'a Situation<'a>,
    /// Memory to compare at every stop.
    pub spans: &'a [Span],
    /// Stops after which the run is given up.
    pub max_stops: usize,
}

/// What a run came to.
pub enum Outcome {
    /// All stops agree, or differ in a way that is explained.
    Agreed(Agreement),
    /// A stop differs: which one, and in what.
    Differs(String),
}

/// The stops of a run on which both engines agree.
#[derive(Default)]
pub struct Agreement {
    /// The exits, in order.
    pub exits: Vec<GuestExit>,
    /// Gas left at the last stop.
    pub gas_left: u64,
    /// Disagreements that are explained.
    pub known: BTreeMap<Disagreement, u64>,
}

/// Runs both machines until one of them ends for good.
pub fn lockstep(
    ours: &mut dyn Machine,
    theirs: &mut dyn Machine,
    environment: &mut dyn Environment,
    comparison: &Comparison<'_>,
) -> anyhow::Result<Outcome> {
    let mut agreement = Agreement::default();
    for stop in 0..comparison.max_stops {
        let exit = ours.run()?;
        let mut our_stop = Snapshot::of(ours, exit, comparison.spans)?;
        let exit = theirs.run()?;
        let their_stop = Snapshot::of(theirs, exit, comparison.spans)?;
        if their_stop.pc.is_none() && exit == GuestExit::Halt {
            // Nobody can observe it: the Gray Paper has 0 here (A.1), polkavm nothing, TVM the jump that halted.
            our_stop.pc = None;
        }
        agreement.gas_left = our_stop.gas;
        if our_stop != their_stop {
            let Some((disagreement, same)) = explain(comparison.situation, &our_stop, &their_stop) else {
                let ours = Shown(&our_stop, &their_stop, comparison.spans);
                let theirs = Shown(&their_stop, &our_stop, comparison.spans);
                return Ok(Outcome::Differs(format!("at stop {stop}:\n  TVM     {ours}\n  polkavm {theirs}")));
            };
            *agreement.known.entry(disagreement).or_default() += 1;
            if !same {
                break;
            }
        }
        agreement.exits.push(our_stop.exit);
        let Some(effects) = environment.answer(&our_stop, ours)? else { break };
        for effect in &effects {
            ours.apply(effect)?;
            theirs.apply(effect)?;
        }
    }
    Ok(Outcome::Agreed(agreement))
}

/// A snapshot in words: of registers and memory only what differs from another one.
struct Shown<'a>(&'a Snapshot, &'a Snapshot, &'a [Span]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Snapshot { exit, pc, gas, regs, memory }, other, spans) = self;
        write!(f, "{exit:x?} at pc {pc:?}, gas {gas}")?;
        for (index, (mine, theirs)) in regs.iter().zip(&other.regs).enumerate() {
            if mine != theirs {
                write!(f, ", r{index} = {mine:#x}")?;
            }
        }
        for ((mine, theirs), span) in memory.iter().zip(&other.memory).zip(*spans) {
            if let Some(at) = mine.iter().zip(theirs).position(|(mine, theirs)| mine != theirs) {
                write!(f, ", memory at {:#x} is {:#04x}", span.start as usize + at, mine[at])?;
            }
        }
        Ok(())
    }
}
