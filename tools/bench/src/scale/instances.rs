//! Many instances that live at the same time.

use anyhow::ensure;
use tvm_abi::Tier;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Engine, EngineConfig, GuestExit, Instance, StopAtHostCalls};

use super::once::status;
use crate::Options;
use crate::guests;
use crate::start::{arguments, sum};
use crate::stats::{Samples, duration};
use crate::table::Table;

const VERSION: GpVersion = GpVersion::V0_8_0;

/// Instances that live at the same time.
const COUNTS: [u32; 4] = [1, 10, 100, 1000];

/// Times and memory of each of many instances, which all have run.
pub fn measure(options: &Options) -> anyhow::Result<Table> {
    let columns = ["instances", "make one", "its first call", "another call", "resident memory each", "drop one"];
    let mut table = Table::new("Live instances (`sum`), the times for each", &columns);
    let blob = sum(&options.guests)?;
    let arguments = arguments();
    for count in COUNTS {
        let mut times = vec![Samples::default(); 4];
        let mut memory = Samples::default();
        for _ in 0..options.rounds().min(11) {
            // A new engine: its pool is empty.
            let engine = Engine::new(EngineConfig { tiers: Tier::Best.into(), ..EngineConfig::default() })?;
            let module = engine.load(VERSION, Container::Jam, tvm_cache::hash(&blob), || Ok(&blob))?;
            let before = status("VmRSS:")?;
            let mut instances = Vec::with_capacity(count as usize);
            times[0].time_many(count, || {
                instances.push(Instance::standard(&engine, &module, &arguments)?);
                Ok(())
            })?;
            times[1].time_shared(count.into(), || instances.iter_mut().try_for_each(call))?;
            times[2].time_shared(count.into(), || instances.iter_mut().try_for_each(again))?;
            memory.extend([(status("VmRSS:")?.saturating_sub(before) / u64::from(count)) as f64]);
            times[3].time_shared(count.into(), || {
                instances.clear();
                Ok(())
            })?;
        }
        let shown: Vec<String> = times.iter().map(|times| duration(times.median())).collect();
        let memory = format!("{:.0} KB", memory.median() / 1024.0);
        table.rows.push(vec![
            count.to_string(),
            shown[0].clone(),
            shown[1].clone(),
            shown[2].clone(),
            memory,
            shown[3].clone(),
        ]);
    }
    Ok(table)
}

fn call(instance: &mut Instance) -> anyhow::Result<()> {
    guests::start(instance);
    let exit = instance.run(&mut StopAtHostCalls)?;
    ensure!(exit == GuestExit::Halt, "expected a halt, found {exit:?}");
    Ok(())
}

/// Calls it as it was called before: the call left its result in these registers.
fn again(instance: &mut Instance) -> anyhow::Result<()> {
    let regs = &mut instance.state_mut().regs;
    regs[0] = tvm_isa::layout::HALT_ADDRESS.into();
    (regs[7], regs[8]) = (tvm_isa::layout::ARGUMENTS_START.0.into(), arguments().len() as u64);
    call(instance)
}
