//! A hit needs no index, and nothing that can happen to the records makes a wrong file trusted.

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use common::{Place, is_root, lookup, lookup_by_record, object, overwrite, parts, plant, settle, until_indexed};
use tvm_cache::{Repair, Verified};

const GOOD: u64 = 1;
const BAD: u64 = 2;
const LEN: usize = 40;

/// A closed cache that vouches for both objects.
fn filled() -> Place {
    let place = Place::new();
    let cache = place.open();
    for seed in [GOOD, BAD] {
        cache.publish(&parts(seed), &object(seed, LEN)).unwrap();
    }
    drop(cache);
    for seed in [GOOD, BAD] {
        until_indexed(&place, seed);
    }
    for seed in [GOOD, BAD] {
        assert_eq!(lookup(&place.open(), seed), Some(Verified::ByIndex));
    }
    place
}

fn remove_index(place: &Place) {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        fs::remove_file(place.path().join(name)).unwrap();
    }
}

/// Where the file has something in it.
fn used_slots(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(128).filter(|at| bytes[*at..at + 128].iter().any(|byte| *byte != 0)).collect()
}

#[test]
fn a_hit_leaves_the_index_alone() {
    let place = filled();
    remove_index(&place);
    for _ in 0..3 {
        let cache = place.open();
        assert_eq!(lookup(&cache, GOOD), Some(Verified::ByIndex));
        assert_eq!(lookup(&cache, BAD), Some(Verified::ByIndex));
        assert_eq!(cache.stat().digest_checks, 0);
    }
    assert!(!place.index().exists());
}

#[test]
fn without_records_the_index_vouches_and_writes_them_again() {
    let place = filled();
    let cache = place.open_without_records();
    assert_eq!(lookup(&cache, GOOD), Some(Verified::ByIndex));
    remove_index(&place);
    assert_eq!(lookup(&place.open(), GOOD), Some(Verified::ByIndex));
    let cache = place.open();
    assert_eq!(lookup(&cache, BAD), Some(Verified::ByDigest), "nothing vouches for the other one any more");
    assert_eq!(lookup(&place.open_without_records(), BAD), Some(Verified::ByIndex));
}

#[test]
fn an_object_that_appears_without_a_record_is_read_once() {
    let place = filled();
    let path = place.object(&parts(3).key());
    // As a power cut leaves it: the object was written, the record was not.
    let other = Place::new();
    other.open().publish(&parts(3), &object(3, LEN)).unwrap();
    plant(&path, &fs::read(other.object(&parts(3).key())).unwrap());
    settle(&path);
    assert_eq!(lookup(&place.open(), 3), Some(Verified::ByDigest));
    assert_eq!(lookup_by_record(&place, 3), Some(Verified::ByIndex));
}

#[test]
fn a_record_without_its_object_is_a_miss() {
    let place = filled();
    fs::remove_file(place.object(&parts(BAD).key())).unwrap();
    assert_eq!(lookup_by_record(&place, BAD), None);
    // A file of the same name and contents is another file.
    let bytes = fs::read(place.object(&parts(GOOD).key())).unwrap();
    fs::remove_file(place.object(&parts(GOOD).key())).unwrap();
    plant(&place.object(&parts(GOOD).key()), &bytes);
    settle(&place.object(&parts(GOOD).key()));
    assert_eq!(lookup(&place.open(), GOOD), Some(Verified::ByDigest));
    // And one of the same name and other contents is none.
    plant(&place.object(&parts(BAD).key()), &bytes);
    assert_eq!(lookup_by_record(&place, BAD), None);
}

#[test]
fn a_copied_directory_is_verified_anew() {
    let place = filled();
    let copy = Place::new();
    let copied = Command::new("cp").args(["-a".as_ref(), place.path().as_os_str(), copy.path().as_os_str()]).status();
    assert!(copied.unwrap().success());
    let mut bad = fs::read(copy.object(&parts(BAD).key())).unwrap();
    bad[0] ^= 1;
    fs::remove_file(copy.object(&parts(BAD).key())).unwrap();
    plant(&copy.object(&parts(BAD).key()), &bad);
    assert_eq!(lookup(&copy.open(), BAD), None);
    assert_eq!(lookup(&copy.open(), GOOD), Some(Verified::ByDigest));
}

#[test]
fn no_flipped_byte_of_a_record_makes_a_wrong_file_trusted() {
    let place = filled();
    let good = fs::read(place.records()).unwrap();
    let mut bad_object = fs::read(place.object(&parts(BAD).key())).unwrap();
    bad_object[0] ^= 1;
    let slots = used_slots(&good);
    assert_eq!(slots.len(), 2);
    for at in slots.into_iter().flat_map(|slot| slot..slot + 128) {
        let path = place.object(&parts(BAD).key());
        if path.exists() {
            overwrite(&path, &bad_object)
        } else {
            plant(&path, &bad_object)
        }
        let mut bytes = good[at..=at].to_vec();
        bytes[0] ^= 1 << (at % 8);
        let records = File::options().write(true).open(place.records()).unwrap();
        records.write_all_at(&good, 0).unwrap();
        records.write_all_at(&bytes, at as u64).unwrap();
        let cache = place.open();
        assert_eq!(lookup(&cache, BAD), None, "byte {at}");
        assert!(lookup(&cache, GOOD).is_some(), "byte {at}");
    }
}

