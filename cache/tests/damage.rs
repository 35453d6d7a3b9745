//! Whatever is wrong with a file makes it a miss; no lookup fails, none returns wrong bytes.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use common::{Place, is_root, lookup, object, overwrite, parts, plant, settle, until_indexed};
use tvm_cache::{Cache, Fault, MAX_OBJECT_LEN, MAX_QUARANTINED, Repair, TRAILER_LEN, Verified};

const SEED: u64 = 1;

/// A cache with one small object that the index vouches for.
fn filled() -> (Place, Cache) {
    let place = Place::new();
    let cache = place.open();
    cache.publish(&parts(SEED), &object(SEED, 60)).unwrap();
    (place, cache)
}

/// Asserts that the object is missed by a cache that knew it and by one that did not, and can then be stored again.
fn assert_missed(place: &Place, cache: &Cache, what: &str) {
    assert_eq!(lookup(cache, SEED), None, "{what}: the cache that knew the file");
    assert_eq!(lookup(&place.open(), SEED), None, "{what}: a new cache");
    cache.publish(&parts(SEED), &object(SEED, 60)).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(lookup(cache, SEED).is_some(), "{what}: stored again");
}

/// Makes the file one that nobody has vouched for, with the same bytes.
fn change_identity(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
}

#[test]
fn every_flipped_byte_is_a_miss_and_quarantined() {
    let (place, cache) = filled();
    let path = place.object(&parts(SEED).key());
    let good = fs::read(&path).unwrap();
    assert_eq!(good.len() as u64, 60 + TRAILER_LEN);
    for i in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[i] ^= flip;
            overwrite(&path, &bad);
            assert_eq!(lookup(&cache, SEED), None, "byte {i} ^ {flip:#x}");
            assert!(!path.exists(), "byte {i} ^ {flip:#x} is still there");
            plant(&path, &good);
            assert_eq!(lookup(&cache, SEED), Some(Verified::ByDigest), "restored after byte {i}");
        }
    }
    assert_eq!(place.quarantined(), MAX_QUARANTINED);
    assert_eq!(cache.stat().rejected, 3 * good.len() as u64);
}

#[test]
fn every_length_but_the_right_one_is_a_miss() {
    let (place, cache) = filled();
    let path = place.object(&parts(SEED).key());
    let good = fs::read(&path).unwrap();
    for len in 0..good.len() {
        overwrite(&path, &good[..len]);
        assert_eq!(lookup(&cache, SEED), None, "cut to {len}");
        plant(&path, &good);
    }
    overwrite(&path, &[good.as_slice(), b"x"].concat());
    assert_missed(&place, &cache, "one byte too long");
}

#[test]
fn a_change_that_keeps_size_and_mtime_is_seen() {
    let (place, cache) = filled();
    until_indexed(&place, SEED);
    let path = place.object(&parts(SEED).key());
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bad = fs::read(&path).unwrap();
    bad[0] ^= 1;
    overwrite(&path, &bad);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_missed(&place, &cache, "same size and mtime");
}

#[test]
fn an_untouched_copy_is_verified_anew_and_then_known() {
    let (place, _) = filled();
    let path = place.object(&parts(SEED).key());
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    plant(&path, &good);
    settle(&path);
    let cache = place.open();
    assert_eq!(lookup(&cache, SEED), Some(Verified::ByDigest));
    assert_eq!(lookup(&cache, SEED), Some(Verified::ByIndex));
    assert_eq!(lookup(&place.open(), SEED), Some(Verified::ByIndex));
}

#[test]
fn the_object_of_another_key_is_a_miss() {
    let (place, cache) = filled();
    cache.publish(&parts(2), &object(2, 60)).unwrap();
    let path = place.object(&parts(SEED).key());
    fs::remove_file(&path).unwrap();
    fs::rename(place.object(&parts(2).key()), &path).unwrap();
    let reports = cache.verify(Repair::No);
    assert_eq!(reports.iter().map(|report| report.fault).collect::<Vec<_>>(), [Some(Fault::ForeignKey)]);
    assert_missed(&place, &cache, "foreign key");
}

#[test]
fn a_missing_file_is_a_miss_even_if_the_index_knows_it() {
    let (place, cache) = filled();
    fs::remove_file(place.object(&parts(SEED).key())).unwrap();
    assert_missed(&place, &cache, "file removed");
    fs::remove_dir_all(place.path().join("objects")).unwrap();
    assert_missed(&place, &cache, "all objects removed");
}

