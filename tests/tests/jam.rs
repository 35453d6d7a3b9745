//! The suites that need a node, inside `cargo test`, interpreted and compiled on both tiers.

use std::path::Path;

use tvm_abi::Tier;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::jam::types::Hash;
use tvm_runtime::{Engine, EngineConfig, Origin, Tiers};
use tvm_tests::conformance::Report;
use tvm_tests::engines::Way;
use tvm_tests::node::accumulate::Tvm;
use tvm_tests::node::codec::Codec;
use tvm_tests::node::model::Statistics;
use tvm_tests::node::spec::TINY_0_7_0;
use tvm_tests::node::state::Component;
use tvm_tests::node::suites::{self, NodeEngine};
use tvm_tests::node::traces::for_each_trace;
use tvm_tests::vectors;

fn engine(way: Way, cache: Option<&Path>, threads: usize) -> NodeEngine {
    NodeEngine::new(way, cache, threads).expect("an engine")
}

fn all_engines() -> [NodeEngine; 3] {
    Way::ALL.map(|way| engine(way, None, 1))
}

/// Runs a suite, of which this many cases are there.
fn check(path: &str, cases: usize, run: impl FnOnce(&Path) -> anyhow::Result<Report>) {
    let Some(path) = vectors::find(path) else { return };
    let report = run(&path).expect("readable vectors");
    assert_eq!((report.passed, report.failed), (cases, 0), "\n{report}");
}

#[test]
fn accumulate() {
    check("stf/accumulate", 60, |path| suites::accumulate(path, &all_engines()));
}

#[test]
fn preimages() {
    check("stf/preimages", 8, suites::preimages);
}

#[test]
fn traces() {
    check("traces-delta", 640, |path| suites::traces(path, &all_engines()));
}

#[test]
fn traces_with_a_cold_and_a_warm_cache_on_one_and_on_more_threads() {
    let cache = tempfile::tempdir().expect("a temporary directory");
    for threads in [1, 3, 1] {
        let engine = engine(Way::Compiled(Tier::Fast), Some(cache.path()), threads);
        check("traces-delta/fuzzy_01-40", 40, |path| suites::traces(path, std::slice::from_ref(&engine)));
    }
}

/// As a node does it: fast code at once, best code from the background in the middle of the trace, on several threads.
#[test]
fn traces_while_best_code_takes_the_place_of_fast_code() {
    let cache = tempfile::tempdir().expect("a temporary directory");
    for (threads, compiled) in [(3, (2, 2)), (1, (0, 0))] {
        let config = EngineConfig { cache: Some(cache.path().to_owned()), ..EngineConfig::default() };
        assert_eq!(config.tiers, Tiers::Background);
        let tvm = Tvm { engine: Engine::new(config).expect("an engine") };
        let engine = NodeEngine { name: "background", way: Way::Compiled(Tier::Best), tvm: tvm.clone(), threads };
        check("traces-delta/fuzzy_01-40", 40, |path| suites::traces(path, std::slice::from_ref(&engine)));
        tvm.engine.wait_for_background();
        let stats = tvm.engine.stats();
        if vectors::find("traces-delta/fuzzy_01-40").is_some() {
            assert_eq!((stats.compiled_fast, stats.compiled_best), compiled);
        }
        assert_eq!((stats.failed, stats.dropped), (0, 0));
    }
}

/// Every service is compiled once; the next process only loads what is there.
#[test]
fn a_node_with_a_warm_cache_compiles_nothing() {
    let Some(path) = vectors::find("traces-delta/fuzzy_01-40") else { return };
    let cache = tempfile::tempdir().expect("a temporary directory");
    let run = |expected: Origin| {
        let engine = engine(Way::Compiled(Tier::Fast), Some(cache.path()), 1);
        suites::traces(&path, std::slice::from_ref(&engine)).expect("readable vectors");
        for code_hash in SERVICES {
            let hash = Hash::from_json(&code_hash.into()).expect("a hash");
            let asked = || Err("its module is loaded, nobody asks for the code".into());
            let module = engine.tvm.engine.load::<Vec<u8>>(GpVersion::V0_7_2, Container::Jam, hash.0, asked);
            assert_eq!(module.expect("a loaded module").origin(), expected, "{code_hash}");
        }
    };
    run(Origin::Compiled);
    run(Origin::CacheHit);
}

/// The services of the trace: jam-bootstrap-service and jam-fuzzy-service 0.1.27.
const SERVICES: [&str; 2] = [
    "0xd1b097b4410b3a63446d7c57d093972a9744fcd2d74f4a5e2ec163610e6d6327",
    "0xbb8648e2eb5cab1ebb8129eca29c8af2e5155fe1ac9400ab01852a1e0cc82b1e",
];

#[test]
fn published_archives_are_the_same_blocks() {
    let engines = [engine(Way::Compiled(Tier::Fast), None, 2)];
    check("traces/fuzzy_01-40.tar.xz", 40, |path| suites::traces(path, &engines));
}

#[test]
fn traces_of_0_7_0() {
    check("traces/fuzz-0.7.0.tar.zst", 154, |path| suites::traces(path, &all_engines()));
}

#[test]
fn ecalli() {
    check("ecalli", 418, |path| suites::ecalli(path, &all_engines()));
}

#[test]
fn refine() {
    check("refine", 3, |path| suites::refine(path, None, &all_engines()));
}

/// The steps above are the only public ones that deliver transfers by on-transfer: 48 in 26 of them.
#[test]
fn traces_of_0_7_0_have_on_transfer_calls() {
    let Some(path) = vectors::find("traces/fuzz-0.7.0.tar.zst") else { return };
    let mut transfers: Vec<u64> = Vec::new();
    for_each_trace(&path, &mut |trace| {
        for step in trace {
            let step = step?;
            let statistics: Statistics = step.post.component(Component::Statistics, &TINY_0_7_0)?;
            let services = statistics.services.iter().filter_map(|service| service.record.on_transfers.0);
            transfers.push(if step.post == step.pre { 0 } else { services.map(|(count, _)| count).sum() });
        }
        Ok(())
    })
    .expect("readable traces");
    transfers.retain(|transfers| *transfers > 0);
    assert_eq!((transfers.len(), transfers.iter().sum::<u64>()), (26, 48));
}
