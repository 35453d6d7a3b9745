//! The cache as a node sees it: through the engine, over several processes, with damaged files and odd file systems.
//!
//! Whatever is wrong with the cache, programs load and compute what they should.

mod child;
mod damage;
mod foreign;
mod mounts;
mod subject;

use std::path::Path;

use subject::Subject;
use tvm_runtime::Origin;
use tvm_tests::engines;

/// A directory for a cache: in memory where that is possible, because the tests write a lot.
fn directory() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    let made = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    made.expect("a directory")
}

#[test]
fn the_second_engine_finds_what_the_first_compiled() {
    let directory = directory();
    for (round, origin) in [Origin::Compiled, Origin::CacheHit, Origin::CacheHit].into_iter().enumerate() {
        let engine = engines::cached(directory.path());
        for subject in Subject::all() {
            assert_eq!(subject.run(&engine), origin, "{} in round {round}", subject.name);
        }
    }
}

#[test]
fn another_process_finds_what_this_one_compiled() {
    let directory = directory();
    let subject = Subject::small();
    assert_eq!(subject.run(&engines::cached(directory.path())), Origin::Compiled);
    assert_eq!(child::run(directory.path(), 2), ["CacheHit from a file", "CacheHit from a file"]);
}

#[test]
fn this_process_finds_what_another_one_compiled() {
    let directory = directory();
    assert_eq!(child::run(directory.path(), 2), ["Compiled from a file", "CacheHit from a file"]);
    assert_eq!(Subject::small().run(&engines::cached(directory.path())), Origin::CacheHit);
}

#[test]
fn several_processes_at_once_agree() {
    let directory = directory();
    let children: Vec<_> = (0..4).map(|_| child::start(directory.path(), 3)).collect();
    for child in children {
        let rounds = child::finish(child);
        assert_eq!(rounds.len(), 3);
        assert_eq!(rounds[1..], ["CacheHit from a file", "CacheHit from a file"]);
    }
}

/// What was loaded once stays loaded: the same module again, without a look at the cache.
#[test]
fn loading_again_in_one_engine_asks_nobody() {
    let directory = directory();
    let engine = engines::cached(directory.path());
    let subject = Subject::small();
    let first = subject.load(&engine);
    drop(directory);
    let second = subject.load(&engine);
    assert_eq!(first.origin(), second.origin());
    assert_eq!(first.program().blob().as_ptr(), second.program().blob().as_ptr());
}
