//! What each policy compiles, keeps in the cache and runs.

use std::fs;

use tvm_abi::{CpuFeatures, Tier};
use tvm_compiler::{CompileOptions, MAX_CODE_BYTES, compile};
use tvm_isa::codec::encode_natural;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Backend, Engine, EngineConfig, Origin, Tiers};
use tvm_tests::assemble::{Assembler, Inst};
use tvm_tests::engines;

use super::subject::{Subject, VERSIONS, cached_tiers, engine};

const ALL: [Tiers; 4] = [Tiers::Fast, Tiers::Best, Tiers::Cached, Tiers::Background];

/// Programs compiled on the fast and on the best tier, and those swapped.
fn counts(engine: &Engine) -> [u64; 3] {
    let stats = engine.stats();
    assert_eq!((stats.queued, stats.running, stats.dropped, stats.failed), (0, 0, 0, 0));
    [stats.compiled_fast, stats.compiled_best, stats.swapped]
}

#[test]
fn on_a_miss() {
    use Tier::{Best, Fast};
    for version in VERSIONS {
        let subject = Subject::new(version, "sieve");
        // Policy; the tier of the first load and that of the next; programs compiled and swapped; what is cached.
        let rows = [
            (Tiers::Fast, [Fast, Fast], [1, 0, 0], &[Fast][..]),
            (Tiers::Best, [Best, Best], [0, 1, 0], &[Best]),
            (Tiers::Cached, [Fast, Fast], [1, 0, 0], &[Fast]),
            (Tiers::Background, [Fast, Best], [1, 1, 1], &[Fast, Best]),
        ];
        for (tiers, [first, next], expected_counts, expected_cache) in rows {
            let directory = tempfile::tempdir().expect("a directory");
            for cache in [None, Some(directory.path())] {
                let engine = engine(tiers, cache);
                engine.hold_background(true);
                let module = subject.load(&engine);
                assert_eq!((module.tier(), module.origin()), (Some(first), Origin::Compiled), "{tiers:?}");
                let ran = subject.run(&engine, &module);
                engine.hold_background(false);
                engine.wait_for_background();
                let module = subject.load_cached(&engine);
                assert_eq!((module.tier(), module.origin()), (Some(next), Origin::Compiled), "{tiers:?}");
                assert_eq!(subject.run(&engine, &module), ran, "{tiers:?}");
                assert_eq!(counts(&engine), expected_counts, "{tiers:?}");
                if cache.is_some() {
                    assert_eq!(cached_tiers(&engine), expected_cache, "{tiers:?}");
                }
            }
        }
    }
}

/// What each policy makes of a cache that another engine has filled.
#[test]
fn with_objects_in_the_cache() {
    use Tier::{Best, Fast};
    let subject = Subject::new(GpVersion::V0_7_2, "sieve");
    for (before, tiers, first, next, expected_counts) in [
        (Fast, Tiers::Fast, (Fast, Origin::CacheHit), Fast, [0, 0, 0]),
        (Fast, Tiers::Best, (Best, Origin::Compiled), Best, [0, 1, 0]),
        (Fast, Tiers::Cached, (Fast, Origin::CacheHit), Fast, [0, 0, 0]),
        (Fast, Tiers::Background, (Fast, Origin::CacheHit), Best, [0, 1, 1]),
        (Best, Tiers::Fast, (Fast, Origin::Compiled), Fast, [1, 0, 0]),
        (Best, Tiers::Best, (Best, Origin::CacheHit), Best, [0, 0, 0]),
        (Best, Tiers::Cached, (Best, Origin::CacheHit), Best, [0, 0, 0]),
        (Best, Tiers::Background, (Best, Origin::CacheHit), Best, [0, 0, 0]),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        subject.load(&engine(before.into(), Some(directory.path())));
        let engine = engine(tiers, Some(directory.path()));
        engine.hold_background(true);
        let module = if first.1 == Origin::CacheHit { subject.load_cached(&engine) } else { subject.load(&engine) };
        assert_eq!((module.tier(), module.origin()), (Some(first.0), first.1), "{before}, {tiers:?}");
        engine.hold_background(false);
        engine.wait_for_background();
        assert_eq!(subject.load_cached(&engine).tier(), Some(next), "{before}, {tiers:?}");
        assert_eq!(counts(&engine), expected_counts, "{before}, {tiers:?}");
    }
}

