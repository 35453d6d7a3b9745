//! Generated programs.

use std::collections::BTreeMap;

use tvm_isa::{GuestAddr, Program};
use tvm_runtime::GuestExit;
use tvm_runtime::memory::Access;
use tvm_tests::differential::Case;
use tvm_tests::machine::Engine;

use crate::adapt::{Adapted, adapt};
use crate::blocks;
use crate::known::{Disagreement, Situation};
use crate::lockstep::{Agreement, Comparison, Environment, Outcome, lockstep};
use crate::machine::{Effect, Machine, Snapshot, Span};
use crate::ours::{Ours, VERSION, writable};
use crate::peer::Peer;

/// Stops after which a run is given up: enough to see that resuming works.
const MAX_STOPS: usize = 24;

/// Gas added when it runs out.
const MORE_GAS: u64 = 50;

/// Gas that a host call takes.
const HOST_CALL_GAS: u64 = 3;

/// What came of a case.
pub enum Verdict {
    /// Both engines agree on every run.
    Agreed {
        /// All exits.
        exits: Vec<GuestExit>,
        /// Blocks of the program, whose costs are the same.
        blocks: u64,
        /// Disagreements that are explained.
        known: BTreeMap<Disagreement, u64>,
    },
    /// Both refuse the program.
    Refused,
    /// TVM refuses the program for this reason, the polkavm crate runs it.
    RefusedByUs(String),
    /// The program exceeds a limit of the polkavm crate.
    BeyondPeer,
    /// They differ.
    Differs(String),
}

/// Runs a case with its own gas, with what it used, and with less.
pub fn check(case: &Case, engine: &dyn Engine, peer: &Peer) -> anyhow::Result<Verdict> {
    let program = match Program::parse(&case.blob) {
        Ok(program) => program,
        Err(error) => return Ok(refused(&error.to_string(), peer, case)),
    };
    if let Err(error) = program.validate(VERSION.rules()) {
        return Ok(refused(&error.to_string(), peer, case));
    }
    let Some(Adapted { case, peer_blob, closed, clamped }) = adapt(case) else {
        return Ok(Verdict::BeyondPeer);
    };
    let case = &case;
    let blocks = match blocks::compare(&case.blob, &peer_blob, peer)? {
        Ok(blocks) => blocks,
        Err(difference) => return Ok(Verdict::Differs(difference)),
    };
    let module = match peer.module(&peer_blob) {
        Ok(module) => module,
        Err(reason) => return Ok(Verdict::Differs(format!("TVM accepts the program, polkavm does not: {reason}"))),
    };
    let access = |page| access(case, page);
    let situation = Situation { program: Program::parse(&case.blob)?, access: &access, standard: false };
    let page = GuestAddr::PAGE_SIZE;
    let spans: Vec<Span> =
        writable(case).map(|pages| Span { start: pages.first * page, len: pages.count * page }).collect();
    let comparison = Comparison { situation: &situation, spans: &spans, max_stops: MAX_STOPS };

    let mut total = Agreement::default();
    total.known.extend([(Disagreement::OpenEnd, closed.into()), (Disagreement::ThirdRegister, clamped)]);
    let mut run = |gas: u64| -> anyhow::Result<Result<u64, String>> {
        let Some(mut ours) = Ours::bare(engine, case, gas)? else {
            return Ok(Err("TVM's engine refuses a program that is valid".to_owned()));
        };
        let mut theirs = peer.bare(&module, case, gas)?;
        let mut world = World { case, added: 0, calls: 0 };
        match lockstep(&mut ours, &mut theirs, &mut world, &comparison)? {
            Outcome::Agreed(Agreement { exits, gas_left, known }) => {
                total.exits.extend(exits);
                known.into_iter().for_each(|(key, count)| *total.known.entry(key).or_default() += count);
                Ok(Ok((gas + world.added).saturating_sub(gas_left)))
            }
            Outcome::Differs(difference) => Ok(Err(format!("with gas {gas}, {difference}"))),
        }
    };
    let used = match run(case.gas)? {
        Ok(used) => used,
        Err(difference) => return Ok(Verdict::Differs(difference)),
    };
    for gas in [used, used.saturating_sub(1), used / 2] {
        if let Err(difference) = run(gas)? {
            return Ok(Verdict::Differs(difference));
        }
    }
    let Agreement { exits, gas_left: _, known } = total;
    Ok(Verdict::Agreed { exits, blocks, known })
}

fn refused(reason: &str, peer: &Peer, case: &Case) -> Verdict {
    match peer.module(&case.blob) {
        Ok(_) => Verdict::RefusedByUs(reason.to_owned()),
        Err(_) => Verdict::Refused,
    }
}

/// Answers whatever a generated program stops with, so that it goes on.
struct World<'a> {
    case: &'a Case,
    /// Gas added so far, less what was taken.
    added: u64,
    calls: u64,
}

impl Environment for World<'_> {
    fn answer(&mut self, stop: &Snapshot, _machine: &mut dyn Machine) -> anyhow::Result<Option<Vec<Effect>>> {
        Ok(match stop.exit {
            GuestExit::Halt | GuestExit::Panic => None,
            GuestExit::HostCall(_) => {
                self.calls += 1;
                let gas = stop.gas.saturating_sub(HOST_CALL_GAS);
                Some(vec![Effect::Register(7, stop.regs[7].rotate_left(7) ^ self.calls), Effect::Gas(gas)])
            }
            GuestExit::OutOfGas => {
                self.added += MORE_GAS;
                Some(vec![Effect::Gas(stop.gas + MORE_GAS)])
            }
            GuestExit::PageFault(GuestAddr(page)) => {
                Some(vec![Effect::Map { page, readable: access(self.case, page) == Access::Read }])
            }
        })
    }
}

/// How the case maps the page that begins at this address.
pub fn access(case: &Case, address: u32) -> Access {
    let page = address / GuestAddr::PAGE_SIZE;
    let found = case.pages.iter().find(|pages| (pages.first..pages.first + pages.count).contains(&page));
    found.map_or(Access::None, |pages| if pages.writable { Access::Write } else { Access::Read })
}
