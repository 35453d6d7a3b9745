//! The guests of the repository, each in sessions with arguments and a host.

mod host;
mod sdk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use tvm_isa::layout::Layout;
use tvm_isa::{Program, StandardProgram, split_metadata};
use tvm_runtime::GuestExit;
use tvm_runtime::memory::Access;
use tvm_tests::machine::Engine;

use crate::known::{Disagreement, Situation};
use crate::lockstep::{Agreement, Comparison, Outcome, lockstep};
use crate::machine::{Machine, Span};
use crate::ours::{Ours, Start};
use crate::peer::Peer;
use host::Host;

/// Host calls after which a session is given up; none comes near it.
const MAX_STOPS: usize = 10_000;

/// More than any session uses.
const PLENTY: u64 = 1 << 40;

/// One way to run a guest.
pub struct Session {
    /// The guest's name.
    pub guest: String,
    /// What is tried, unique for the guest.
    pub name: String,
    /// Where the guest is entered.
    pub entry: u32,
    /// Its arguments.
    pub arguments: Vec<u8>,
    /// What `fetch` finds, by kind.
    pub fetched: BTreeMap<u64, Vec<u8>>,
}

/// What came of a session.
pub struct Ran {
    /// How the guest ended.
    pub exit: GuestExit,
    /// The gas it used.
    pub gas_used: u64,
    /// Host calls it made.
    pub host_calls: usize,
    /// Disagreements that are explained.
    pub known: BTreeMap<Disagreement, u64>,
}

/// All sessions of the guests in `folder`, by guest; an error if a guest has none.
pub fn sessions(folder: &Path) -> anyhow::Result<Vec<(Vec<u8>, Session)>> {
    let mut all = sdk::sessions();
    all.extend(measured(&folder.join("../../expected.json"))?);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a guest without a name")?;
        let (its, others) = all.into_iter().partition::<Vec<_>, _>(|session| session.guest == name);
        all = others;
        ensure!(!its.is_empty(), "no session for the guest {name}: add one in tests/crosscheck/src/guests");
        let jam = std::fs::read(&path).with_context(|| path.display().to_string())?;
        found.extend(its.into_iter().map(|session| (jam.clone(), session)));
    }
    let missing: Vec<_> = all.iter().map(|session| &session.guest).collect();
    ensure!(missing.is_empty(), "no such guests in {}: {missing:?}", folder.display());
    Ok(found)
}

/// The sessions of the guests that make no host calls, at both entry points.
fn measured(path: &Path) -> anyhow::Result<Vec<Session>> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    let guests: BTreeMap<String, Vec<BTreeMap<String, Value>>> = serde_json::from_slice(&text)?;
    let mut sessions = Vec::new();
    for (guest, cases) in guests {
        for case in cases {
            let text = |key: &str| case.get(key).and_then(Value::as_str).with_context(|| format!("{guest}: no {key}"));
            let arguments = hex::decode(text("args")?)?;
            for entry in [0, 5] {
                sessions.push(Session {
                    guest: guest.clone(),
                    name: format!("{} at {entry}", text("case")?),
                    entry,
                    arguments: arguments.clone(),
                    fetched: BTreeMap::new(),
                });
            }
        }
    }
    Ok(sessions)
}

/// Runs a session with plenty of gas, with what it used, and with one less. `Err` tells how the engines differ.
pub fn check(jam: &[u8], session: &Session, engine: &dyn Engine, peer: &Peer) -> anyhow::Result<Result<Ran, String>> {
    let ran = match run(jam, session, engine, peer, PLENTY)? {
        Ok(ran) => ran,
        Err(difference) => return Ok(Err(difference)),
    };
    for (gas, exit) in [(ran.gas_used, ran.exit), (ran.gas_used.saturating_sub(1), GuestExit::OutOfGas)] {
        match run(jam, session, engine, peer, gas)? {
            // Guests that make host calls may ask for the gas, and do something else when it is another.
            Ok(again) if again.exit != exit && ran.host_calls == 0 => {
                return Ok(Err(format!("with gas {gas} both end with {:x?}, expected {exit:x?}", again.exit)));
            }
            Ok(_) => {}
            Err(difference) => return Ok(Err(difference)),
        }
    }
    Ok(Ok(ran))
}

fn run(
    jam: &[u8],
    session: &Session,
    engine: &dyn Engine,
    peer: &Peer,
    gas: u64,
) -> anyhow::Result<Result<Ran, String>> {
    let standard = StandardProgram::parse(split_metadata(jam)?.1)?;
    let layout = Layout::new(standard.sizes()).map_err(|found| anyhow::anyhow!("{found} bytes of memory"))?;
    let spans: Vec<Span> = [layout.ro, layout.rw, layout.stack]
        .iter()
        .filter(|region| region.len > 0)
        .map(|region| Span { start: region.start.0, len: region.len })
        .collect();
    let situation = Situation { program: Program::parse(standard.program)?, access: &|_| Access::None, standard: true };
    let comparison = Comparison { situation: &situation, spans: &spans, max_stops: MAX_STOPS };

    let start = Start { entry: session.entry, arguments: session.arguments.clone(), gas };
    let mut ours = Ours::standard(engine, jam, &start)?;
    let mut theirs = peer.standard(jam, &start)?;
    let mut host = Host::new(&session.fetched, &layout);
    match lockstep(&mut ours, &mut theirs, &mut host, &comparison)? {
        Outcome::Differs(difference) => Ok(Err(format!("with gas {gas}, {difference}"))),
        Outcome::Agreed(Agreement { exits, gas_left, known }) => {
            if let Some(Span { start, len }) = host.grown()
                && ours.read(start, len)? != theirs.read(start, len)?
            {
                return Ok(Err(format!("with gas {gas}: the memory that grow_heap made differs")));
            }
            // A disagreement that ends a run is not among the exits.
            let exit = exits.last().copied().filter(|exit| !matches!(exit, GuestExit::HostCall(_)));
            ensure!(exit.is_some() || !known.is_empty(), "{MAX_STOPS} host calls are not enough");
            let host_calls = exits.iter().filter(|exit| matches!(exit, GuestExit::HostCall(_))).count();
            let used = gas - gas_left;
            Ok(Ok(Ran { exit: exit.unwrap_or(GuestExit::Panic), gas_used: used, host_calls, known }))
        }
    }
}
