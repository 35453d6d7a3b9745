//! Files of the cache, cut and with flipped bytes.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::directory;
use super::subject::Subject;
use tvm_runtime::{Engine, Origin};
use tvm_tests::engines;

/// An object that is compiled, damaged, and loaded again.
struct Victim {
    subject: Subject,
    engine: Engine,
    directory: tempfile::TempDir,
}

impl Victim {
    fn new(subject: Subject) -> Self {
        let directory = directory();
        let engine = engines::cached(directory.path());
        assert_eq!(subject.run(&engine), Origin::Compiled);
        Self { subject, engine, directory }
    }

    fn len(&self) -> u64 {
        fs::metadata(self.subject.file(&self.engine, self.directory.path())).expect("the object").len()
    }

    /// Damages the file, then loads and runs the program: it must have been compiled anew.
    fn after(&self, damage: impl Fn(&fs::File), what: std::fmt::Arguments<'_>) {
        // Nothing may have the file mapped while it changes; the engine, too, forgets what it has loaded.
        self.engine.unload_idle();
        let path = self.subject.file(&self.engine, self.directory.path());
        let open = || OpenOptions::new().read(true).write(true).open(&path);
        let file = open().or_else(|_| {
            make_writable(&path);
            open()
        });
        let file = file.expect("the object can be written by its owner");
        damage(&file);
        drop(file);
        assert_eq!(self.subject.run(&self.engine), Origin::Compiled, "{what}");
    }

    fn flip(&self, at: u64) {
        let mask = 1 << (at % 8);
        self.after(
            |file| {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).expect("a byte");
                file.write_all_at(&[byte[0] ^ mask], at).expect("a byte");
            },
            format_args!("byte {at} flipped"),
        );
    }

    fn cut(&self, len: u64) {
        self.after(|file| file.set_len(len).expect("a cut"), format_args!("cut to {len} bytes"));
    }

    /// Without damage, and in a new engine, the object is found.
    fn is_still_of_use(&self) {
        self.engine.unload_idle();
        assert_eq!(self.subject.run(&self.engine), Origin::CacheHit);
        assert_eq!(self.subject.run(&engines::cached(self.directory.path())), Origin::CacheHit);
    }
}

/// The file modes say read-only; only root can write to the files nevertheless. Others would have to change the mode.
fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}

#[test]
fn every_flipped_byte_of_a_small_object_is_noticed() {
    let victim = Victim::new(Subject::small());
    for at in 0..victim.len() {
        victim.flip(at);
    }
    victim.is_still_of_use();
}

#[test]
fn every_cut_of_a_small_object_is_noticed() {
    let victim = Victim::new(Subject::small());
    let len = victim.len();
    // Every length near the ends and the pages' ends, and a fixed stride between.
    let near = |length: u64| length % 4096 < 3 || length % 4096 > 4093 || length < 128 || len - length < 160;
    for length in (0..len).filter(|&length| near(length) || length % 37 == 0) {
        victim.cut(length);
    }
    victim.is_still_of_use();
}

#[test]
fn flips_and_cuts_of_a_larger_object_are_noticed() {
    let victim = Victim::new(Subject::guest("keccak256"));
    let len = victim.len();
    // ELF header, note and stub slots; section headers and trailer; the rest by a stride that meets every page.
    for at in (0..4096).step_by(7).chain(len - 1200..len).chain((4096..len).step_by(211)) {
        victim.flip(at);
    }
    for length in (0..len).step_by(499) {
        victim.cut(length);
    }
    victim.is_still_of_use();
}

#[test]
fn longer_files_and_empty_ones_are_noticed() {
    let victim = Victim::new(Subject::small());
    let len = victim.len();
    victim.cut(0);
    for more in [1, 139, 140, 4096] {
        victim.after(|file| file.set_len(len + more).expect("a longer file"), format_args!("{more} zeros more"));
    }
    // Another program's object under this one's name.
    let other = Subject::guest("sieve");
    assert_eq!(other.run(&victim.engine), Origin::Compiled);
    let bytes = fs::read(other.file(&victim.engine, victim.directory.path())).expect("the other object");
    victim.after(
        |file| {
            file.set_len(0).expect("a cut");
            file.write_all_at(&bytes, 0).expect("the other's bytes");
        },
        format_args!("another program's object"),
    );
    victim.is_still_of_use();
}

/// A cache of three objects, whose index is to be damaged.
struct Indexed {
    directory: tempfile::TempDir,
    subjects: [Subject; 3],
}

impl Indexed {
    fn new() -> Self {
        let made = Self { directory: directory(), subjects: Subject::all() };
        let engine = engines::cached(made.directory.path());
        for subject in &made.subjects {
            assert_eq!(subject.run(&engine), Origin::Compiled);
        }
        drop(engine);
        made.settle();
        made
    }

    /// What was written a moment ago is not trusted by its time stamps; this look makes rows that are.
    fn settle(&self) {
        let engine = engines::cached(self.directory.path());
        self.subjects.iter().for_each(|subject| assert_eq!(subject.run(&engine), Origin::CacheHit));
    }