#[test]
fn the_next_engine_finds_best_code() {
    let directory = tempfile::tempdir().expect("a directory");
    for version in VERSIONS {
        let node = engine(Tiers::Background, Some(directory.path()));
        let subjects = Subject::all(version);
        subjects.iter().for_each(|subject| drop(subject.load(&node)));
        node.wait_for_background();
        assert_eq!(counts(&node), [4, 4, 4]);
        for tiers in [Tiers::Background, Tiers::Cached, Tiers::Best] {
            let engine = engine(tiers, Some(directory.path()));
            for subject in &subjects {
                let module = subject.load_cached(&engine);
                assert_eq!((module.tier(), module.origin()), (Some(Tier::Best), Origin::CacheHit));
                subject.run(&engine, &module);
            }
            engine.wait_for_background();
            assert_eq!(counts(&engine), [0, 0, 0]);
        }
    }
}

/// Prewarming compiles what the policy runs at best.
#[test]
fn prewarming() {
    let subject = Subject::new(GpVersion::V0_8_0, "keccak256");
    for tiers in ALL {
        let expected = if tiers == Tiers::Fast { Tier::Fast } else { Tier::Best };
        let directory = tempfile::tempdir().expect("a directory");
        let engine = engine(tiers, Some(directory.path()));
        for origin in [Origin::Compiled, Origin::CacheHit] {
            let found = engine.prewarm(subject.version, Container::Jam, subject.hash, &subject.bytes);
            assert_eq!(found.expect("it can be compiled"), origin);
        }
        assert_eq!(cached_tiers(&engine), [expected]);
        let module = subject.load_cached(&engine);
        assert_eq!((module.tier(), module.origin()), (Some(expected), Origin::CacheHit));
        engine.wait_for_background();
        assert_eq!(counts(&engine), if expected == Tier::Fast { [1, 0, 0] } else { [0, 1, 0] });
    }
}

/// The background compiles from the fast object instead of the program: of every container, the object is the same.
#[test]
fn objects_of_the_background_are_the_compilers() {
    for version in VERSIONS {
        let jam = Subject::new(version, "keccak256").bytes;
        let (_, standard) = tvm_isa::split_metadata(&jam).expect("a JAM blob");
        let raw = tvm_isa::StandardProgram::parse(standard).expect("a standard program").program;
        let data = tvm_isa::StandardProgram::parse(standard).expect("a standard program");
        assert!(data.ro.len() + data.rw.len() > 0, "the guest has data");
        for (container, bytes) in [(Container::Jam, &jam[..]), (Container::Standard, standard), (Container::Raw, raw)] {
            let directory = tempfile::tempdir().expect("a directory");
            let engine = engine(Tiers::Background, Some(directory.path()));
            drop(engines::load(&engine, version, container, bytes));
            engine.wait_for_background();
            let hash = tvm_cache::hash(bytes);
            let key = engine.key_parts(version, container, hash, Tier::Best).key();
            let hit = engine.cache().expect("a cache").lookup(&key).expect("best code was stored");
            let mut stored = fs::read(hit.path).expect("the object");
            stored.truncate(hit.object_len as usize);
            let options = CompileOptions { version, container, cpu: CpuFeatures::host(), tier: Tier::Best };
            assert!(stored == compile(bytes, hash, options).expect("a valid program"), "{container:?}");
        }
    }
}

