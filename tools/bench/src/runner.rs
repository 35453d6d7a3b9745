//! What the engines that run guests have in common.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tvm_isa::GpVersion;

use crate::goals::Figure;
use crate::guests::Guest;

/// An engine, set up in one of its ways.
pub trait Contender {
    /// What people know it by.
    fn name(&self) -> &str;

    /// The opcode numbers in which it takes guests.
    fn version(&self) -> GpVersion {
        GpVersion::V0_8_0
    }

    /// Whether it interprets: then one run is enough to know how far behind it is.
    fn interprets(&self) -> bool {
        false
    }

    /// Sets a guest up, built for [`Contender::version`].
    fn set_up(&self, guest: &Guest) -> anyhow::Result<Box<dyn Runner>>;
}

/// An engine that takes part, and which goal speaks of it.
pub struct Entry {
    pub contender: Box<dyn Contender>,
    pub goal: Option<Figure>,
}

/// A guest set up in one engine: entered at its start as often as wanted, in the same memory. The guests initialise
/// whatever they read, so every run computes the same; and pages touched for the first time are not part of what is timed.
pub trait Runner {
    /// Runs the guest once, to its end. The time is that for which the processor ran it ([`crate::clock`]), without
    /// putting arguments in place.
    fn run(&mut self) -> anyhow::Result<Duration>;

    /// What the last run put out.
    fn output(&mut self) -> anyhow::Result<Vec<u8>>;

    /// The gas that the last run used, if this engine counts the gas of its version's Gray Paper.
    fn gas(&self) -> Option<u64> {
        None
    }
}

/// Sets a guest up and runs it once; what it puts out must be right. Also gives the time of that run.
pub fn set_up(contender: &dyn Contender, guest: &Guest) -> anyhow::Result<(Box<dyn Runner>, Duration)> {
    let name = || format!("{} on {}", guest.name, contender.name());
    let mut runner = contender.set_up(guest).with_context(name)?;
    let took = runner.run().with_context(name)?;
    check(runner.as_mut(), guest, contender.name())?;
    Ok((runner, took))
}

/// Checks what the last run put out.
pub fn check(runner: &mut dyn Runner, guest: &Guest, engine: &str) -> anyhow::Result<()> {
    let output = runner.output()?;
    let (expected, found) = (hex::encode(&guest.output), hex::encode(&output));
    ensure!(expected == found, "{} on {engine}: expected {expected}, found {found}", guest.name);
    Ok(())
}
