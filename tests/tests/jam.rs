//! The suites that need a node, inside `cargo test`, interpreted and compiled.

use std::path::Path;

use tvm_runtime::{Backend, Engine, EngineConfig};
use tvm_tests::conformance::Report;
use tvm_tests::node::accumulate::Tvm;
use tvm_tests::node::suites::{self, NodeEngine};
use tvm_tests::vectors;

fn engine(name: &'static str, backend: Backend, cache: Option<&Path>, threads: usize) -> NodeEngine {
    let config = EngineConfig { backend, cache: cache.map(Path::to_owned), cpu: None };
    NodeEngine { name, tvm: Tvm { engine: Engine::new(config).expect("an engine") }, threads }
}

fn both_engines() -> [NodeEngine; 2] {
    [engine("interpreter", Backend::Interpreter, None, 1), engine("compiled", Backend::Compiled, None, 1)]
}

/// Runs a suite, of which this many cases are there.
fn check(path: &str, cases: usize, run: impl FnOnce(&Path) -> anyhow::Result<Report>) {
    let Some(path) = vectors::find(path) else { return };
    let report = run(&path).expect("readable vectors");
    assert_eq!((report.passed, report.failed), (cases, 0), "\n{report}");
}

#[test]
fn accumulate() {
    check("stf/accumulate", 60, |path| suites::accumulate(path, &both_engines()));
}

#[test]
fn preimages() {
    check("stf/preimages", 8, suites::preimages);
}

#[test]
fn traces() {
    check("traces-delta", 640, |path| suites::traces(path, &both_engines()));
}

#[test]
fn traces_of_0_7_0() {
    check("traces/fuzz-0.7.0.tar.zst", 154, |path| suites::traces(path, &both_engines()));
}

#[test]
fn ecalli() {
    check("ecalli", 418, |path| suites::ecalli(path, &both_engines()));
}

#[test]
fn refine() {
    check("refine", 3, |path| suites::refine(path, None, &both_engines()));
}
