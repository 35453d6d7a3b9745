//! The plain life of objects: stored, found, listed, removed; in directories of all kinds.

mod common;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::{Place, is_root, lookup, object, parts, read, until_indexed};
use tvm_cache::{Cache, CacheError, Durability, Options, Source, TRAILER_LEN, Verified, hash};

#[test]
fn objects_are_stored_and_found_by_threads_and_later_processes() {
    fn shared<T: Send + Sync>(_: &T) {}
    let place = Place::new();
    let cache = place.open();
    shared(&cache);
    assert_eq!(lookup(&cache, 1), None);
    for (seed, len) in [(1, 0), (2, 1), (3, 300_000)] {
        let hit = cache.publish(&parts(seed), &object(seed, len)).unwrap();
        assert_eq!((read(&hit), hit.path.as_path()), (object(seed, len), &*place.object(&parts(seed).key())));
        assert_eq!(hit.verified, Verified::ByDigest);
        assert!((&hit.file).write_all(b"x").is_err(), "the file is open for reading only");
        assert_eq!(fs::metadata(&hit.path).unwrap().mode() & 0o7777, 0o400);
        assert!(lookup(&cache, seed).is_some());
    }
    drop(cache);
    for seed in 1..4 {
        until_indexed(&place, seed);
    }
    for private in ["", "objects", "index.sqlite", "index.sqlite-wal", "index.lock"] {
        assert_eq!(fs::metadata(place.path().join(private)).unwrap().mode() & 0o077, 0, "{private}");
    }
}

#[test]
fn a_known_file_is_not_read_again() {
    let place = Place::new();
    place.open().publish(&parts(1), &object(1, 100_000)).unwrap();
    until_indexed(&place, 1);
    let cache = place.open();
    for _ in 0..3 {
        assert_eq!(lookup(&cache, 1), Some(Verified::ByIndex));
    }
    let stats = cache.stat();
    assert_eq!((stats.hits, stats.misses, stats.digest_checks), (3, 0, 0));
}

#[test]
fn synced_objects_are_found_too() {
    let place = Place::new();
    let options = Options { durability: Durability::Synced, ..Options::default() };
    Cache::open_with(place.path(), options).unwrap().publish(&parts(1), &object(1, 50)).unwrap();
    assert!(lookup(&place.open(), 1).is_some());
}

#[test]
fn open_files_survive_replacement_and_removal() {
    let place = Place::new();
    let cache = place.open();
    let mut old = cache.publish(&parts(1), &object(1, 50)).unwrap();
    let new = cache.publish(&parts(1), &object(1, 50)).unwrap();
    assert_ne!(old.file.metadata().unwrap().ino(), new.file.metadata().unwrap().ino());
    assert!(cache.remove(&parts(1).key()).unwrap());
    assert!(!cache.remove(&parts(1).key()).unwrap());
    assert_eq!(lookup(&cache, 1), None);
    let mut bytes = Vec::new();
    old.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, 50 + TRAILER_LEN);
    assert_eq!(read(&new), object(1, 50));
}

#[test]
fn objects_are_listed_counted_and_removed_by_code() {
    let place = Place::new();
    let cache = place.open();
    assert_eq!((cache.ls().len(), cache.stat().entries), (0, 0));
    let other_options = tvm_cache::KeyParts { options: 1, ..parts(1) };
    for parts in [parts(1), other_options, parts(2)] {
        cache.publish(&parts, &[7; 10]).unwrap();
    }
    let mut listed: Vec<_> = cache.ls().iter().map(|entry| entry.parts).collect();
    listed.sort_by_key(|parts| (parts.code_hash != hash(&1_u64.to_le_bytes()), parts.options));
    assert_eq!(listed, [parts(1), other_options, parts(2)]);
    assert!(cache.ls().iter().all(|entry| entry.key == entry.parts.key() && entry.object_len == 10));
    let stats = cache.stat();
    assert_eq!((stats.entries, stats.bytes, stats.published), (3, 3 * (10 + TRAILER_LEN), 3));
    assert_eq!(cache.remove_code(&parts(1).code_hash).unwrap(), 2);
    assert_eq!(cache.ls().len(), 1);
    assert_eq!(cache.clear().unwrap(), 1);
    assert_eq!((cache.ls().len(), cache.stat().bytes), (0, 0));
    cache.publish(&parts(3), b"again").unwrap();
    assert_eq!(cache.ls().len(), 1);
}

#[test]
fn listing_needs_no_index() {
    let place = Place::new();
    place.open().publish(&parts(1), &object(1, 10)).unwrap();
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "records"] {
        fs::remove_file(place.path().join(name)).unwrap();
    }
    let entries = place.open().ls();
    assert_eq!((entries.len(), entries[0].parts, entries[0].verified), (1, parts(1), false));
}

#[test]
fn a_deleted_directory_comes_back() {
    let place = Place::new();
    let cache = place.open();
    for _ in 0..2 {
        cache.publish(&parts(1), &object(1, 10)).unwrap();
        assert!(lookup(&cache, 1).is_some());
        fs::remove_dir_all(place.path()).unwrap();
        assert_eq!(lookup(&cache, 1), None);
    }
    let (source, _) = cache.get_or_publish(&parts(1), || Ok::<_, ()>(object(1, 10))).unwrap();
    assert!(matches!(source, Source::Cached(_)));
    assert_eq!(cache.ls().len(), 1);
}

