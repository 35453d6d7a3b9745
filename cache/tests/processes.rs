//! Several processes at one cache, some of them killed in the middle of what they do.

mod common;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::{Place, lookup, object, parts, until_indexed};
use tvm_cache::{Cache, Outcome, Policy, Repair, Source, UnixSecs};

const PROCESSES: u64 = 4;
const KEYS: u64 = 6;
const ROUNDS: u64 = 60;
/// Long enough that a kill often comes while one is being written.
const LEN: usize = 200_000;

/// The work of a child: asks for, publishes, removes, evicts and looks up the same few objects, reporting every round.
#[test]
fn child_works() {
    let Some(dir) = env::var_os("TVM_TEST_DIR") else { return };
    let number: u64 = env::var("TVM_TEST_NUMBER").unwrap().parse().unwrap();
    let rounds: u64 = env::var("TVM_TEST_ROUNDS").unwrap().parse().unwrap();
    let mut cache = Cache::open(&dir).unwrap();
    for round in 0..rounds {
        // A different order in every process, and no two steps the same.
        let seed = (round * (2 * number + 1) + number) % KEYS;
        match round % 5 {
            0 => drop(cache.publish(&parts(seed), &object(seed, LEN)).unwrap()),
            1 if round % 3 == 0 => drop(cache.remove(&parts(seed).key()).unwrap()),
            2 => cache = Cache::open(&dir).unwrap(),
            3 if round % 10 == 3 => {
                // Not all can have it: whoever loses tries again another time.
                let _busy = cache.rebuild_index();
            }
            4 if round % 20 == 4 => {
                let policy = Policy { max_bytes: Some(3 * LEN as u64), ..Policy::keep_all(UnixSecs::now()) };
                cache.gc(&policy).unwrap();
            }
            _ => {
                let (source, outcome) = cache.get_or_publish(&parts(seed), || Ok::<_, ()>(object(seed, LEN))).unwrap();
                let Source::Cached(hit) = source else { panic!("not stored: {source:?}") };
                assert_eq!(common::read(&hit), object(seed, LEN), "{outcome:?}");
            }
        }
        lookup(&cache, (seed + 1) % KEYS);
        println!("round {round}");
    }
    assert_eq!(cache.stat().rejected, 0, "nobody sees half a file");
}

struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(place: &Place, number: u64, rounds: u64) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child_works", "--nocapture"]).stdout(Stdio::piped());
        command.env("TVM_TEST_DIR", place.path()).env("TVM_TEST_NUMBER", number.to_string());
        let mut child = command.env("TVM_TEST_ROUNDS", rounds.to_string()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for this many rounds, then kills the process, wherever it is by then.
    fn kill_after(mut self, rounds: usize) {
        let done = self.lines.by_ref().map_while(Result::ok).filter(|line| line.contains("round")).take(rounds).count();
        assert_eq!(done, rounds, "the child has died by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn finish(mut self) {
        let output: Vec<_> = self.lines.by_ref().map_while(Result::ok).collect();
        assert!(self.child.wait().unwrap().success(), "{output:#?}");
    }
}

fn assert_intact(place: &Place) {
    let cache = place.open();
    let faults: Vec<_> = cache.verify(Repair::No).into_iter().filter(|report| report.fault.is_some()).collect();
    assert_eq!(faults, []);
    assert_eq!(place.quarantined(), 0);
    for seed in 0..KEYS {
        let (_, outcome) = cache.get_or_publish(&parts(seed), || Ok::<_, ()>(object(seed, LEN))).unwrap();
        assert!(lookup(&cache, seed).is_some(), "{outcome:?}");
    }
    drop(cache);
    (0..KEYS).for_each(|seed| until_indexed(place, seed));
}

#[test]
fn processes_share_a_cache() {
    let place = Place::new();
    let workers: Vec<_> = (0..PROCESSES).map(|number| Worker::start(&place, number, ROUNDS)).collect();
    workers.into_iter().for_each(Worker::finish);
    assert_intact(&place);
    assert_eq!(place.open().stat().temporary, 0);
}

#[test]
fn killed_processes_leave_nothing_half_done() {
    let place = Place::new();
    // One that lives through it all, while others come and are killed.
    let witness = Worker::start(&place, 0, 4 * ROUNDS);
    for number in 0..12 {
        let victims: Vec<_> = (1..3).map(|i| Worker::start(&place, number + i, 1_000_000)).collect();
        victims.into_iter().for_each(|victim| victim.kill_after(1 + usize::try_from(number).unwrap() * 2));
    }
    witness.finish();
    assert_intact(&place);
    let leftovers = place.open().stat().temporary;
    let report = place.open().gc(&Policy::keep_all(UnixSecs(UnixSecs::now().0 + 3601))).unwrap();
    assert_eq!((report.temporary_removed, report.kept), (leftovers, KEYS));
}

#[test]
fn a_broken_index_is_replaced_by_all_at_once() {
    let place = Place::new();
    place.open().publish(&parts(0), &object(0, LEN)).unwrap();
    for garbage in [&b"garbage"[..], b""] {
        fs::remove_file(place.index()).unwrap();
        fs::write(place.index(), garbage).unwrap();
        let workers: Vec<_> = (0..PROCESSES).map(|number| Worker::start(&place, number, 10)).collect();
        workers.into_iter().for_each(Worker::finish);
        assert_intact(&place);
    }
}

#[test]
fn processes_compiling_the_same_object_all_succeed() {
    let place = Place::new();
    let caches: Vec<_> = (0..PROCESSES).map(|_| place.open()).collect();
    // Handles of their own stand for processes here: they share nothing but the directory.
    std::thread::scope(|scope| {
        for cache in &caches {
            scope.spawn(|| {
                for seed in 0..20 {
                    let compile = || Ok::<_, ()>(object(seed, 1000));
                    let (source, outcome) = cache.get_or_publish(&parts(seed), compile).unwrap();
                    assert!(matches!(source, Source::Cached(_)), "{outcome:?}");
                    assert!(matches!(outcome, Outcome::Hit | Outcome::Miss));
                }
            });
        }
    });
    assert_eq!(place.open().stat().entries, 20);
}
