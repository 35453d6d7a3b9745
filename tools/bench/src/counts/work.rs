//! What is counted: compiling, verifying, loading, instances and calls, and guests.

use std::path::Path;

use anyhow::{Context as _, ensure};
use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::hash;
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Engine, EngineConfig, GuestExit, Instance, StopAtHostCalls};

use crate::guests;
use crate::programs::{Pool, Subject};

/// The same instructions everywhere, whatever the machine has beyond them.
const CPU: CpuFeatures = CpuFeatures::V3;

/// The version under which guests run.
const VERSION: GpVersion = GpVersion::V0_8_0;

/// Programs that are compiled.
const COMPILED: [&str; 2] = ["jam-bootstrap-service", "ed25519"];

/// Repetitions of what is short.
const TIMES: u32 = 100;

/// Does something, and says what. Callgrind counts what happens in [`counted_region`].
fn count(name: &str, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    counted_region(&mut work).with_context(|| name.to_owned())?;
    println!("{name}");
    Ok(())
}

#[inline(never)]
fn counted_region(work: &mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    work()
}

/// Does everything that is counted, in a fixed order.
pub fn run(guests: &Path) -> anyhow::Result<()> {
    let pool = Pool::of_guests(guests)?;
    for subject in pool.subjects().iter().filter(|subject| COMPILED.contains(&subject.name.as_str())) {
        compiling(subject)?;
    }
    let service = pool.joined(32 << 10)?;
    loading(&service)?;
    for tier in Tier::ALL {
        running(guests, tier)?;
    }
    Ok(())
}

fn compiling(subject: &Subject) -> anyhow::Result<()> {
    for tier in Tier::ALL {
        for version in [GpVersion::V0_7_2, VERSION] {
            let jam = subject.jam(version);
            let options = CompileOptions { version, container: Container::Jam, cpu: CPU, tier };
            // What is only done once in a process is not counted.
            let object = compile(jam, [0; 32], options)?;
            count(&format!("compile {}, {tier}, {version}", subject.name), || {
                let again = compile(jam, [0; 32], options)?;
                ensure!(again.len() == object.len(), "two compilations differ");
                Ok(())
            })?;
            tvm_loader::verify(&object)?;
            count(&format!("verify {}, {tier}, {version}", subject.name), || {
                tvm_loader::verify(&object)?;
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn config(tier: Tier, cache: Option<&Path>) -> EngineConfig {
    EngineConfig { cpu: Some(CPU), tiers: tier.into(), cache: cache.map(Path::to_owned), ..EngineConfig::default() }
}

fn loading(subject: &Subject) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::new(config(Tier::Best, Some(folder.path())))?;
    let jam = subject.jam(VERSION);
    let code_hash = hash(jam);
    let load = || engine.load(VERSION, Container::Jam, code_hash, || Ok(jam));
    // The first load stores the object, the second one checks it.
    for _ in 0..2 {
        drop(load()?);
        engine.unload_idle();
    }
    let times = |work: &mut dyn FnMut() -> anyhow::Result<()>| (0..TIMES).try_for_each(|_| work());
    count(&format!("{TIMES} loads from the cache"), || {
        times(&mut || {
            drop(load()?);
            engine.unload_idle();
            Ok(())
        })
    })?;
    let module = load()?;
    count(&format!("{TIMES} loads within the process"), || {
        times(&mut || {
            drop(load()?);
            Ok(())
        })
    })?;
    let arguments = [1, 2, 3];
    let mut instance = Instance::standard(&engine, &module, &arguments)?;
    call(&mut instance)?;
    count(&format!("{TIMES} instances"), || {
        times(&mut || {
            drop(Instance::standard(&engine, &module, &arguments)?);
            Ok(())
        })
    })?;
    count(&format!("{TIMES} resets"), || times(&mut || Ok(instance.reset(&arguments)?)))?;
    count(&format!("{TIMES} empty calls"), || {
        times(&mut || {
            instance.state_mut().regs[0] = tvm_isa::layout::HALT_ADDRESS.into();
            call(&mut instance)
        })
    })
}

fn call(instance: &mut Instance) -> anyhow::Result<()> {
    guests::start(instance);
    let exit = instance.run(&mut StopAtHostCalls)?;
    ensure!(exit == GuestExit::Halt, "expected a halt, found {exit:?}");
    Ok(())
}

fn running(folder: &Path, tier: Tier) -> anyhow::Result<()> {
    let engine = Engine::new(config(tier, None))?;
    for guest in guests::read(folder, VERSION, "small")? {
        let module = guest.load(&engine, VERSION)?;
        let mut instance = Instance::standard(&engine, &module, &guest.args)?;
        count(&format!("run {}, {tier}", guest.name), || call(&mut instance))?;
        let regs = &instance.state().regs;
        let output = instance.memory().read(regs[7], regs[8])?;
        ensure!(output == guest.output, "{}: the output is wrong", guest.name);
    }
    Ok(())
}
