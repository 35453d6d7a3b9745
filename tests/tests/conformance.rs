//! The public vectors inside `cargo test`.

use tvm_isa::GpVersion;
use tvm_tests::conformance::{self, Options, Suite};
use tvm_tests::machine::{Engine, InterpreterEngine};
use tvm_tests::vectors;

fn engines() -> Vec<Box<dyn Engine>> {
    vec![Box::new(InterpreterEngine)]
}

/// Runs a suite, of which this many cases are there.
fn check(suite: Suite, directory: &str, version: GpVersion, expected_cases: usize) {
    let Some(directory) = vectors::find(directory) else {
        return;
    };
    let cases = conformance::load(suite, &directory, &Options { version, blobs: None }).expect("readable vectors");
    assert_eq!(cases.len(), expected_cases);
    let report = conformance::run(&cases, &engines());
    assert_eq!((report.passed, report.failed), (expected_cases, 0), "\n{report}");
}

#[test]
fn instructions() {
    check(Suite::Instructions, "pvm-programs", GpVersion::V0_7_2, 307);
}

#[test]
fn instructions_under_0_7_0() {
    check(Suite::Instructions, "pvm-programs", GpVersion::V0_7_0, 307);
}

#[test]
fn steps_under_0_7_2() {
    check(Suite::Steps, "gas-cost/programs", GpVersion::V0_7_2, 356);
}

#[test]
fn steps_and_gas_under_0_8_0() {
    check(Suite::Steps, "gas-cost/programs", GpVersion::V0_8_0, 356);
}

#[test]
fn standard_programs() {
    check(Suite::Spi, "spi", GpVersion::V0_7_2, 58);
}

#[test]
fn suites_refuse_versions_they_say_nothing_about() {
    let options = Options { version: GpVersion::V0_8_0, blobs: None };
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for suite in [Suite::Instructions, Suite::Spi] {
        let error = conformance::load(suite, here, &options).err().expect("refused");
        assert!(error.to_string().contains("0.8.0"), "{error}");
    }
}

#[test]
fn directories_without_vectors_are_errors() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    let missing = empty.path().join("nowhere");
    for suite in [Suite::Instructions, Suite::Steps, Suite::Spi] {
        assert!(conformance::load(suite, &missing, &Options::default()).is_err());
        assert!(conformance::load(suite, empty.path(), &Options::default()).is_err());
    }
}