#[test]
fn what_is_interpreted_has_no_tier() {
    let directory = tempfile::tempdir().expect("a directory");
    // One byte more than the compiler takes.
    let mut large = vec![0, 0];
    encode_natural(MAX_CODE_BYTES as u64 + 1, &mut large);
    large.resize(large.len() + MAX_CODE_BYTES + 1 + (MAX_CODE_BYTES + 1).div_ceil(8), 0);
    for tiers in ALL {
        let engine = engine(tiers, Some(directory.path()));
        let module = engines::load(&engine, GpVersion::V0_7_2, Container::Raw, &large);
        assert_eq!((module.tier(), module.origin()), (None, Origin::Interpreted), "{tiers:?}");
        engine.wait_for_background();
        assert_eq!(counts(&engine), [0, 0, 0], "{tiers:?}");
    }
    let config = EngineConfig { backend: Backend::Interpreter, ..EngineConfig::default() };
    let engine = Engine::new(config).expect("an engine");
    let subject = Subject::new(GpVersion::V0_7_2, "sieve");
    assert_eq!(subject.load(&engine).tier(), None);
    engine.wait_for_background();
    assert_eq!(counts(&engine), [0, 0, 0]);
}

/// A cache whose directory is gone, and whose place is taken, stores nothing: code stays in memory, on both tiers.
#[test]
fn without_a_place_to_store_code_stays_in_memory() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("cache");
    let engine = engine(Tiers::Background, Some(&directory));
    fs::remove_dir_all(&directory).expect("the cache is removed");
    fs::write(&directory, b"no directory").expect("a file in its place");
    let subjects = Subject::all(GpVersion::V0_7_2);
    let ran = subjects.each_ref().map(|subject| subject.run(&engine, &subject.load(&engine)));
    engine.wait_for_background();
    for (subject, ran) in subjects.iter().zip(ran) {
        let module = subject.load_cached(&engine);
        assert_eq!((module.tier(), module.origin()), (Some(Tier::Best), Origin::Compiled));
        assert_eq!(subject.run(&engine, &module), ran);
    }
    assert_eq!(counts(&engine), [4, 4, 4]);
    assert_eq!(engine.cache().expect("a cache").stat().publish_failures, 8);
}

/// A stored object of best code that cannot be used is a miss: fast code runs, and the object is replaced.
#[test]
fn damaged_best_code_is_replaced() {
    let subject = Subject::new(GpVersion::V0_7_2, "sieve");
    let directory = tempfile::tempdir().expect("a directory");
    let first = engine(Tiers::Best, Some(directory.path()));
    subject.load(&first);
    let parts = first.key_parts(subject.version, Container::Jam, subject.hash, Tier::Best);
    // A whole file with a right digest that holds fast code.
    let options = CompileOptions {
        version: subject.version,
        container: Container::Jam,
        cpu: CpuFeatures::host(),
        tier: Tier::Fast,
    };
    let object = compile(&subject.bytes, subject.hash, options).expect("a valid program");
    first.cache().expect("a cache").publish(&parts, &object).expect("stored");

    let engine = engine(Tiers::Background, Some(directory.path()));
    engine.hold_background(true);
    let module = subject.load(&engine);
    assert_eq!((module.tier(), module.origin()), (Some(Tier::Fast), Origin::Compiled));
    engine.hold_background(false);
    engine.wait_for_background();
    assert_eq!(subject.load_cached(&engine).tier(), Some(Tier::Best));
    assert_eq!(counts(&engine), [1, 1, 1]);
    assert_eq!(
        subject.load_cached(&super::subject::engine(Tiers::Best, Some(directory.path()))).tier(),
        Some(Tier::Best)
    );
}

/// Programs without memory of their own are treated like others when the host loads them.
#[test]
fn bare_programs() {
    for version in VERSIONS {
        let mut asm = Assembler::new(version);
        asm.push(Inst::two(tvm_isa::Op::AddImm64, 7, 7, 1));
        asm.op(tvm_isa::Op::Trap);
        let engine = engine(Tiers::Background, None);
        assert_eq!(engines::load(&engine, version, Container::Raw, &asm.blob()).origin(), Origin::Compiled);
        engine.wait_for_background();
        assert_eq!(engines::load(&engine, version, Container::Raw, &asm.blob()).tier(), Some(Tier::Best));
    }
}
