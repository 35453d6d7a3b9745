//! No damage to the index makes a wrong file trusted, and from all of it the cache recovers.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::{Place, lookup, object, overwrite, parts, settle, until_indexed};
use rusqlite::Connection;
use tvm_cache::Verified;

const GOOD: u64 = 1;
const BAD: u64 = 2;
const LEN: usize = 40;

/// A closed cache whose index vouches for both objects, one of which was damaged afterwards.
struct Damaged {
    place: Place,
    bad_bytes: Vec<u8>,
    index: Vec<u8>,
}

impl Damaged {
    fn new() -> Self {
        let place = Place::new();
        let cache = place.open();
        for seed in [GOOD, BAD] {
            cache.publish(&parts(seed), &object(seed, LEN)).unwrap();
        }
        drop(cache);
        until_indexed(&place, GOOD);
        until_indexed(&place, BAD);
        let mut bad_bytes = fs::read(place.object(&parts(BAD).key())).unwrap();
        bad_bytes[0] ^= 1;
        let index = fs::read(place.index()).unwrap();
        Self { place, bad_bytes, index }
    }

    /// Puts the damaged object and this index in place.
    fn restore(&self, index: &[u8]) {
        let bad = self.place.object(&parts(BAD).key());
        if bad.exists() {
            overwrite(&bad, &self.bad_bytes)
        } else {
            common::plant(&bad, &self.bad_bytes)
        }
        for name in ["index.sqlite-wal", "index.sqlite-shm"] {
            let _absent = fs::remove_file(self.place.path().join(name));
        }
        fs::write(self.place.index(), index).unwrap();
    }

    fn assert_right_files(&self, what: &str) {
        let cache = self.place.open_without_records();
        assert_eq!(lookup(&cache, BAD), None, "{what}: a damaged object was trusted");
        assert!(lookup(&cache, GOOD).is_some(), "{what}: the good object was lost");
    }
}

#[test]
fn no_flipped_byte_of_the_index_makes_a_wrong_file_trusted() {
    let damaged = Damaged::new();
    damaged.restore(&damaged.index);
    damaged.assert_right_files("the intact index");
    // Every byte once, with each of its bits in turn.
    for i in 0..damaged.index.len() {
        let mut index = damaged.index.clone();
        index[i] ^= 1 << (i % 8);
        damaged.restore(&index);
        damaged.assert_right_files(&format!("index byte {i}"));
    }
    until_indexed(&damaged.place, GOOD);
}

#[test]
fn heavily_damaged_and_cut_indexes_recover() {
    let damaged = Damaged::new();
    let index = &damaged.index;
    for i in (0..index.len()).step_by(37) {
        for pattern in [0x00, 0xff, 0x55] {
            let mut index = index.clone();
            let end = index.len().min(i + 64);
            index[i..end].fill(pattern);
            damaged.restore(&index);
            damaged.assert_right_files(&format!("64 bytes of {pattern:#x} at {i}"));
        }
    }
    for len in (0..index.len()).step_by(61) {
        damaged.restore(&index[..len]);
        damaged.assert_right_files(&format!("index cut to {len}"));
    }
    until_indexed(&damaged.place, GOOD);
}

#[test]
fn a_row_that_names_the_bad_file_is_not_believed_without_its_checksum() {
    let damaged = Damaged::new();
    damaged.restore(&damaged.index);
    let metadata = fs::metadata(damaged.place.object(&parts(BAD).key())).unwrap();
    let nanos = |secs: i64, nanos: i64| secs * 1_000_000_000 + nanos;
    let connection = Connection::open(damaged.place.index()).unwrap();
    let changed = connection.execute(
        "UPDATE objects SET dev = ?, ino = ?, size = ?, mtime_ns = ?, ctime_ns = ? WHERE key = ?",
        rusqlite::params![
            metadata.dev().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.size().cast_signed(),
            nanos(metadata.mtime(), metadata.mtime_nsec()),
            nanos(metadata.ctime(), metadata.ctime_nsec()),
            parts(BAD).key().as_bytes(),
        ],
    );
    assert_eq!(changed, Ok(1));
    drop(connection);
    damaged.assert_right_files("a forged row");
}

#[test]
fn a_row_from_before_the_change_vouches_for_nothing() {
    let damaged = Damaged::new();
    // The index of a time when the object was good comes back, as from a backup.
    damaged.restore(&damaged.index);
    let bad = damaged.place.object(&parts(BAD).key());
    settle(&bad);
    damaged.assert_right_files("an old index");
    assert!(!bad.exists(), "the damaged object is in quarantine");
}

#[test]
fn rebuilding_reads_every_file_and_keeps_the_good_ones() {
    let damaged = Damaged::new();
    damaged.restore(b"garbage");
    settle(&damaged.place.object(&parts(BAD).key()));
    let cache = damaged.place.open();
    assert_eq!(cache.rebuild_index().unwrap(), 1);
    assert_eq!(damaged.place.quarantined(), 1);
    let fresh = damaged.place.open_without_records();
    assert_eq!(lookup(&fresh, GOOD), Some(Verified::ByIndex));
    assert_eq!(fresh.ls().len(), 1);
    assert_eq!(fresh.stat().digest_checks, 0);
}

#[test]
fn no_flipped_byte_of_the_log_makes_a_wrong_file_trusted() {
    let damaged = Damaged::new();
    damaged.restore(&damaged.index);
    let log = damaged.place.path().join("index.sqlite-wal");
    // A log with rows that the database does not have yet, as a killed process leaves it.
    let cache = damaged.place.open();
    cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    let (index, rows) = (fs::read(damaged.place.index()).unwrap(), fs::read(&log).unwrap());
    drop(cache);
    assert!(!rows.is_empty());
    for i in (0..rows.len()).step_by(7) {
        let mut rows = rows.clone();
        rows[i] ^= 1 << (i % 8);
        damaged.restore(&index);
        fs::write(&log, rows).unwrap();
        damaged.assert_right_files(&format!("log byte {i}"));
    }
    until_indexed(&damaged.place, GOOD);
}