#[test]
fn links_are_misses() {
    let (place, cache) = filled();
    let path = place.object(&parts(SEED).key());
    let elsewhere = place.outside().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_missed(&place, &cache, "symbolic link to the good file");
    assert!(elsewhere.exists());
    fs::hard_link(&path, place.outside().join("second name")).unwrap();
    assert_missed(&place, &cache, "hard link");
    let group = path.parent().unwrap().to_owned();
    for (what, original) in [("group", &group), ("objects", &place.path().join("objects"))] {
        let moved = place.outside().join(what);
        settle(&path);
        assert!(lookup(&cache, SEED).is_some());
        fs::rename(original, &moved).unwrap();
        symlink(&moved, original).unwrap();
        // The file that was vouched for is the same, whatever leads to it. Any other is not.
        assert_eq!(lookup(&cache, SEED), Some(Verified::ByIndex), "{what}");
        assert_eq!(lookup(&place.open(), SEED), Some(Verified::ByIndex), "{what}");
        change_identity(&path);
        assert_missed(&place, &cache, what);
    }
}

#[test]
fn what_is_no_file_is_a_miss() {
    let (place, cache) = filled();
    let path = place.object(&parts(SEED).key());
    let replace = |what: &str, make: &dyn Fn()| {
        fs::remove_file(&path).unwrap();
        make();
        assert_missed(&place, &cache, what);
    };
    replace("directory", &|| fs::create_dir(&path).unwrap());
    replace("socket", &|| drop(UnixListener::bind(&path)));
    replace("pipe", &|| assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()));
    replace("dangling link", &|| symlink("nowhere", &path).unwrap());
    let group = path.parent().unwrap();
    fs::remove_dir_all(group).unwrap();
    fs::write(group, b"file").unwrap();
    assert_missed(&place, &cache, "file in the place of a directory");
    // Publishing over a directory that no lookup has met.
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("full")).unwrap();
    cache.publish(&parts(SEED), &object(SEED, 60)).unwrap();
    assert!(lookup(&cache, SEED).is_some());
}

#[test]
fn files_of_others_and_files_others_can_write_are_misses() {
    let (place, cache) = filled();
    let path = place.object(&parts(SEED).key());
    for mode in [0o420, 0o402, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_missed(&place, &cache, "writable by others");
    }
    let group = path.parent().unwrap();
    for open_to_all in [group, group.parent().unwrap()] {
        settle(&path);
        assert!(lookup(&cache, SEED).is_some());
        fs::set_permissions(open_to_all, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(lookup(&cache, SEED), Some(Verified::ByIndex), "vouched for");
        change_identity(&path);
        assert_eq!(lookup(&cache, SEED), None, "not vouched for");
        assert!(cache.publish(&parts(SEED), b"object").unwrap_err().to_string().contains("mode 0777"));
        fs::set_permissions(open_to_all, Permissions::from_mode(0o700)).unwrap();
    }
    if is_root() {
        chown(&path, Some(1), None).unwrap();
        assert_missed(&place, &cache, "wrong owner");
    }
}

#[test]
fn lengths_are_bounded_without_reading() {
    let (place, cache) = filled();
    let path = place.object(&parts(SEED).key());
    // A sparse file of the first length that is too long; reading it would take seconds.
    overwrite(&path, b"");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(MAX_OBJECT_LEN + TRAILER_LEN + 1).unwrap();
    assert!(matches!(cache.verify(Repair::No)[0].fault, Some(Fault::Size { .. })));
    assert_missed(&place, &cache, "too long");
}

#[test]
fn verify_finds_what_lookups_trust_and_repairs_on_request() {
    let (place, cache) = filled();
    cache.publish(&parts(2), &object(2, 60)).unwrap();
    let path = place.object(&parts(SEED).key());
    let mut bad = fs::read(&path).unwrap();
    bad[0] ^= 1;
    overwrite(&path, &bad);
    fs::write(path.with_file_name("stray"), b"").unwrap();
    fs::write(place.path().join("objects/stray"), b"").unwrap();
    let faults = |repair| {
        let mut faults: Vec<_> = cache.verify(repair).into_iter().filter_map(|report| report.fault).collect();
        faults.sort_by_key(|fault| format!("{fault:?}"));
        faults
    };
    assert_eq!(faults(Repair::No), [Fault::Digest, Fault::Name, Fault::Name]);
    assert_eq!(faults(Repair::Quarantine), [Fault::Digest, Fault::Name, Fault::Name]);
    assert_eq!(faults(Repair::No), []);
    assert_eq!(place.quarantined(), 3);
    assert_eq!(lookup(&cache, SEED), None);
    assert!(lookup(&cache, 2).is_some());
}
