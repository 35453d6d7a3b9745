//! Best code in the place of fast code: for whoever comes next, and for nobody who is running.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use tvm_abi::Tier;
use tvm_isa::{Container, Gas, GpVersion, Op};
use tvm_runtime::{BackgroundLimits, Engine, GuestExit, Instance, Module, StopAtHostCalls, Tiers};
use tvm_tests::assemble::{Assembler, Inst, Memory, standard};
use tvm_tests::engines;

use super::subject::{Subject, VERSIONS, engine, limited};

/// A program that calls the host and goes on.
fn caller(version: GpVersion) -> Vec<u8> {
    let mut asm = Assembler::new(version);
    asm.set(9, 7);
    asm.ecalli(3);
    asm.push(Inst::two(Op::AddImm64, 9, 9, 1));
    asm.push(Inst::two(Op::StoreIndU64, 9, 1, -8));
    asm.set(8, 0);
    asm.halt();
    standard(Memory { stack: 4096, ..Memory::default() }, &asm.blob())
}

/// Runs to the host call; then, after `between`, to the end.
fn through(engine: &Engine, module: &Module, between: impl FnOnce()) -> (u64, Gas, Option<Tier>) {
    let mut instance = Instance::standard(engine, module, &[]).expect("an instance");
    instance.state_mut().gas = Gas(10_000);
    assert_eq!(instance.run(&mut StopAtHostCalls).expect("TVM runs"), GuestExit::HostCall(3));
    between();
    instance.skip_host_call();
    assert_eq!(engines::run(&mut instance), GuestExit::Halt);
    (instance.state().regs[9], instance.state().gas, instance.module().tier())
}

#[test]
fn an_instance_in_the_middle_of_a_run_keeps_its_code() {
    for version in VERSIONS {
        let bytes = caller(version);
        let engine = engine(Tiers::Background, None);
        let load = || engines::load(&engine, version, Container::Standard, &bytes);
        engine.hold_background(true);
        let fast = load();
        let mut seen = None;
        let (value, gas, tier) = through(&engine, &fast, || {
            engine.hold_background(false);
            engine.wait_for_background();
            seen = Some(load());
        });
        let best = seen.expect("a host call");
        assert_eq!((value, tier, fast.tier(), best.tier()), (8, Some(Tier::Fast), Some(Tier::Fast), Some(Tier::Best)));
        assert_eq!(engine.stats().swapped, 1);
        // The fast module still makes instances, and both give the same.
        assert_eq!(through(&engine, &best, || {}), (value, gas, Some(Tier::Best)));
        assert_eq!(through(&engine, &fast, || {}), (value, gas, Some(Tier::Fast)));
        // A reset gives an instance no other code.
        let mut instance = Instance::standard(&engine, &fast, &[]).expect("an instance");
        instance.reset(&[]).expect("a reset");
        assert_eq!(instance.module().tier(), Some(Tier::Fast));
    }
}

/// Memory that guests of the fast module used is not given to those of the best one with anything in it.
#[test]
fn pooled_memory_is_clean_after_a_swap() {
    let subject = Subject::new(GpVersion::V0_7_2, "quicksort");
    let engine = engine(Tiers::Background, None);
    engine.hold_background(true);
    let fast = subject.load(&engine);
    let ran = subject.run(&engine, &fast);
    drop(fast);
    engine.hold_background(false);
    engine.wait_for_background();
    let best = subject.load(&engine);
    for _ in 0..3 {
        assert_eq!(subject.run(&engine, &best), ran);
    }
}

#[test]
fn nothing_is_swapped_into_what_is_not_loaded_any_more() {
    let subject = Subject::new(GpVersion::V0_7_2, "sieve");
    for cached in [true, false] {
        let directory = tempfile::tempdir().expect("a directory");
        let engine = engine(Tiers::Background, cached.then_some(directory.path()));
        engine.hold_background(true);
        drop(subject.load(&engine));
        engine.unload_idle();
        engine.hold_background(false);
        engine.wait_for_background();
        let stats = engine.stats();
        assert_eq!((stats.compiled_best, stats.swapped), (1, 0));
        // Without a cache it begins anew.
        engine.hold_background(true);
        let (tier, queued) = if cached { (Tier::Best, 0) } else { (Tier::Fast, 1) };
        assert_eq!((subject.load(&engine).tier(), engine.stats().queued), (Some(tier), queued));
        engine.hold_background(false);
        engine.wait_for_background();
        assert_eq!(subject.load(&engine).tier(), Some(Tier::Best));
    }
}

/// The program is loaded again while its job is under way or waits: the job is still for it.
#[test]
fn a_program_that_comes_back_gets_what_it_asked_for_before() {
    let subject = Subject::new(GpVersion::V0_8_0, "keccak256");
    let engine = engine(Tiers::Background, None);
    engine.hold_background(true);
    for _ in 0..3 {
        assert_eq!(subject.load(&engine).tier(), Some(Tier::Fast));
        engine.unload_idle();
    }
    assert_eq!(subject.load(&engine).tier(), Some(Tier::Fast));
    assert_eq!(engine.stats().queued, 1);
    engine.hold_background(false);
    engine.wait_for_background();
    assert_eq!(subject.load(&engine).tier(), Some(Tier::Best));
    assert_eq!((engine.stats().compiled_best, engine.stats().swapped), (1, 1));
}

/// Many threads load and run while programs are compiled, swapped and forgotten: results and gas are always the same.
#[test]
fn results_and_gas_are_the_same_before_during_and_after() {
    const THREADS: usize = 4;
    for version in VERSIONS {
        let subjects = Subject::all(version);
        let reference = engines::interpreted();
        let expected = subjects.each_ref().map(|subject| subject.run(&reference, &subject.load(&reference)));
        for cached in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let engine = limited(
                Tiers::Background,
                cached.then_some(directory.path()),
                BackgroundLimits { threads: 2, queue: subjects.len() },
            );
            let barrier = Barrier::new(THREADS);
            let seen = [const { AtomicUsize::new(0) }; Tier::ALL.len()];
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (engine, subjects, expected, barrier, seen) = (&engine, &subjects, &expected, &barrier, &seen);
                    scope.spawn(move || {
                        barrier.wait();
                        for round in 0..24 {
                            let index = (thread + round) % subjects.len();
                            let module = subjects[index].load(engine);
                            seen[module.tier().expect("compiled") as usize].fetch_add(1, Ordering::Relaxed);
                            assert_eq!(subjects[index].run(engine, &module), expected[index]);
                            // One thread makes room now and then, and waits, so that all kinds of orders happen.
                            match (thread, round % 6) {
                                (0, 3) => engine.unload_idle(),
                                (0, 5) => engine.wait_for_background(),
                                _ => {}
                            }
                        }
                    });
                }
            });
            let [fast, best] = seen.map(AtomicUsize::into_inner);
            assert!(fast > 0 && best > 0, "{fast} loads of fast code, {best} of best");
            subjects.iter().for_each(|subject| drop(subject.load(&engine)));
            engine.wait_for_background();
            for (subject, expected) in subjects.iter().zip(expected) {
                let module = subject.load(&engine);
                assert_eq!((module.tier(), subject.run(&engine, &module)), (Some(Tier::Best), expected));
            }
            assert_eq!(engine.stats().failed, 0, "{:?}", engine.background_failures());
        }
    }
}
