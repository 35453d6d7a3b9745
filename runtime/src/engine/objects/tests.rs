//! Code that is not safe, which the compiler does not make.

use tvm_abi::sections::TEXT_FILE_OFFSET;
use tvm_compiler::compile;
use tvm_isa::{Container, GpVersion};

use super::*;
use crate::engine::load::or_interpreted;

/// A program of one trap.
const PROGRAM: [u8; 5] = [0, 0, 1, 0, 1];

const KEY: ModuleKey = ModuleKey { version: GpVersion::V0_7_2, container: Container::Raw, code_hash: [7; 32] };

/// Where in an object the first instruction behind the jumps to the stubs is: a charge.
const CHARGE: usize = TEXT_FILE_OFFSET as usize + 24;

/// An object whose first instruction reads the host's memory.
fn compile_badly(options: CompileOptions) -> Result<Vec<u8>, LoadError> {
    let mut object = compile(&PROGRAM, KEY.code_hash, options)?;
    // mov rax, [rax]; nop
    object[CHARGE..CHARGE + 4].copy_from_slice(&[0x48, 0x8b, 0x00, 0x90]);
    Ok(object)
}

fn objects(verification: Verification, directory: &std::path::Path) -> Objects {
    Objects::new(CpuFeatures::host(), Some(Cache::open(directory).unwrap()), verification)
}

#[test]
fn code_that_is_not_safe_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let objects = objects(Verification::Always, directory.path());
    let violation = |error: LoadError| match error {
        LoadError::Machine(Error::Unsafe(violation)) => violation,
        other => panic!("expected it not to be safe, found {other}"),
    };
    let refused = violation(objects.make(KEY, Tier::Fast, compile_badly).unwrap_err());
    assert_eq!((refused.at.0, refused.rule), (24, tvm_loader::Rule::Memory));
    let refused = violation(objects.store(KEY, Tier::Best, compile_badly).unwrap_err());
    assert_eq!(refused.rule, tvm_loader::Rule::Memory);
    assert_eq!(objects.counters.snapshot().refused, 2);
    assert_eq!(objects.cache.as_ref().unwrap().stat().entries, 0);
    // Its program is interpreted; other failures stay failures.
    let unsafe_code = || Err(LoadError::Machine(refused.clone().into()));
    assert!(or_interpreted(unsafe_code()).unwrap().is_none());
    assert!(or_interpreted(Err(Error::NoCache.into())).is_err());
}

#[test]
fn what_is_not_to_be_verified_is_not() {
    for (verification, tier) in [(Verification::Never, Tier::Best), (Verification::Best, Tier::Fast)] {
        let directory = tempfile::tempdir().unwrap();
        let objects = objects(verification, directory.path());
        // It is not run here.
        objects.store(KEY, tier, compile_badly).unwrap();
        assert_eq!((objects.counters.snapshot().refused, objects.cache.as_ref().unwrap().stat().entries), (0, 1));
    }
}

#[test]
fn code_without_an_object_is_verified_as_well() {
    let objects = Objects::new(CpuFeatures::host(), None, Verification::Always);
    for tier in Tier::ALL {
        objects.make_uncached(KEY, tier, &PROGRAM).unwrap();
    }
    assert_eq!(objects.counters.snapshot().refused, 0);
}
