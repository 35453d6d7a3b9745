//! The index can be locked, replaced or deleted at any time: that costs digests, and nothing else.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use common::{Place, lookup, object, overwrite, parts, until_indexed};
use rusqlite::Connection;
use tvm_cache::{Cache, Durability, Options, Repair, Verified};

const GOOD: u64 = 1;
const BAD: u64 = 2;
const LEN: usize = 40;

#[test]
fn a_row_that_was_tampered_with_is_no_row() {
    let place = Place::new();
    place.open().publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    let columns = "code_hash format_version compiler gp_version gas_model cpu_features container options dev ino size \
                   mtime_ns ctime_ns boot last_use checksum";
    for column in columns.split_whitespace() {
        until_indexed(&place, GOOD);
        for value in ["0", "x'00'", "NULL", "'text'", "-1", "1e300", "zeroblob(16)", "zeroblob(32)"] {
            let connection = Connection::open(place.index()).unwrap();
            let update = format!("UPDATE OR IGNORE objects SET {column} = {value} WHERE {column} IS NOT {value}");
            connection.execute(&update, []).unwrap();
            let unchanged = connection.changes() == 0;
            drop(connection);
            let cache = place.open_without_records();
            let expected = if unchanged { Verified::ByIndex } else { Verified::ByDigest };
            assert_eq!(lookup(&cache, GOOD), Some(expected), "{column} = {value}");
            assert_eq!(cache.ls().len(), 1);
        }
    }
}

#[test]
fn a_deleted_index_is_made_anew_while_in_use() {
    let place = Place::new();
    let cache = place.open();
    cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    for names in [&["index.sqlite"][..], &["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"]] {
        for name in names {
            fs::remove_file(place.path().join(name)).unwrap();
        }
        assert!(lookup(&cache, GOOD).is_some());
        assert!(lookup(&place.open_without_records(), GOOD).is_some());
        cache.publish(&parts(BAD), &object(BAD, LEN)).unwrap();
        assert!(place.index().exists());
        until_indexed(&place, BAD);
    }
    assert_eq!(cache.ls().len(), 2);
}

#[test]
fn garbage_in_place_of_the_index_is_replaced() {
    let place = Place::new();
    let cache = place.open();
    cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    let put = |bytes: &[u8]| {
        // In place, under the nose of the open connection.
        let index = File::options().write(true).open(place.index()).unwrap();
        index.set_len(bytes.len() as u64).unwrap();
        index.write_all_at(bytes, 0).unwrap();
    };
    for bytes in [&b""[..], b"garbage", &[0xa5; 10_000], b"SQLite format 3\0"] {
        put(bytes);
        assert!(lookup(&place.open_without_records(), GOOD).is_some());
        cache.publish(&parts(BAD), &object(BAD, LEN)).unwrap();
        assert!(lookup(&cache, BAD).is_some());
        assert_eq!(place.open().ls().len(), 2);
    }
    until_indexed(&place, GOOD);
}

#[test]
fn what_is_no_file_of_ours_is_replaced() {
    let place = Place::new();
    place.open().publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    let elsewhere = place.outside().join("elsewhere");
    fs::write(&elsewhere, b"somebody's").unwrap();
    let makers: [&dyn Fn(&Path); 4] = [
        &|path| symlink(&elsewhere, path).unwrap(),
        &|path| fs::hard_link(&elsewhere, path).unwrap(),
        &|path| fs::create_dir_all(path.join("full")).unwrap(),
        &|path| fs::write(path, b"").unwrap(),
    ];
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "index.lock"] {
        for make in makers {
            let path = place.path().join(name);
            fs::remove_file(&path).unwrap();
            make(&path);
            until_indexed(&place, GOOD);
        }
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), b"somebody's");
}

#[test]
fn another_version_of_the_index_is_replaced() {
    let place = Place::new();
    place.open().publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    for change in [
        "PRAGMA user_version = 2",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 1",
        "DROP TABLE objects",
        "ALTER TABLE objects RENAME COLUMN size TO length",
        "DROP TABLE objects; CREATE VIEW objects AS SELECT 1",
        "PRAGMA journal_mode = DELETE",
    ] {
        Connection::open(place.index()).unwrap().execute_batch(change).unwrap();
        until_indexed(&place, GOOD);
    }
}

