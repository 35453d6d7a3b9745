//! The verifier accepts what the compiler makes, whatever the program, version, tier and CPU; and what it accepts is safe to run.

use std::process::Command;

use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::hash;
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};
use tvm_loader::{Loaded, Verified, verify};
use tvm_tests::differential::{ChainGenerator, Generator};
use tvm_tests::guests;

/// A seed whose first program is short.
const MUTANTS_SEED: &str = "3";

/// Compiles a program in every way and verifies what comes of it, as an object and mapped. Gives what was found in each; nothing if
/// it is no program of this version.
fn check(what: &str, version: GpVersion, container: Container, bytes: &[u8]) -> Vec<Verified> {
    let mut found = Vec::new();
    for cpu in [CpuFeatures::BASELINE, CpuFeatures::V3] {
        for tier in Tier::ALL {
            let options = CompileOptions { version, container, cpu, tier };
            let Ok(object) = compile(bytes, hash(bytes), options) else { continue };
            let verified = verify(&object).unwrap_or_else(|error| panic!("{what}, {options:?}: {error}"));
            let loaded = Loaded::from_bytes(&object, CpuFeatures::V3).expect("an object just made");
            assert_eq!(loaded.verify(), Ok(verified), "{what}, {options:?}");
            found.push(verified);
        }
    }
    found
}

#[test]
fn guests_are_safe() {
    for version in GpVersion::ALL {
        for name in guests::expected().expect("guests").keys() {
            let Ok(bytes) = guests::blob(version, name) else { continue };
            let found = check(name, version, Container::Jam, &bytes);
            let has_all = |it: &Verified| it.instructions > 0 && it.accesses > 0 && it.charges > 0 && it.jumps > 0;
            assert!(found.len() == 4 && found.iter().all(has_all), "{name}: {found:?}");
        }
    }
}

#[test]
fn generated_programs_are_safe() {
    for version in GpVersion::ALL {
        let mut generator = Generator::new(31, version, Vec::new());
        let mut dynamic = 0;
        for number in 0..1500 {
            let blob = generator.case().1.blob;
            let found = check(&format!("program {number}"), version, Container::Raw, &blob);
            dynamic += found.iter().map(|it| it.dynamic_jumps).sum::<u64>();
        }
        assert!(dynamic > 0);
    }
}

#[test]
fn chains_are_safe() {
    for version in GpVersion::ALL {
        let mut generator = ChainGenerator::new(32, version);
        for number in 0..20 {
            let chains = generator.program().expect("a program");
            check(&format!("chains {number}"), version, Container::Raw, &chains.case().blob);
        }
    }
}

/// Every bit of a small program's code is changed, and what the verifier accepts is run, in another process.
#[test]
fn what_is_accepted_comes_to_no_harm() {
    let output = Command::new(env!("CARGO_BIN_EXE_tvm-mutants"))
        .args(["--programs", "1", "--seed", MUTANTS_SEED])
        .output()
        .expect("the program that was built with this test");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("all were contained"), "{said}");
}
