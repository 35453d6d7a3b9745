//! Short runs of what `tvm-differential` does for long.

use std::path::Path;

use tvm_abi::Tier;
use tvm_isa::{GpVersion, Program, StandardProgram, split_metadata};
use tvm_tests::differential::{ChainGenerator, Coverage, Generator, compare, shrink};
use tvm_tests::machine::{CompiledEngine, InterpreterEngine};

/// Programs in each run.
const PROGRAMS: u64 = 2000;
/// Programs of chains in each run, 128 chains each.
const PROGRAMS_OF_CHAINS: u64 = 300;

/// Program blobs of this repository's guests, to be mutated.
fn corpus(version: GpVersion) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/blobs").join(version.name());
    ["sum", "fibonacci", "sieve", "quicksort", "interpreter"]
        .iter()
        .map(|name| {
            let bytes = std::fs::read(folder.join(format!("{name}.jam"))).expect("the guest is in the repository");
            let (_, standard) = split_metadata(&bytes).expect("a JAM blob");
            let blob = StandardProgram::parse(standard).expect("a standard program").program;
            assert!(Program::parse(blob).is_ok());
            blob.to_vec()
        })
        .collect()
}

fn agree(version: GpVersion, baseline: bool, seed: u64) {
    let compiled = Tier::ALL.map(|tier| CompiledEngine::new(tier, baseline).expect("an engine"));
    let mut generator = Generator::new(seed, version, corpus(version));
    let mut coverage = Coverage::default();
    for index in 0..PROGRAMS {
        let (kind, case) = generator.case();
        match compare(&case, &InterpreterEngine, &compiled).expect("both engines work") {
            Ok(agreement) => coverage.exits(kind, &agreement.exits),
            Err(_) => {
                let case = shrink(&case, |case| matches!(compare(case, &InterpreterEngine, &compiled), Ok(Err(_))));
                let difference = compare(&case, &InterpreterEngine, &compiled).expect("both engines work").err();
                let case = serde_json::to_string(&case).expect("a case serialises");
                panic!("program {index} ({kind:?}): {}\n{case}", difference.expect("the shrunk case still differs"));
            }
        }
        coverage.operations(&case).expect("the interpreter works");
    }
    assert_eq!(coverage.missing(version), [""; 0], "operations that no program executed");
    assert_eq!(coverage.missing_exits(), [""; 0], "exits that no program reached");
}

#[test]
fn gas_per_instruction() {
    agree(GpVersion::V0_7_2, false, 1);
}

#[test]
fn plain_x86_64() {
    agree(GpVersion::V0_7_2, true, 2);
}

#[test]
fn gas_per_block() {
    agree(GpVersion::V0_8_0, false, 3);
}

fn chains_agree(version: GpVersion, seed: u64) {
    let compiled = Tier::ALL.map(|tier| CompiledEngine::new(tier, false).expect("an engine"));
    let mut generator = ChainGenerator::new(seed, version);
    for index in 0..PROGRAMS_OF_CHAINS {
        let program = generator.program().expect("the interpreter works");
        let different = generator.check(&program, &compiled).expect("all engines work");
        assert!(different.is_none(), "program {index} of seed {seed}; `tvm-differential --chains` shows the chain");
    }
}

#[test]
fn chains() {
    chains_agree(GpVersion::V0_7_2, 1);
}

#[test]
fn chains_with_gas_per_block() {
    chains_agree(GpVersion::V0_8_0, 2);
}
