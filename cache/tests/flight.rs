//! Of the threads that want the same object at once, one compiles.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{Place, object, parts, read};
use tvm_cache::{Cache, Outcome, Source};

const THREADS: usize = 16;

/// Lets all threads ask for the object at once; returns how many reported a miss.
fn ask_together(cache: &Cache, compile: impl Fn() -> Result<Vec<u8>, usize> + Sync) -> Vec<Result<Outcome, usize>> {
    let barrier = Barrier::new(THREADS);
    let ask = || {
        barrier.wait();
        let (source, outcome) = cache.get_or_publish(&parts(1), &compile)?;
        match source {
            Source::Cached(hit) => assert_eq!(read(&hit), object(1, 5000)),
            Source::Fresh(bytes, _) => assert_eq!(*bytes, object(1, 5000)),
        }
        Ok(outcome)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(usize::MAX))).collect()
    })
}

fn count(outcomes: &[Result<Outcome, usize>], wanted: Result<Outcome, usize>) -> usize {
    outcomes.iter().filter(|outcome| **outcome == wanted).count()
}

#[test]
fn one_thread_compiles_and_the_others_get_its_object() {
    for _ in 0..20 {
        let place = Place::new();
        let cache = place.open();
        let compiled = AtomicUsize::new(0);
        let outcomes = ask_together(&cache, || {
            compiled.fetch_add(1, Ordering::SeqCst);
            Ok(object(1, 5000))
        });
        assert_eq!(compiled.into_inner(), 1);
        assert_eq!((count(&outcomes, Ok(Outcome::Miss)), count(&outcomes, Ok(Outcome::Hit))), (1, THREADS - 1));
        let stats = cache.stat();
        assert_eq!((stats.hits, stats.misses, stats.published), (THREADS as u64 - 1, 1, 1));
    }
}

#[test]
fn when_the_leader_fails_the_next_one_tries() {
    let place = Place::new();
    let cache = place.open();
    let tries = AtomicUsize::new(0);
    let outcomes = ask_together(&cache, || match tries.fetch_add(1, Ordering::SeqCst) {
        number @ 0..3 => Err(number),
        _ => Ok(object(1, 5000)),
    });
    assert_eq!(tries.into_inner(), 4);
    assert_eq!(count(&outcomes, Ok(Outcome::Miss)), 1);
    assert!((0..3).all(|number| count(&outcomes, Err(number)) == 1));
}

#[test]
fn when_the_leader_panics_nobody_waits_for_ever() {
    let place = Place::new();
    let cache = place.open();
    let tries = AtomicUsize::new(0);
    let outcomes = ask_together(&cache, || {
        // Unwinds without the message of a panic, which would look like a failure in the test's output.
        if tries.fetch_add(1, Ordering::SeqCst) < 2 {
            std::panic::resume_unwind(Box::new("compiler bug"));
        }
        Ok(object(1, 5000))
    });
    assert_eq!(count(&outcomes, Err(usize::MAX)), 2);
    assert_eq!(count(&outcomes, Ok(Outcome::Miss)), 1);
}

#[test]
fn when_nothing_can_be_stored_all_get_the_fresh_object() {
    let place = Place::new();
    let cache = place.open();
    // A directory with a foreign mode in the way of all objects.
    std::fs::create_dir(place.path().join("objects")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path().join("objects"), mode).unwrap();
    let compiled = AtomicUsize::new(0);
    let outcomes = ask_together(&cache, || {
        compiled.fetch_add(1, Ordering::SeqCst);
        Ok(object(1, 5000))
    });
    let compiled = compiled.into_inner();
    assert_eq!(count(&outcomes, Ok(Outcome::Miss)), compiled);
    assert_eq!(count(&outcomes, Ok(Outcome::Hit)), THREADS - compiled);
    assert_eq!(cache.stat().publish_failures, compiled as u64);
}

#[test]
fn asking_for_an_object_while_compiling_it_does_not_deadlock() {
    let place = Place::new();
    let cache = place.open();
    let inner = || cache.get_or_publish(&parts(1), || Ok::<_, ()>(object(1, 10)));
    let (_, outcome) = cache
        .get_or_publish(&parts(1), || {
            assert_eq!(inner()?.1, Outcome::Miss);
            assert_eq!(inner()?.1, Outcome::Hit);
            Ok::<_, ()>(object(1, 10))
        })
        .unwrap();
    assert_eq!(outcome, Outcome::Miss);
}

#[test]
fn different_objects_do_not_wait_for_each_other() {
    let place = Place::new();
    let cache = place.open();
    // Each compiler waits until all are running: with one flight for all keys this would never end.
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for seed in 0..THREADS as u64 {
            let (cache, barrier) = (&cache, &barrier);
            scope.spawn(move || {
                let compile = || {
                    barrier.wait();
                    Ok::<_, ()>(object(seed, 100))
                };
                assert_eq!(cache.get_or_publish(&parts(seed), compile).unwrap().1, Outcome::Miss);
            });
        }
    });
    assert_eq!(cache.stat().entries, THREADS as u64);
}

#[test]
fn a_panic_outside_leaves_the_cache_usable() {
    let place = Place::new();
    let cache = place.open();
    let panicking = || cache.get_or_publish(&parts(1), || -> Result<_, ()> { std::panic::resume_unwind(Box::new(())) });
    assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
    assert_eq!(cache.get_or_publish(&parts(1), || Ok::<_, ()>(object(1, 10))).unwrap().1, Outcome::Miss);
}