#[test]
fn a_locked_index_is_done_without() {
    let place = Place::new();
    place.open().publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    until_indexed(&place, GOOD);
    // A writer keeps others from writing only.
    let writer = Connection::open(place.index()).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let cache = place.open_without_records();
    assert_eq!(lookup(&cache, GOOD), Some(Verified::ByIndex));
    cache.publish(&parts(BAD), &object(BAD, LEN)).unwrap();
    assert!(lookup(&cache, BAD).is_some());
    drop(cache);
    writer.execute_batch("ROLLBACK").unwrap();
    drop(writer);
    // One in exclusive mode keeps them from reading, too.
    let hog = Connection::open(place.index()).unwrap();
    hog.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let cache = place.open_without_records();
    assert_eq!(lookup(&cache, GOOD), Some(Verified::ByDigest));
    assert_eq!(cache.ls().len(), 2);
    assert!(cache.stat().index_unavailable > 0);
    assert_eq!(cache.stat().index_resets, 0, "a locked index is not a broken one");
    assert!(cache.verify(Repair::No).iter().all(|report| report.fault.is_none()));
    drop(hog);
    until_indexed(&place, GOOD);
}

#[test]
fn the_lock_file_held_by_others_is_waited_for_shortly() {
    let place = Place::new();
    place.open().publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    let held = File::open(place.path().join("index.lock")).unwrap();
    held.lock().unwrap();
    let cache = place.open_without_records();
    assert_eq!(lookup(&cache, GOOD), Some(Verified::ByDigest));
    assert!(cache.rebuild_index().is_err());
    drop(held);
    until_indexed(&place, GOOD);
}

#[test]
fn rows_name_the_boot_unless_the_object_was_synced() {
    for (durability, any_boot) in [(Durability::Buffered, false), (Durability::Synced, true)] {
        let place = Place::new();
        let options = Options { durability, ..Options::default() };
        let cache = Cache::open_with(place.path(), options).unwrap();
        cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
        drop(cache);
        let connection = Connection::open(place.index()).unwrap();
        let boots: Vec<Vec<u8>> = connection
            .prepare("SELECT boot FROM objects")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        // None at all where file times are too coarse to vouch for a new file.
        assert!(boots.iter().all(|boot| (*boot == [0; 16]) == any_boot), "{durability:?}");
    }
}

#[test]
fn syncing_an_object_makes_it_count_in_any_boot() {
    let place = Place::new();
    let cache = place.open();
    assert!(!cache.sync(&parts(GOOD)).unwrap(), "there is none yet");
    cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    until_indexed(&place, GOOD);
    // The boot in the record, which is the only one, and the one in the row.
    let boots = || {
        let records = std::fs::read(place.records()).unwrap();
        let slot = records.chunks(128).find(|slot| slot.iter().any(|byte| *byte != 0)).unwrap();
        let connection = Connection::open(place.index()).unwrap();
        let row: Vec<u8> = connection.query_row("SELECT boot FROM objects", [], |row| row.get(0)).unwrap();
        [slot[72..88].to_vec(), row]
    };
    assert!(boots().iter().all(|boot| *boot != [0; 16]));
    for _ in 0..2 {
        assert!(place.open().sync(&parts(GOOD)).unwrap());
        assert!(boots().iter().all(|boot| *boot == [0; 16]));
    }
    assert_eq!(lookup(&place.open(), GOOD), Some(Verified::ByIndex));
}

#[test]
fn a_file_that_was_changed_is_not_synced_as_good() {
    let place = Place::new();
    place.open().publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    until_indexed(&place, GOOD);
    overwrite(&place.object(&parts(GOOD).key()), &[0x5a; 300]);
    assert!(!place.open().sync(&parts(GOOD)).unwrap());
    assert_eq!(lookup(&place.open(), GOOD), None);
}

#[test]
fn two_handles_replace_a_broken_index_together() {
    let place = Place::new();
    let caches: Vec<Cache> = (0..4).map(|_| place.open()).collect();
    for (seed, cache) in (0..).zip(&caches) {
        cache.publish(&parts(seed), &object(seed, LEN)).unwrap();
    }
    for round in 0..20 {
        let index = File::options().write(true).open(place.index()).unwrap();
        index.write_all_at(&[0x5a; 4096], 4096 * (round % 2)).unwrap();
        std::thread::scope(|scope| {
            for cache in &caches {
                scope.spawn(|| {
                    let _gone = fs::remove_file(place.records());
                    for seed in 0..4 {
                        assert!(lookup(cache, seed).is_some());
                        cache.publish(&parts(seed), &object(seed, LEN)).unwrap();
                    }
                });
            }
        });
    }
    drop(caches);
    for seed in 0..4 {
        until_indexed(&place, seed);
    }
}
