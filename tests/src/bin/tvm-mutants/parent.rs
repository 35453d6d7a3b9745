//! Who starts the processes in which mutants run, and counts.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tvm_abi::Tier;
use tvm_tests::mutants::Fate;

use crate::Args;

/// After so long without a word a mutant is taken to run for ever: gas is given back to it that it never paid. That is no harm.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many mutants met which fate.
#[derive(Default)]
struct Counts {
    refused: u64,
    ended: u64,
    contradicted: u64,
    endless: u64,
}

/// What a process did.
enum End {
    /// All that it had to do.
    Done,
    /// It ran the mutant with this number for ever, and was stopped.
    Endless(usize),
    /// It died of the mutant with this number, for this reason.
    Died(usize, String),
}

/// Runs all mutants of all programs. Gives whether all were contained.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let mut counts = Counts::default();
    let mut contained = true;
    for seed in (args.seed..).take(usize::try_from(args.programs)?) {
        for tier in Tier::ALL {
            let mut from = 0;
            while let Some(next) = match run_from(args, seed, tier, from, &mut counts)? {
                End::Done => None,
                End::Endless(number) => {
                    counts.endless += 1;
                    Some(number + 1)
                }
                End::Died(number, how) => {
                    println!("seed {seed}, {tier}: mutant {number} was accepted, and its process ended with {how}");
                    contained = false;
                    Some(number + 1)
                }
            } {
                from = next;
            }
        }
    }
    let Counts { refused, ended, contradicted, endless } = counts;
    let accepted = ended + contradicted + endless;
    let all = refused + accepted;
    println!(
        "{} programs of {}, on both tiers: {all} mutants, {refused} refused ({:.1} %); of {accepted} that ran {ended} ended as guests do, \
         {contradicted} were found to contradict what is known of them, {endless} ran for ever; {}",
        args.programs,
        args.gp,
        100.0 * refused as f64 / all.max(1) as f64,
        if contained { "all were contained" } else { "NOT ALL were contained" },
    );
    Ok(contained)
}

fn run_from(args: &Args, seed: u64, tier: Tier, from: usize, counts: &mut Counts) -> anyhow::Result<End> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seed", &seed.to_string(), "--gp", args.gp.name()]);
    command.args(args.values.then_some("--values"));
    command.args(["--child", tier.name(), &from.to_string()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let lines = lines(&mut child)?;
    let mut running = None;
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => match line.split_once(' ') {
                None => running = Some(line.parse()?),
                Some((_, fate)) => {
                    running = None;
                    match Fate::ALL.into_iter().find(|known| known.name() == fate) {
                        Some(Fate::Refused) => counts.refused += 1,
                        Some(Fate::Ended) => counts.ended += 1,
                        Some(Fate::Contradicted) => counts.contradicted += 1,
                        None => bail!("expected a fate, found `{line}`"),
                    }
                }
            },
            Err(RecvTimeoutError::Timeout) => {
                // A machine may be that slow; only one that runs a mutant is taken to be kept by it.
                let Some(number) = running else { continue };
                child.kill()?;
                child.wait()?;
                return Ok(End::Endless(number));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(End::Done);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let number = running.with_context(|| format!("seed {seed}, {tier}: no mutant was running: {said}"))?;
    Ok(End::Died(number, format!("{}: {}", output.status, said.trim())))
}

/// The lines that the process writes, as they come.
fn lines(child: &mut Child) -> anyhow::Result<Receiver<String>> {
    let out = BufReader::new(child.stdout.take().context("no pipe from the child")?);
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}
