//! Running time of the guests.

use std::path::Path;

use anyhow::ensure;
use tvm_isa::GpVersion;
use tvm_runtime::{Backend, Engine, EngineConfig, Instance, StopAtHostCalls};

use crate::guests::{self, Guest};
use crate::stats::{Samples, duration};
use crate::table::Table;

/// Measures every guest's benchmark case.
pub fn measure(folder: &Path, rounds: usize) -> anyhow::Result<Table> {
    let version = GpVersion::V0_7_2;
    let compiled = Engine::new(EngineConfig::default())?;
    let interpreter = Engine::new(EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() })?;
    let columns = ["guest", "instructions", "compiled", "per instruction", "interpreter", "ratio"];
    let mut table = Table::new("Running time, GP 0.7.2, exact gas", &columns);
    for guest in guests::read(folder, version, "bench")? {
        table.rows.push(measure_guest(&guest, version, &compiled, &interpreter, rounds)?);
    }
    Ok(table)
}

fn measure_guest(
    guest: &Guest,
    version: GpVersion,
    compiled: &Engine,
    interpreter: &Engine,
    rounds: usize,
) -> anyhow::Result<Vec<String>> {
    let mut fast = Instance::standard(compiled, &guest.load(compiled, version)?, &guest.args)?;
    let mut slow = Instance::standard(interpreter, &guest.load(interpreter, version)?, &guest.args)?;
    let gas = guest.run(&mut fast)?;
    let mut interpreted = Samples::default();
    let reference = interpreted.time(|| guest.run(&mut slow))?;
    ensure!(gas == reference, "{}: compiled code used {gas} gas, the interpreter {reference}", guest.name);

    let mut samples = Samples::default();
    for _ in 0..rounds {
        fast.reset(&guest.args)?;
        guests::start(&mut fast);
        let exit = samples.time(|| fast.run(&mut StopAtHostCalls))?;
        guest.check(&fast, exit)?;
    }
    let median = samples.median();
    Ok(vec![
        guest.name.clone(),
        gas.to_string(),
        samples.describe(),
        format!("{:.2} ns", median / gas.0 as f64),
        duration(interpreted.median()),
        format!("{:.1}×", interpreted.median() / median),
    ])
}
