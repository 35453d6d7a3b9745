//! The guests of the repository with what they must compute.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use tvm_cache::hash;
use tvm_isa::{Container, Gas, GpVersion, Pc};
use tvm_runtime::{Engine, Instance, Module};

/// Gas that no guest uses up.
pub const PLENTY: Gas = Gas(1 << 60);

/// A guest with one set of arguments.
pub struct Guest {
    pub name: String,
    pub blob: Vec<u8>,
    pub args: Vec<u8>,
    pub output: Vec<u8>,
}

#[derive(Deserialize)]
struct Expectation {
    case: String,
    args: String,
    output: String,
}

/// The guests that have a case of this name, built for this version.
pub fn read(folder: &Path, version: GpVersion, case: &str) -> anyhow::Result<Vec<Guest>> {
    let path = folder.join("expected.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let all: BTreeMap<String, Vec<Expectation>> = serde_json::from_str(&text)?;
    let mut guests = Vec::new();
    for (name, cases) in all {
        for Expectation { args, output, .. } in cases.into_iter().filter(|it| it.case == case) {
            let path = folder.join("blobs").join(version.name()).join(format!("{name}.jam"));
            let blob = std::fs::read(&path).with_context(|| path.display().to_string())?;
            guests.push(Guest { name: name.clone(), blob, args: hex::decode(args)?, output: hex::decode(output)? });
        }
    }
    Ok(guests)
}

impl Guest {
    /// Loads the guest into an engine.
    pub fn load(&self, engine: &Engine, version: GpVersion) -> anyhow::Result<Module> {
        Ok(engine.load(version, Container::Jam, hash(&self.blob), || Ok(&self.blob))?)
    }
}

/// Puts an instance where invocations enter.
pub fn start(instance: &mut Instance) {
    let state = instance.state_mut();
    state.pc = Pc(0);
    state.gas = PLENTY;
    // A guest that ran under 0.8.0 has paid for the block it stopped in, not for this one.
    state.charged = false;
}
