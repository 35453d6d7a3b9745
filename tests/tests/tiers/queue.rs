//! The background's bounds: its queue, its threads, its end.

use std::sync::Barrier;

use tvm_abi::Tier;
use tvm_cache::{Cache, Repair};
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{BackgroundLimits, Engine, Tiers};
use tvm_tests::assemble::Assembler;
use tvm_tests::{engines, guests};

use super::subject::{Subject, VERSIONS, cached_tiers, engine, limited};

/// Programs that differ in a number.
fn load(engine: &Engine, number: u64) -> Option<Tier> {
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    asm.set(7, number);
    asm.op(tvm_isa::Op::Trap);
    engines::load(engine, GpVersion::V0_7_2, Container::Raw, &asm.blob()).tier()
}

/// At the limit all are taken; one past it, requests are dropped until the program is loaded again.
#[test]
fn a_full_queue_drops_requests() {
    const QUEUE: usize = 3;
    let engine = limited(Tiers::Background, None, BackgroundLimits { queue: QUEUE, ..Default::default() });
    engine.hold_background(true);
    for number in 0..QUEUE as u64 {
        assert_eq!(load(&engine, number), Some(Tier::Fast));
    }
    assert_eq!((engine.stats().queued, engine.stats().dropped), (QUEUE as u64, 0));
    let extra = QUEUE as u64;
    for attempt in 1..=3 {
        assert_eq!(load(&engine, extra), Some(Tier::Fast));
        assert_eq!((engine.stats().queued, engine.stats().dropped), (QUEUE as u64, attempt));
    }
    engine.hold_background(false);
    engine.wait_for_background();
    assert_eq!(engine.stats().swapped, QUEUE as u64);
    // It is asked for by the next load, which still gets fast code, and done after that.
    engine.hold_background(true);
    assert_eq!(load(&engine, extra), Some(Tier::Fast));
    assert_eq!((engine.stats().queued, engine.stats().dropped), (1, 3));
    engine.hold_background(false);
    engine.wait_for_background();
    assert!((0..=extra).all(|number| load(&engine, number) == Some(Tier::Best)));
    assert_eq!((engine.stats().compiled_best, engine.stats().swapped), (extra + 1, extra + 1));
}

#[test]
fn without_threads_or_without_a_queue_fast_code_stays() {
    for limits in [BackgroundLimits { threads: 0, queue: 10 }, BackgroundLimits { threads: 1, queue: 0 }] {
        let engine = limited(Tiers::Background, None, limits);
        for dropped in 1..=2 {
            assert_eq!(load(&engine, 0), Some(Tier::Fast));
            engine.wait_for_background();
            assert_eq!((engine.stats().queued, engine.stats().dropped), (0, dropped));
        }
        assert_eq!(engine.stats().compiled_best, 0);
    }
}

#[test]
fn there_is_one_job_for_each_program() {
    const THREADS: usize = 6;
    for version in VERSIONS {
        let subjects = Subject::all(version);
        let engine = limited(Tiers::Background, None, BackgroundLimits { threads: 3, queue: 100 });
        engine.hold_background(true);
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    subjects.iter().for_each(|subject| drop(subject.load(&engine)));
                });
            }
        });
        assert_eq!(engine.stats().queued, subjects.len() as u64);
        engine.hold_background(false);
        engine.wait_for_background();
        let stats = engine.stats();
        assert_eq!((stats.compiled_best, stats.swapped, stats.dropped), (4, 4, 0));
    }
}

/// Waiting for a held background does not wait for what it holds.
#[test]
fn a_held_background_is_at_rest() {
    let engine = engine(Tiers::Background, None);
    engine.hold_background(true);
    load(&engine, 0);
    engine.wait_for_background();
    assert_eq!(engine.stats().queued, 1);
    engine.hold_background(false);
    engine.wait_for_background();
    assert_eq!((engine.stats().queued, load(&engine, 0)), (0, Some(Tier::Best)));
}

/// The last clone takes the queue with it; modules and instances live on.
#[test]
fn an_engine_may_be_dropped_with_jobs_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    let node = engine(Tiers::Background, Some(directory.path()));
    node.hold_background(true);
    let clone = node.clone();
    let subjects = Subject::all(GpVersion::V0_7_2);
    let mut instances = subjects.each_ref().map(|subject| subject.instance(&node, &subject.load(&node)));
    drop(node);
    assert_eq!(clone.stats().queued, subjects.len() as u64);
    drop(clone);
    for (subject, instance) in subjects.iter().zip(&mut instances) {
        assert_eq!(instance.module().tier(), Some(Tier::Fast));
        subject.finish(instance);
    }
    assert_eq!(cached_tiers(&engine(Tiers::Fast, Some(directory.path()))), [Tier::Fast; 4]);
}

/// Dropping waits for the job in progress, whatever it has come to: afterwards nobody writes to the cache, and what is
/// there is whole.
#[test]
fn an_engine_may_be_dropped_while_it_compiles() {
    let version = GpVersion::V0_8_0;
    let bytes = guests::blob(version, "jam-bootstrap-service").expect("the guest's blob");
    for threads in [1, 2] {
        for _ in 0..4 {
            let directory = tempfile::tempdir().expect("a directory");
            let node = limited(Tiers::Background, Some(directory.path()), BackgroundLimits { threads, queue: 10 });
            let module = engines::load(&node, version, Container::Jam, &bytes);
            load(&node, 1);
            assert_eq!(module.tier(), Some(Tier::Fast));
            drop(node);
            let cache = Cache::open(directory.path()).expect("a cache");
            let (before, report) = (cache.stat(), cache.verify(Repair::No));
            assert_eq!(before.temporary, 0);
            assert!((2..=4).contains(&before.entries), "{before:?}");
            assert_eq!(report.len() as u64, before.entries);
            assert!(report.iter().all(|report| report.fault.is_none()), "{report:?}");
            assert_eq!(cache.stat().entries, before.entries);
        }
    }
}