/// Runs the test `name` of this file in another process, prepared by `command`; there `TVM_TEST_DIR` is set.
fn run_child(mut command: Command, name: &str, dir: &Path) {
    let output = command.args(["--exact", name]).env("TVM_TEST_DIR", dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Whether this process may have a mount namespace of its own: root in most places, but not in every container.
fn can_mount() -> bool {
    let status = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    is_root() && status.is_ok_and(|output| output.status.success())
}

/// This test binary, after `setup` has run in a mount namespace of its own.
fn in_namespace(setup: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &format!("{setup}\nexec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap());
    command
}

#[test]
fn child_reads_a_cache_it_cannot_write() {
    let Some(dir) = std::env::var_os("TVM_TEST_DIR") else { return };
    let cache = Cache::open(&dir).unwrap();
    assert!(cache.is_read_only());
    assert!(lookup(&cache, 1).is_some());
    assert_eq!(lookup(&cache, 1), Some(Verified::ByIndex), "remembered by this process at least");
    assert_eq!(lookup(&cache, 2), None);
    assert_eq!(cache.ls().len(), 2, "the damaged object stays where it is");
    assert!(matches!(cache.publish(&parts(3), b"x"), Err(CacheError::ReadOnly { .. })));
    assert!(matches!(cache.clear(), Err(CacheError::ReadOnly { .. })));
    assert!(matches!(cache.rebuild_index(), Err(CacheError::ReadOnly { .. })));
    assert!(matches!(cache.remove(&parts(1).key()), Err(CacheError::ReadOnly { .. })));
    let (source, _) = cache.get_or_publish(&parts(3), || Ok::<_, ()>(object(3, 9))).unwrap();
    assert!(
        matches!(source, Source::Fresh(bytes, why) if *bytes == object(3, 9) && matches!(*why, CacheError::ReadOnly { .. }))
    );
}

/// A cache with a good object, whose file has settled, and a damaged one.
fn half_damaged() -> Place {
    let place = Place::new();
    let cache = place.open();
    cache.publish(&parts(1), &object(1, 60)).unwrap();
    cache.publish(&parts(2), &object(2, 60)).unwrap();
    let bad = place.object(&parts(2).key());
    let mut bytes = fs::read(&bad).unwrap();
    bytes[0] ^= 1;
    common::overwrite(&bad, &bytes);
    common::settle(&place.object(&parts(1).key()));
    place
}

#[test]
fn a_read_only_mount_can_be_read() {
    if !can_mount() {
        return;
    }
    let place = half_damaged();
    let path = place.path();
    let setup = format!("mount --bind {0} {0}\nmount -o remount,bind,ro {0}", path.display());
    let before = fs::read_dir(&path).unwrap().count();
    run_child(in_namespace(&setup), "child_reads_a_cache_it_cannot_write", &path);
    assert_eq!(fs::read_dir(&path).unwrap().count(), before);
}

#[test]
fn a_cache_of_root_can_be_read_by_others() {
    if !is_root() {
        return; // Only root can become somebody else.
    }
    let place = half_damaged();
    // As an administrator would who shares a cache: chmod -R a+rX.
    let mut all = vec![place.outside().to_owned(), place.path()];
    while let Some(path) = all.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let add = if metadata.is_dir() { 0o555 } else { 0o444 };
        fs::set_permissions(&path, Permissions::from_mode(metadata.mode() & 0o755 | add)).unwrap();
        if metadata.is_dir() && path != place.outside() {
            all.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    common::settle(&place.object(&parts(1).key()));
    // The test binary may lie where only root can reach it.
    let binary = place.outside().join("test-binary");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&binary);
    command.uid(65534).gid(65534).current_dir("/");
    run_child(command, "child_reads_a_cache_it_cannot_write", &place.path());
}

#[test]
fn child_fills_the_disk() {
    let Some(dir) = std::env::var_os("TVM_TEST_DIR") else { return };
    let cache = Cache::open(dir).unwrap();
    cache.publish(&parts(1), &object(1, 1000)).unwrap();
    let large = object(2, 1 << 20);
    assert!(matches!(cache.publish(&parts(2), &large), Err(CacheError::NoSpace { .. })));
    let (source, _) = cache.get_or_publish(&parts(2), || Ok::<_, ()>(large.clone())).unwrap();
    let Source::Fresh(bytes, why) = source else { panic!("nothing of this size fits") };
    assert_eq!((*bytes == large, why.to_string().contains("no space left")), (true, true));
    assert!(lookup(&cache, 1).is_some());
    let stats = cache.stat();
    assert_eq!((stats.entries, stats.temporary, stats.publish_failures), (1, 0, 2), "nothing is left of the attempts");
}

#[test]
fn a_full_disk_means_running_uncached() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let setup = format!("mount -t tmpfs -o size=512k,mode=0700 tmpfs {}", place.path().display());
    run_child(in_namespace(&setup), "child_fills_the_disk", &place.path());
}
