//! A chain's upgrade from one Gray Paper version to the next, without a restart: one engine serves both, and what was
//! compiled beforehand is there when it is needed.

use std::sync::Barrier;

use tvm_abi::Tier;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::jam::types::{Hash, WorkError};
use tvm_runtime::jam::{Accumulated, Refined};
use tvm_runtime::{Engine, Error, LoadError, Origin};
use tvm_tests::{engines, guests};

use crate::support::commands::{Commands, at, n};
use crate::support::world::{OTHER, VERSIONS, World, work_item};

const OLD: GpVersion = GpVersion::V0_7_2;
const NEW: GpVersion = GpVersion::V0_8_0;

/// One invocation of each kind, which do different things in each version.
struct Work {
    refining: World,
    accumulating: World,
}

impl Work {
    fn new(version: GpVersion) -> Self {
        let refine = Commands::new().call("gas", &[]).call("export", &[at(0), n(9)]).burn(50).typed(0).alloc(70_000);
        let accumulate = Commands::new()
            .call("bless", &[n(1), at(0), n(2), n(3), n(0), n(0)])
            .call("transfer", &[n(OTHER.0.into()), n(8), n(300), at(0)])
            .burn(50)
            .store(b"results");
        let refining = World::new(version).with_refine_commands(&refine);
        let mut accumulating = World::new(version);
        accumulating.inputs = vec![work_item(Ok(accumulate.work_output().into()))];
        Self { refining, accumulating }
    }

    fn run(&self, engine: &Engine) -> (Refined, Accumulated) {
        let refined = self.refining.refine_on(engine, None).expect("TVM works");
        (refined, self.accumulating.accumulate_on(engine, None).expect("TVM works"))
    }

    /// What comes of it in engines that know nothing of the other version.
    fn expected(&self) -> (Refined, Accumulated) {
        (self.refining.refine().result, self.accumulating.accumulate().result)
    }
}

#[test]
fn one_engine_serves_both_versions() {
    let work = VERSIONS.map(Work::new);
    let expected = [work[0].expected(), work[1].expected()];
    assert_ne!(expected[0].1.privileges, expected[1].1.privileges, "only in the old version anyone may bless");
    assert_ne!(expected[0].0.gas_used, expected[1].0.gas_used);
    for engine in engines::all() {
        for round in 0..6 {
            let version = round % 2;
            assert_eq!(work[version].run(&engine), expected[version], "{:?}: {}", engine.backend(), VERSIONS[version]);
        }
        engine.unload_idle();
        assert_eq!(work[0].run(&engine), expected[0]);
    }
}

#[test]
fn both_versions_from_several_threads() {
    const THREADS: usize = 4;
    let work = VERSIONS.map(Work::new);
    let expected = [work[0].expected(), work[1].expected()];
    let engine = engines::compiled(Tier::Best);
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, barrier, work, expected) = (&engine, &barrier, &work, &expected);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..10 {
                    let version = (thread + round) % 2;
                    assert_eq!(work[version].run(engine), expected[version], "{}", VERSIONS[version]);
                }
            });
        }
    });
}

/// The same code under both versions' rules, as it happens when a service is not upgraded with the chain: each version
/// has a module of its own, and neither run has anything to do with the other.
#[test]
fn the_same_code_under_both_versions() {
    let old = Work::new(OLD);
    let expected = old.expected();
    let mut orphan = Work::new(OLD);
    (orphan.refining.version, orphan.accumulating.version) = (NEW, NEW);
    // Opcodes have moved and calls are others, so that it cannot do what it was written for.
    let orphaned = orphan.expected();
    assert!(orphaned.0.result.is_err(), "{:?}", orphaned.0);
    let engine = engines::compiled(Tier::Best);
    for _ in 0..2 {
        assert_eq!(old.run(&engine), expected);
        assert_eq!(orphan.run(&engine), orphaned);
    }
}

/// Whatever comes in the new version was compiled before, while the old one was still running.
#[test]
fn prewarming_for_the_upgrade() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = engines::cached(directory.path());
    let [old, new] = VERSIONS.map(Work::new);
    assert_eq!(old.run(&engine), old.expected());

    let known = ["probe", "authorizer", "jam-bootstrap-service"].map(|name| guests::blob(NEW, name).expect("its blob"));
    for origin in [Origin::Compiled, Origin::CacheHit] {
        for code in &known {
            let found = engine.prewarm(NEW, Container::Jam, Hash::of(code).0, code).expect("it can be compiled");
            assert_eq!(found, origin);
        }
        // The old version goes on meanwhile.
        assert_eq!(old.run(&engine), old.expected());
    }

    // The upgrade: in the same process, and in one that starts after it.
    for engine in [engine, engines::cached(directory.path())] {
        assert_eq!(new.run(&engine), new.expected());
        for code in &known {
            let unread = || -> Result<Vec<u8>, _> { panic!("nothing is compiled any more") };
            let module = engine.load(NEW, Container::Jam, Hash::of(code).0, unread).expect("it is in the cache");
            assert_eq!(module.origin(), Origin::CacheHit);
        }
    }
}

/// A service whose code is no program in the next version: prewarming says so, and so does running it.
#[test]
fn prewarming_what_cannot_be() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = engines::cached(directory.path());
    let code = b"\0no program".as_slice();
    let prewarmed = engine.prewarm(NEW, Container::Jam, Hash::of(code).0, code);
    assert!(matches!(prewarmed, Err(LoadError::Malformed(_))), "{prewarmed:?}");
    let mut world = World::new(NEW);
    world.package.items[1].code_hash = Hash::of(code);
    world.accounts.provide(
        crate::support::world::SELF,
        code,
        tvm_runtime::jam::types::Timeline::Available(Default::default()),
    );
    let refined = world.refine_on(&engine, None).expect("TVM works");
    assert_eq!((refined.result, refined.gas_used.0), (Err(WorkError::Panic), 0));

    let probe = guests::blob(NEW, "probe").expect("its blob");
    let nowhere = engines::compiled(Tier::Best).prewarm(NEW, Container::Jam, Hash::of(&probe).0, &probe);
    assert!(matches!(nowhere, Err(LoadError::Machine(Error::NoCache))), "{nowhere:?}");
}
