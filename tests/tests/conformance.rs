//! The public vectors inside `cargo test`.

use tvm_abi::Tier;
use tvm_isa::GpVersion;
use tvm_tests::conformance::{self, Options, Suite};
use tvm_tests::machine::{CompiledEngine, Engine, InterpreterEngine};
use tvm_tests::vectors;

fn interpreter() -> Vec<Box<dyn Engine>> {
    vec![Box::new(InterpreterEngine)]
}

fn engines() -> Vec<Box<dyn Engine>> {
    let compiled = |tier| -> Box<dyn Engine> { Box::new(CompiledEngine::new(tier, false).expect("an engine")) };
    interpreter().into_iter().chain(Tier::ALL.map(compiled)).collect()
}

/// Runs a suite, of which this many cases are there.
fn check(suite: Suite, directory: &str, version: GpVersion, expected_cases: usize) {
    let Some(directory) = vectors::find(directory) else {
        return;
    };
    let cases = conformance::load(suite, &directory, &Options { version, blobs: None }).expect("readable vectors");
    assert_eq!(cases.len(), expected_cases);
    // Block costs are read from objects of every tier, whatever executes programs.
    let engines = if suite == Suite::Gas { interpreter() } else { engines() };
    let report = conformance::run(&cases, &engines);
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

/// A case for each of 5112 blocks of 356 small programs, 34317 of doom and 1663 of pinky, and one for each program.
#[test]
fn block_costs() {
    check(Suite::Gas, "gas-cost", GpVersion::V0_8_0, 5112 + 34317 + 1663 + 358);
}

#[test]
fn a_block_that_costs_something_else_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for folder in ["programs", "integration"] {
        std::fs::create_dir(directory.path().join(folder)).expect("a folder");
    }
    // Two blocks, of which the second has another cost and a third is none.
    let vector = serde_json::json!({
        "name": "two traps", "program": [0, 0, 2, 0, 0, 0b11], "block-gas-costs": { "0": 2, "1": 3, "7": 2 },
    });
    std::fs::write(directory.path().join("programs/traps.json"), vector.to_string()).expect("a vector");
    let options = Options { version: GpVersion::V0_8_0, blobs: None };
    let cases = conformance::load(Suite::Gas, directory.path(), &options).expect("readable vectors");
    let report = conformance::run(&cases, &interpreter()).to_string();
    let expected = "\
FAILED two traps block 1 (interpreter)
    cost: expected 3, found 2
    charge in fast code: expected Some(3), found Some(2)
    charge in best code: expected Some(3), found Some(2)
FAILED two traps block 7 (interpreter)
    charge in fast code: expected Some(2), found None
    charge in best code: expected Some(2), found None
FAILED two traps block starts (interpreter)
    no block starts at 7, expected one
1 passed, 3 failed
";
    assert_eq!(report, expected);
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
    for suite in [Suite::Instructions, Suite::Steps, Suite::Spi, Suite::Gas] {
        assert!(conformance::load(suite, &missing, &Options::default()).is_err());
        assert!(conformance::load(suite, empty.path(), &Options::default()).is_err());
    }
}

/// A program that traps at once, and what must be found of it.
fn trap_vector(expected_gas: u64) -> serde_json::Value {
    let zeros = vec![0; 13];
    serde_json::json!({
        "name": "trap",
        "initial-regs": zeros, "initial-pc": 0, "initial-gas": 10,
        "initial-page-map": [{ "address": 0x1_0000, "length": 4096, "is-writable": false }],
        "initial-memory": [{ "address": 0x1_0000, "contents": [1, 2] }],
        "program": [0, 0, 1, 0, 1],
        "expected-status": "panic",
        "expected-regs": zeros, "expected-pc": 0, "expected-gas": expected_gas,
        "expected-memory": [{ "address": 0x1_0000, "contents": [1, 2] }],
    })
}

/// Runs the program on one vector; gives its exit code and what it printed.
fn run_binary(vector: &serde_json::Value) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("trap.json"), vector.to_string()).expect("a vector");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tvm-conformance"))
        .args(["instructions".as_ref(), directory.path().as_os_str(), "--engine=interpreter".as_ref()])
        .output()
        .expect("the program runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn a_difference_is_named_and_fails_the_run() {
    assert_eq!(run_binary(&trap_vector(9)), (Some(0), "1 passed, 0 failed\n".to_owned()));
    let report = "FAILED trap (interpreter)\n    gas: expected 10, found 9\n0 passed, 1 failed\n";
    assert_eq!(run_binary(&trap_vector(10)), (Some(1), report.to_owned()));
}

#[test]
fn every_part_of_the_state_is_compared() {
    let wrong_registers: Vec<u64> = (0..13).collect();
    let changes = [
        ("expected-status", serde_json::json!("halt"), "exit: expected Halt, found Panic"),
        ("expected-pc", serde_json::json!(1), "program counter: expected Pc(1), found Pc(0)"),
        ("expected-regs", serde_json::json!(wrong_registers), "register 12: expected 0xc, found 0x0"),
        ("expected-memory", serde_json::json!([]), "memory at 0x10000: expected 0x00, found 0x01"),
        (
            "expected-memory",
            serde_json::json!([{ "address": 0x1_0fff, "contents": [0, 0] }]),
            "memory at 0x10fff: expected [0, 0], found it inaccessible",
        ),
        ("unknown", serde_json::json!(0), ""),
    ];
    for (field, value, expected_line) in changes {
        let mut vector = trap_vector(9);
        vector[field] = value;
        let (code, text) = run_binary(&vector);
        assert_eq!(code, Some(if expected_line.is_empty() { 2 } else { 1 }), "{field}: {text}");
        assert!(text.contains(expected_line), "{field}: {text}");
    }
}
