//! What the tests of the cache share.

#![allow(dead_code, reason = "each test file uses its own selection")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tempfile::TempDir;
use tvm_cache::{Cache, Clock, Hit, Key, KeyParts, Options, UnixSecs, Verified, hash};

/// A cache directory that goes away with the test; in memory where possible, because many tests make thousands of
/// small changes.
pub struct Place {
    temp: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { temp: temp.unwrap() }
    }

    pub fn outside(&self) -> &Path {
        self.temp.path()
    }

    pub fn path(&self) -> PathBuf {
        self.temp.path().join("cache")
    }

    pub fn open(&self) -> Cache {
        Cache::open(self.path()).unwrap()
    }

    pub fn index(&self) -> PathBuf {
        self.path().join("index.sqlite")
    }

    pub fn records(&self) -> PathBuf {
        self.path().join("records")
    }

    /// A cache that has only the index to ask about files.
    pub fn open_without_records(&self) -> Cache {
        if let Err(error) = fs::remove_file(self.records()) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
        self.open()
    }

    pub fn object(&self, key: &Key) -> PathBuf {
        let key = key.to_string();
        self.path().join("objects").join(&key[..2]).join(format!("{key}.o"))
    }

    pub fn quarantined(&self) -> usize {
        fs::read_dir(self.path().join("quarantine")).map_or(0, Iterator::count)
    }
}

pub fn parts(seed: u64) -> KeyParts {
    KeyParts {
        code_hash: hash(&seed.to_le_bytes()),
        format_version: 1,
        compiler: hash(b"compiler"),
        gp_version: 1,
        gas_model: 1,
        container: 2,
        cpu_features: 3,
        options: 0,
    }
}

/// An object that belongs to `seed` alone.
pub fn object(seed: u64, len: usize) -> Vec<u8> {
    hash(&seed.to_be_bytes()).into_iter().cycle().take(len).collect()
}

pub fn read(hit: &Hit) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(hit.object_len).unwrap()];
    hit.file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Looks the object of `seed` up, checks that it is right, and says how it was verified.
pub fn lookup(cache: &Cache, seed: u64) -> Option<Verified> {
    let hit = cache.lookup(&parts(seed).key())?;
    assert_eq!(read(&hit), object(seed, usize::try_from(hit.object_len).unwrap()), "a wrong file for {seed}");
    Some(hit.verified)
}

/// Replaces a file's bytes in place, as an editor or a broken program would.
pub fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_permissions(Permissions::from_mode(0o400)).unwrap();
}

/// Puts a file where there is none, with the mode of an object.
pub fn plant(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(path).unwrap().write_all(bytes).unwrap();
}

/// Waits until the file's last change is old enough for its identity to be remembered after one check.
pub fn settle(path: &Path) {
    let changed = fs::metadata(path).unwrap();
    let changed = i128::from(changed.ctime()) * 1_000_000_000 + i128::from(changed.ctime_nsec());
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    while i128::try_from(now()).unwrap() - changed < 25_000_000 {
        std::thread::yield_now();
    }
}

/// Opens the cache with a fresh memory until both index and records vouch for `seed`, each without the other.
pub fn until_indexed(place: &Place, seed: u64) {
    settle(&place.object(&parts(seed).key()));
    assert!(lookup(&place.open_without_records(), seed).is_some());
    assert_eq!(lookup(&place.open_without_records(), seed), Some(Verified::ByIndex));
    assert_eq!(lookup_by_record(place, seed), Some(Verified::ByIndex));
}

/// Looks the object of `seed` up with a fresh memory and no index to ask, which costs a digest if it has no record.
pub fn lookup_by_record(place: &Place, seed: u64) -> Option<Verified> {
    let lock = File::options().write(true).create(true).truncate(false).open(place.path().join("index.lock")).unwrap();
    lock.lock().unwrap();
    lookup(&place.open(), seed)
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A clock that stands still until it is set.
#[derive(Default)]
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixSecs {
        UnixSecs(self.0.load(Ordering::SeqCst))
    }
}

pub fn open_with_clock(place: &Place, clock: &Arc<TestClock>) -> Cache {
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(clock);
    Cache::open_with(place.path(), Options { clock, ..Options::default() }).unwrap()
}
