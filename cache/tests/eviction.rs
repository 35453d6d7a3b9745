//! What goes first when space or time runs out, by a clock that the tests set.

mod common;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{Place, TestClock, lookup, object, open_with_clock, parts};
use tvm_cache::{Cache, Policy, TRAILER_LEN, UnixSecs, hash};

const LEN: usize = 100;
const FILE_LEN: u64 = LEN as u64 + TRAILER_LEN;

/// Objects 1, 2 and 3, published at 1000, 2000 and 3000 seconds.
fn three() -> (Place, Arc<TestClock>, Cache) {
    let (place, clock) = (Place::new(), Arc::new(TestClock::default()));
    let cache = open_with_clock(&place, &clock);
    for seed in 1..4 {
        clock.set(seed * 1000);
        cache.publish(&parts(seed), &object(seed, LEN)).unwrap();
        common::settle(&place.object(&parts(seed).key()));
        assert!(lookup(&cache, seed).is_some());
    }
    (place, clock, cache)
}

fn policy(now: u64) -> Policy {
    Policy::keep_all(UnixSecs(now))
}

fn held(cache: &Cache) -> Vec<u64> {
    (1..10).filter(|seed| cache.ls().iter().any(|entry| entry.key == parts(*seed).key())).collect()
}

#[test]
fn space_is_kept_to_the_byte() {
    let (_place, _, cache) = three();
    let at = |max_bytes| Policy { max_bytes: Some(max_bytes), ..policy(3000) };
    let report = cache.gc(&at(3 * FILE_LEN)).unwrap();
    assert_eq!((report.removed, report.kept, report.kept_bytes), (0, 3, 3 * FILE_LEN));
    let report = cache.gc(&at(3 * FILE_LEN - 1)).unwrap();
    assert_eq!((report.removed, report.removed_bytes, report.kept), (1, FILE_LEN, 2));
    assert_eq!(held(&cache), [2, 3]);
    cache.gc(&at(FILE_LEN)).unwrap();
    assert_eq!(held(&cache), [3]);
    assert_eq!(cache.gc(&at(0)).unwrap().kept, 0);
}

#[test]
fn use_saves_an_object_even_across_processes() {
    let (place, clock, cache) = three();
    clock.set(4000);
    assert!(lookup(&cache, 1).is_some());
    drop(cache);
    let cache = open_with_clock(&place, &clock);
    cache.gc(&Policy { max_bytes: Some(FILE_LEN), ..policy(5000) }).unwrap();
    assert_eq!(held(&cache), [1]);
    assert_eq!(cache.ls()[0].last_use, UnixSecs(4000));
}

#[test]
fn uses_are_written_in_batches() {
    let (place, clock, cache) = three();
    clock.set(4000);
    assert!(lookup(&cache, 1).is_some());
    let last_use = |cache: &Cache| cache.ls().iter().find(|entry| entry.key == parts(1).key()).unwrap().last_use;
    let other = open_with_clock(&place, &clock);
    assert_eq!(last_use(&other), UnixSecs(1000), "not yet written");
    cache.flush();
    assert_eq!(last_use(&other), UnixSecs(4000));
    clock.set(4599);
    assert!(lookup(&cache, 1).is_some());
    cache.flush();
    assert_eq!(last_use(&other), UnixSecs(4000), "within the granule");
    clock.set(4600);
    assert!(lookup(&cache, 1).is_some());
    cache.flush();
    assert_eq!(last_use(&other), UnixSecs(4600));
}

#[test]
fn age_is_kept_to_the_second() {
    let (_place, _, cache) = three();
    let at = |now| Policy { max_age: Some(Duration::from_secs(2000)), ..policy(now) };
    assert_eq!(cache.gc(&at(3000)).unwrap().removed, 0);
    assert_eq!(cache.gc(&at(3001)).unwrap().removed, 1);
    assert_eq!(held(&cache), [2, 3]);
    assert_eq!(cache.gc(&at(0)).unwrap().removed, 0, "a clock that was set back makes nothing old");
}

#[test]
fn objects_of_other_compilers_can_be_dropped() {
    let (_place, _, cache) = three();
    let newer = tvm_cache::KeyParts { compiler: hash(b"newer"), ..parts(1) };
    cache.publish(&newer, b"object").unwrap();
    let report = cache.gc(&Policy { only_compiler: Some(hash(b"newer")), ..policy(3000) }).unwrap();
    assert_eq!((report.removed, report.kept), (3, 1));
    assert_eq!(cache.ls()[0].parts, newer);
}

#[test]
fn evicted_objects_stay_valid_for_those_who_have_them() {
    let (_place, _, cache) = three();
    let hit = cache.lookup(&parts(1).key()).unwrap();
    assert_eq!(cache.gc(&Policy { max_bytes: Some(0), ..policy(3000) }).unwrap().removed, 3);
    assert_eq!(common::read(&hit), object(1, LEN));
    assert_eq!(lookup(&cache, 1), None);
}

#[test]
fn eviction_works_without_an_index() {
    let (place, clock, cache) = three();
    drop(cache);
    // By the files' own times then.
    for seed in 1..4 {
        let file = fs::File::open(place.object(&parts(seed).key())).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(9000 - seed * 1000)).unwrap();
    }
    fs::remove_file(place.index()).unwrap();
    let cache = open_with_clock(&place, &clock);
    cache.gc(&Policy { max_bytes: Some(FILE_LEN), ..policy(9000) }).unwrap();
    assert_eq!(held(&cache), [1]);
}

#[test]
fn leftovers_of_killed_writers_go_after_an_hour() {
    let (place, _, cache) = three();
    let temp = place.object(&parts(1).key()).with_file_name(".tmp-1-2-3");
    fs::write(&temp, b"half an obj").unwrap();
    let written = Duration::from_secs(10_000);
    fs::File::open(&temp).unwrap().set_modified(SystemTime::UNIX_EPOCH + written).unwrap();
    assert_eq!(cache.stat().temporary, 1);
    assert_eq!(cache.gc(&policy(10_000 + 3600)).unwrap().temporary_removed, 0);
    assert_eq!(cache.gc(&policy(10_000 + 3601)).unwrap().temporary_removed, 1);
    assert!(!temp.exists());
    assert_eq!(held(&cache), [1, 2, 3]);
}

#[test]
fn quarantine_gives_way_before_objects_do() {
    let (place, _, cache) = three();
    let path = place.object(&parts(1).key());
    common::overwrite(&path, &[0; 300]);
    assert_eq!(lookup(&cache, 1), None);
    let stats = cache.stat();
    assert_eq!((stats.quarantined, stats.quarantined_bytes, stats.bytes), (1, 300, 2 * FILE_LEN));
    let at = |max_bytes| Policy { max_bytes: Some(max_bytes), ..policy(3000) };
    assert_eq!(cache.gc(&at(2 * FILE_LEN + 300)).unwrap().quarantine_removed, 0);
    let report = cache.gc(&at(2 * FILE_LEN + 299)).unwrap();
    assert_eq!((report.quarantine_removed, report.removed), (1, 0));
    assert_eq!(held(&cache), [2, 3]);
}

#[test]
fn a_damaged_file_is_evicted_like_any_other() {
    let (place, _, cache) = three();
    common::overwrite(&place.object(&parts(1).key()), b"too short for a trailer");
    fs::remove_file(place.index()).unwrap();
    assert_eq!(held(&cache), [2, 3]);
    assert_eq!(cache.gc(&Policy { max_bytes: Some(0), ..policy(3000) }).unwrap().removed, 3);
    assert_eq!(cache.stat().bytes, 0);
}
