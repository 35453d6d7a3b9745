//! Loads from caches with many objects.

use std::process::Command;

use anyhow::{Context as _, ensure};
use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::{Cache, hash};
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Engine, EngineConfig};

use crate::Options;
use crate::programs::Pool;
use crate::start::warm::NewProcess;
use crate::stats::{Samples, duration};
use crate::table::Table;

const VERSION: GpVersion = GpVersion::V0_8_0;

/// Objects in the cache.
const COUNTS: [u32; 5] = [1, 10, 100, 1000, 10_000];

/// Most objects in a quick run.
const QUICK: u32 = 1000;

/// Fills one cache step by step. The programs differ in their metadata alone, so that they have different hashes.
pub fn measure(options: &Options) -> anyhow::Result<Table> {
    let columns =
        ["objects", "on disk", "storing one", "engine made", "first load", "next load", "loads in one process"];
    let mut table = Table::new("Caches with many objects (2 KB programs): warm loads", &columns);
    let folder = tempfile::tempdir()?;
    let directory = folder.path().join("cache");
    let subject = Pool::of_guests(&options.guests)?.joined(2 << 10)?;
    let program = |number: u32| [&[4][..], &number.to_le_bytes(), &subject.jam(VERSION)[1..]].concat();
    let engine = Engine::new(EngineConfig {
        tiers: Tier::Best.into(),
        cache: Some(directory.clone()),
        ..EngineConfig::default()
    })?;
    let cache: &Cache = engine.cache().context("the engine has a cache")?;
    let compile_options =
        CompileOptions { version: VERSION, container: Container::Jam, cpu: CpuFeatures::host(), tier: Tier::Best };
    let (mut stored, mut bytes) = (0, 0);
    for count in COUNTS.into_iter().filter(|&count| !options.quick || count <= QUICK) {
        eprintln!("{count} objects in a cache");
        let mut storing = Samples::default();
        for number in stored..count {
            let code = program(number);
            let object = compile(&code, hash(&code), compile_options)?;
            bytes += object.len();
            let parts = engine.key_parts(VERSION, Container::Jam, hash(&code), Tier::Best);
            storing.time(|| Ok(cache.publish(&parts, &object)?))?;
        }
        stored = count;
        cache.flush();
        // Two that were stored first and last: there is one alone at first.
        let chosen = [0, count - 1].map(|number| hex::encode(hash(&program(number))));
        let mut steps = vec![Samples::default(); 3];
        let mut warm = Samples::default();
        for round in 0..=options.rounds() {
            let output = Command::new(std::env::current_exe()?)
                .args(["warm-load", "tvm"])
                .arg(&directory)
                .args(&chosen)
                .output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let NewProcess { engine: made, first, next, .. } = serde_json::from_slice(&output.stdout)?;
            // The first process checks the files.
            if round > 0 {
                steps.iter_mut().zip([made, first, next]).for_each(|(all, one)| all.extend([one]));
            }
            // Others every time, spread over all there are.
            let hashes: Vec<[u8; 32]> =
                (0..100).map(|turn| hash(&program((turn * 7919 + round as u32 * 31) % count))).collect();
            let mut next = hashes.iter().cycle();
            let mut loads = || {
                let code_hash = *next.next().context("there are hashes")?;
                let missing = || Err::<[u8; 0], _>("it is in the cache".into());
                drop(engine.load(VERSION, Container::Jam, code_hash, missing)?);
                engine.unload_idle();
                Ok(())
            };
            (0..hashes.len()).try_for_each(|_| loads())?;
            warm.time_many(hashes.len() as u32, loads)?;
        }
        let mut row = vec![count.to_string(), format!("{} KB", bytes >> 10), duration(storing.median())];
        row.extend(steps.iter().map(|step| duration(step.median())));
        row.push(warm.describe());
        table.rows.push(row);
    }
    Ok(table)
}
