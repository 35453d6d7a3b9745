//! The process in which mutants run.

use std::io::Write as _;

use anyhow::Context as _;
use tvm_abi::Tier;
use tvm_runtime::{Engine, EngineConfig};
use tvm_tests::mutants::{Fate, Subject};

use crate::Args;

/// Runs what is accepted, and says what it does: the number of each mutant before it runs, its fate after.
pub fn run(args: &Args, from: &[String]) -> anyhow::Result<()> {
    let [tier, number] = from else { anyhow::bail!("expected a tier and a number, found {from:?}") };
    let tier: Tier = tier.parse().map_err(anyhow::Error::msg)?;
    let number: usize = number.parse()?;
    let subjects = Subject::of_seed(args.seed, args.gp, args.change())?;
    let subject = subjects.iter().find(|subject| subject.tier() == tier).context("there is one for each tier")?;
    let directory = tempfile::tempdir()?;
    let config =
        EngineConfig { cache: Some(directory.path().to_owned()), tiers: tier.into(), ..EngineConfig::default() };
    let engine = Engine::new(config)?;
    let mut out = std::io::stdout().lock();
    for number in number..subject.mutants() {
        let mut fate = Fate::Refused;
        if subject.is_accepted(number)? {
            writeln!(out, "{number}")?;
            out.flush()?;
            fate = subject.run(&engine, number).with_context(|| format!("mutant {number}"))?;
        }
        writeln!(out, "{number} {}", fate.name())?;
    }
    out.flush()?;
    Ok(())
}