#[test]
fn a_record_with_the_identity_of_a_bad_file_needs_its_checksum() {
    let place = filled();
    let records = fs::read(place.records()).unwrap();
    let path = place.object(&parts(BAD).key());
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    overwrite(&path, &bytes);
    let metadata = fs::metadata(&path).unwrap();
    let key = parts(BAD).key();
    let at = used_slots(&records).into_iter().find(|at| records[*at..at + 32] == *key.as_bytes()).unwrap();
    let numbers = {
        use std::os::unix::fs::MetadataExt;
        let nanos = |secs: i64, nanos: i64| (secs * 1_000_000_000 + nanos).cast_unsigned();
        let (modified, changed) = (metadata.mtime(), metadata.ctime());
        let times = [nanos(modified, metadata.mtime_nsec()), nanos(changed, metadata.ctime_nsec())];
        [metadata.dev(), metadata.ino(), metadata.size(), times[0], times[1]].map(u64::to_le_bytes).concat()
    };
    let file = File::options().write(true).open(place.records()).unwrap();
    file.write_all_at(&numbers, at as u64 + 32).unwrap();
    assert_eq!(lookup_by_record(&place, BAD), None, "a forged identity");
}

#[test]
fn a_record_from_before_the_change_vouches_for_nothing() {
    let place = filled();
    let records = fs::read(place.records()).unwrap();
    let path = place.object(&parts(BAD).key());
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    overwrite(&path, &bytes);
    settle(&path);
    // As from a backup.
    fs::write(place.records(), records).unwrap();
    assert_eq!(lookup(&place.open(), BAD), None);
    assert!(!path.exists(), "the damaged object is in quarantine");
}

#[test]
fn cut_and_foreign_files_are_replaced() {
    let place = filled();
    let good = fs::read(place.records()).unwrap();
    let elsewhere = place.outside().join("elsewhere");
    fs::write(&elsewhere, &good).unwrap();
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    let writable_by = |path: &Path, mode| {
        write(path, &good);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    // What stands in the file's place, and whether it is a file of records all the same.
    type Maker<'a> = &'a dyn Fn(&Path);
    let makers: [(&str, bool, Maker<'_>); 13] = [
        ("the same bytes", true, &|path| write(path, &good)),
        ("nothing", false, &|_| {}),
        ("an empty file", false, &|path| write(path, b"")),
        ("a file cut in the middle", false, &|path| write(path, &good[..good.len() / 2])),
        ("a file without its last byte", false, &|path| write(path, &good[..good.len() - 1])),
        ("a file with one byte more", false, &|path| write(path, &[&good[..], b"x"].concat())),
        ("zeroes", false, &|path| write(path, &vec![0; good.len()])),
        ("a link", false, &|path| symlink(&elsewhere, path).unwrap()),
        ("a second name", false, &|path| fs::hard_link(&elsewhere, path).unwrap()),
        ("a directory", false, &|path| fs::create_dir_all(path.join("full")).unwrap()),
        ("a pipe", false, &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("a file its group can write", false, &|path| writable_by(path, 0o620)),
        ("a file all can write", false, &|path| writable_by(path, 0o602)),
    ];
    for (what, is_good, make) in makers {
        fs::remove_file(place.records()).unwrap();
        make(&place.records());
        let expected = if is_good { Verified::ByIndex } else { Verified::ByDigest };
        assert_eq!(lookup_by_record(&place, GOOD), Some(expected), "{what}");
        until_indexed(&place, GOOD);
        assert!(fs::symlink_metadata(place.records()).unwrap().is_file(), "{what}");
    }
    if is_root() {
        write(&place.records(), &good);
        chown(place.records(), Some(1), None).unwrap();
        assert_eq!(lookup_by_record(&place, GOOD), Some(Verified::ByDigest), "a file of another user");
        until_indexed(&place, GOOD);
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), good);
}

#[test]
fn what_was_found_bad_or_removed_loses_its_record() {
    let place = filled();
    let (cache, path) = (place.open(), place.object(&parts(BAD).key()));
    let records = || used_slots(&fs::read(place.records()).unwrap()).len();
    assert_eq!(records(), 2);
    overwrite(&path, b"bad");
    cache.verify(Repair::No);
    assert_eq!(records(), 1);
    assert!(cache.remove(&parts(GOOD).key()).unwrap());
    assert_eq!(records(), 0);
    cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    until_indexed(&place, GOOD);
    cache.clear().unwrap();
    assert!(!place.records().exists());
    cache.publish(&parts(GOOD), &object(GOOD, LEN)).unwrap();
    until_indexed(&place, GOOD);
    place.open_without_records().rebuild_index().unwrap();
    assert_eq!(lookup_by_record(&place, GOOD), Some(Verified::ByIndex), "rebuilding writes records, too");
}

#[test]
fn many_publish_at_once_and_all_is_recorded() {
    let place = Place::new();
    let caches: Vec<_> = (0..4).map(|_| place.open()).collect();
    std::thread::scope(|scope| {
        for (offset, cache) in (0..).zip(&caches) {
            scope.spawn(move || {
                for seed in 0..30 {
                    let seed = (seed + offset * 7) % 30;
                    cache.publish(&parts(seed), &object(seed, LEN)).unwrap();
                    assert!(lookup(cache, seed).is_some());
                }
            });
        }
    });
    for seed in 0..30 {
        // Of several that published the same object, the record of one that lost may have been written last.
        settle(&place.object(&parts(seed).key()));
        assert!(lookup(&place.open(), seed).is_some());
        assert_eq!(lookup(&place.open(), seed), Some(Verified::ByIndex), "{seed}");
    }
}