    /// Puts these files in place of the index, opens the cache anew and runs one of the programs: objects are not lost
    /// by what happens to the index.
    fn with_index(&self, number: usize, index: &[u8], log: Option<&[u8]>, what: std::fmt::Arguments<'_>) {
        let path = |name: &str| self.directory.path().join(name);
        // With records in place nobody would look at the index.
        for name in ["index.sqlite-wal", "index.sqlite-shm", "records"] {
            let _ = fs::remove_file(path(name));
        }
        fs::write(path("index.sqlite"), index).expect("the index can be written");
        if let Some(log) = log {
            fs::write(path("index.sqlite-wal"), log).expect("the index's log can be written");
        }
        let engine = engines::cached(self.directory.path());
        let subject = &self.subjects[number % self.subjects.len()];
        assert_eq!(subject.run(&engine), Origin::CacheHit, "{} with {what}", subject.name);
    }
}

#[test]
fn a_damaged_index_costs_no_object() {
    let indexed = Indexed::new();
    let good = fs::read(indexed.directory.path().join("index.sqlite")).expect("an index");
    assert!(good.starts_with(b"SQLite format 3\0"));
    // SQLite's header byte by byte, the rest by a stride.
    for (number, at) in (0..100).chain((100..good.len()).step_by(41)).enumerate() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (number % 8);
        indexed.with_index(number, &bad, None, format_args!("byte {at} of the index flipped"));
    }
    for (number, len) in (0..good.len()).step_by(173).enumerate() {
        indexed.with_index(number, &good[..len], None, format_args!("the index cut to {len} bytes"));
    }
    indexed.with_index(0, &vec![0xff; 5000], None, format_args!("something else for an index"));
    indexed.settle();
}

#[test]
fn a_damaged_log_of_the_index_costs_no_object() {
    let indexed = Indexed::new();
    // The log of a process that is still there, or was killed.
    let path = |name: &str| indexed.directory.path().join(name);
    let engine = engines::cached(indexed.directory.path());
    fs::remove_file(path("index.sqlite")).expect("an index");
    fs::remove_file(path("records")).expect("records");
    drop(engine);
    let engine = engines::cached(indexed.directory.path());
    indexed.subjects.iter().for_each(|subject| assert_eq!(subject.run(&engine), Origin::CacheHit));
    let index = fs::read(path("index.sqlite")).expect("an index");
    let Ok(log) = fs::read(path("index.sqlite-wal")) else { panic!("the index keeps a log while it is open") };
    assert!(!log.is_empty(), "the log holds what was just written");
    drop(engine);
    for (number, at) in (0..32).chain((32..log.len()).step_by(97)).enumerate() {
        let mut bad = log.clone();
        bad[at] ^= 1 << (number % 8);
        indexed.with_index(number, &index, Some(&bad), format_args!("byte {at} of the log flipped"));
    }
    for (number, len) in (0..log.len()).step_by(331).enumerate() {
        indexed.with_index(number, &index, Some(&log[..len]), format_args!("the log cut to {len} bytes"));
    }
}

#[test]
fn damaged_records_cost_no_object() {
    let indexed = Indexed::new();
    let path = indexed.directory.path().join("records");
    let good = fs::read(&path).expect("records");
    let used = good.chunks(128).enumerate().filter(|(_, slot)| slot.iter().any(|byte| *byte != 0));
    let used: Vec<usize> = used.flat_map(|(number, _)| number * 128..number * 128 + 128).collect();
    assert_eq!(used.len(), 3 * 128);
    for at in used.into_iter().step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).expect("records can be written");
        let engine = engines::cached(indexed.directory.path());
        for subject in &indexed.subjects {
            assert_eq!(subject.run(&engine), Origin::CacheHit, "{}: byte {at} of the records flipped", subject.name);
        }
    }
    for len in [0, 1, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..len]).expect("records can be written");
        indexed.settle();
    }
    fs::write(&path, vec![0xff; good.len()]).expect("records can be written");
    indexed.settle();
}

/// The index's files taken away under an engine that uses them.
#[test]
fn an_index_deleted_while_it_is_open_costs_no_object() {
    let indexed = Indexed::new();
    let engine = engines::cached(indexed.directory.path());
    for subject in &indexed.subjects {
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "index.lock", "records"] {
            let _ = fs::remove_file(indexed.directory.path().join(name));
        }
        assert_eq!(subject.run(&engine), Origin::CacheHit);
    }
    drop(engine);
    indexed.settle();
}

/// An object taken away, and the whole directory, under an engine that uses them.
#[test]
fn objects_deleted_under_an_engine_are_compiled_again() {
    let indexed = Indexed::new();
    let engine = engines::cached(indexed.directory.path());
    let [first, second, _] = &indexed.subjects;
    assert_eq!(first.run(&engine), Origin::CacheHit);
    let file = first.file(&engine, indexed.directory.path());
    make_writable(&file);
    fs::remove_file(&file).expect("our own file");
    // Loaded is loaded.
    assert_eq!(first.run(&engine), Origin::CacheHit);
    engine.unload_idle();
    assert_eq!(first.run(&engine), Origin::Compiled);
    fs::remove_dir_all(indexed.directory.path()).expect("our own directory");
    assert_eq!(second.run(&engine), Origin::Compiled);
    engine.unload_idle();
    assert_eq!(second.run(&engine), Origin::CacheHit);
}
