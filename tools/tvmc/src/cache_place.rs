//! Which cache a command uses.

use std::path::PathBuf;

use tvm_abi::{CpuFeatures, sections};
use tvm_cache::{Cache, KeyParts};
use tvm_compiler::COMPILER_IDENTITY;
use tvm_isa::{Container, GpVersion};

use crate::args::CacheDirArgs;
use crate::failure::Failure;

/// The directory that the command line names, else the environment's, else the platform's.
pub fn directory(args: &CacheDirArgs) -> Result<PathBuf, Failure> {
    match &args.cache {
        Some(named) => Ok(named.clone()),
        None => Ok(tvm_cache::default_dir()?),
    }
}

/// Opens the cache, creating it if need be.
pub fn open(args: &CacheDirArgs) -> Result<Cache, Failure> {
    Ok(Cache::open(directory(args)?)?)
}

/// Opens a cache that must be there already: a mistyped name must not make a new one.
pub fn open_existing(args: &CacheDirArgs) -> Result<Cache, Failure> {
    let directory = directory(args)?;
    if !directory.try_exists().map_err(|error| Failure::unreadable(&directory, error))? {
        return Err(Failure::usage(format_args!(
            "there is no cache at {}: `tvmc compile` or `tvmc run` make one",
            directory.display()
        )));
    }
    Ok(Cache::open(directory)?)
}

/// What the object of a program is filed under: the same that [`tvm_runtime::Engine::key_parts`] gives, but also for
/// CPUs that are not this machine's.
pub fn key_parts(gp: GpVersion, container: Container, code_hash: [u8; 32], cpu: CpuFeatures) -> KeyParts {
    KeyParts {
        code_hash,
        format_version: sections::FORMAT_VERSION,
        compiler: COMPILER_IDENTITY,
        gp_version: gp as u8,
        gas_model: gp.rules().gas as u8,
        container: container as u8,
        cpu_features: cpu.bits(),
        options: 0,
    }
}

#[cfg(test)]
mod tests {
    use tvm_runtime::{Engine, EngineConfig};

    use super::*;

    #[test]
    fn the_engine_looks_for_what_is_compiled_here() {
        for cpu in [CpuFeatures::BASELINE, CpuFeatures::host()] {
            let engine = Engine::new(EngineConfig { cpu: Some(cpu), ..EngineConfig::default() }).unwrap();
            for gp in GpVersion::ALL {
                for container in [Container::Raw, Container::Standard, Container::Jam] {
                    let ours = key_parts(gp, container, [7; 32], cpu);
                    assert_eq!(ours, engine.key_parts(gp, container, [7; 32]));
                }
            }
        }
    }
}
