//! What outsiders cannot see: places, boots, and what goes when a set is full.

use super::*;
use crate::boot::BootId;
use crate::row::Row;
use crate::row::tests::row;
use crate::{Cache, KeyParts, hash};

struct Place {
    _temp: tempfile::TempDir,
    root: Root,
    records: Records,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(&temp.path().join("c")).unwrap();
        Self { _temp: temp, root, records: Records::default() }
    }

    fn put(&self, key: &Key, record: Record) -> Vec<Displaced> {
        self.records.put(&self.root, [(key, record)].into_iter())
    }

    fn has(&self, key: &Key) -> bool {
        self.records.find(&self.root, key, &record(0).identity).is_some()
    }
}

fn record(last_use: u64) -> Record {
    Record { last_use: UnixSecs(last_use), ..Record::from(&row(1)) }
}

/// Keys that all select one set.
fn rivals(number: u8) -> Key {
    let mut bytes = [number; 32];
    [bytes[0], bytes[1]] = [0x34, 0x12 + 0x10 * (number % 16)];
    Key::from_bytes(bytes)
}

#[test]
fn sets_fill_the_file_to_its_end() {
    let key = |low: u8, high: u8| {
        let mut bytes = [7; 32];
        [bytes[0], bytes[1]] = [low, high];
        Key::from_bytes(bytes)
    };
    assert_eq!(offset_of(&key(0, 0)), 0);
    assert_eq!(offset_of(&key(1, 0)), SET_LEN as u64);
    assert_eq!(offset_of(&key(0xff, 0xff)), FILE_LEN - SET_LEN as u64);
    assert_eq!(offset_of(&key(0xff, 0x0f)), FILE_LEN - SET_LEN as u64);
    let place = Place::new();
    for (low, high) in [(0, 0), (1, 0), (0xff, 0xff)] {
        assert!(!place.has(&key(low, high)));
        assert_eq!(place.put(&key(low, high), record(1)), []);
        assert!(place.has(&key(low, high)));
    }
    assert_eq!(place.records.all(&place.root).len(), 3);
}

#[test]
fn a_full_set_loses_the_record_used_least_recently() {
    let place = Place::new();
    for number in 0..WAYS as u8 {
        assert_eq!(place.put(&rivals(number), record(10 + u64::from(number))), []);
    }
    assert_eq!(place.put(&rivals(0), record(20)), [], "the same key takes its own place");
    let gone = Displaced { key: rivals(1), last_use: UnixSecs(11) };
    assert_eq!(place.put(&rivals(100), record(30)), [gone]);
    assert!(!place.has(&rivals(1)));
    assert!([0, 2, 3, 100].into_iter().all(|number| place.has(&rivals(number))));
    place.records.remove(&place.root, &[rivals(2)]);
    assert_eq!(place.put(&rivals(1), record(1)), [], "an empty slot is taken first");
}

#[test]
fn uses_are_noted_and_those_without_a_record_handed_back() {
    let place = Place::new();
    place.put(&rivals(1), record(10));
    let uses = |last_use| BTreeMap::from([(rivals(1), UnixSecs(last_use)), (rivals(2), UnixSecs(last_use))]);
    let noted = || place.records.all(&place.root)[&rivals(1)].last_use.0;
    assert_eq!(place.records.touch(&place.root, uses(20)), BTreeMap::from([(rivals(2), UnixSecs(20))]));
    assert_eq!(noted(), 20);
    assert_eq!(place.records.touch(&place.root, uses(15)).len(), 1);
    assert_eq!(noted(), 20, "an earlier use changes nothing");
}

#[test]
fn another_process_may_replace_the_file_at_any_time() {
    let (place, other) = (Place::new(), Records::default());
    place.put(&rivals(1), record(1));
    assert!(place.has(&rivals(1)));
    other.reset(&place.root);
    assert!(place.has(&rivals(1)), "the file that is open still tells the truth");
    other.put(&place.root, [(&rivals(2), record(1))].into_iter());
    assert!(place.has(&rivals(2)));
    assert!(!place.has(&rivals(1)));
}

#[test]
fn writers_that_race_for_a_set_leave_whole_records() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let place = &place;
            scope.spawn(move || {
                let records = Records::default();
                for round in 0..200 {
                    let key = rivals(writer * 16 + round % 7);
                    records.put(&place.root, [(&key, record(u64::from(round)))].into_iter());
                    records.touch(&place.root, BTreeMap::from([(key, UnixSecs(1000))]));
                    let found = records.find(&place.root, &key, &record(0).identity);
                    assert!(found.is_none_or(|found| found.identity == record(0).identity));
                }
            });
        }
    });
    let left = place.records.all(&place.root);
    assert!((1..=WAYS).contains(&left.len()), "{} records", left.len());
    left.values().for_each(|found| assert_eq!(found.identity, record(0).identity));
}

/// A cache with an object in it, and the row that vouches for it.
fn vouched() -> (tempfile::TempDir, Cache, Row) {
    let temp = tempfile::tempdir().unwrap();
    let cache = Cache::open(temp.path().join("c")).unwrap();
    let parts = KeyParts { code_hash: hash(b"boots"), ..row(1).parts };
    let hit = cache.publish(&parts, b"object").unwrap();
    let identity = FileIdentity::of(&hit.file.metadata().unwrap());
    (temp, cache, Row { parts, identity, boot: BootId::current(), last_use: UnixSecs(1) })
}

#[test]
fn a_record_of_another_boot_is_not_believed() {
    for (boot, believed) in [(BootId::current(), true), (BootId::ANY, true), (BootId([9; 16]), false)] {
        let (temp, cache, row) = vouched();
        let key = row.parts.key();
        cache.index.reset(&cache.root(), &cache.counters);
        cache.records.reset(&cache.root());
        cache.records.put(&cache.root(), [(&key, Record { boot, ..Record::from(&row) })].into_iter());
        drop(cache);
        let cache = Cache::open(temp.path().join("c")).unwrap();
        assert!(cache.lookup(&key).is_some());
        assert_eq!(cache.stat().digest_checks, u64::from(!believed), "{boot:?}");
    }
}

#[test]
fn what_a_displaced_record_knew_goes_to_the_index() {
    let (_temp, cache, row) = vouched();
    let (root, key) = (cache.root(), row.parts.key());
    cache.vouch(&root, [&row].into_iter());
    cache.note_uses(&root, BTreeMap::from([(key, UnixSecs(5000))]));
    assert_eq!(cache.index.all(&root, &cache.counters)[&key].last_use, UnixSecs(1), "only the record knows");
    // Records of others, until the set is full and one more.
    for number in 0..WAYS as u8 {
        let mut bytes = [number; 32];
        bytes[..2].copy_from_slice(&key.as_bytes()[..2]);
        let displaced = cache.records.put(&root, [(&Key::from_bytes(bytes), record(6000))].into_iter());
        let expected = (number == WAYS as u8 - 1).then_some(Displaced { key, last_use: UnixSecs(5000) });
        assert_eq!(displaced.first().copied(), expected, "{number}");
    }
    assert!(cache.records.find(&root, &key, &row.identity).is_none());
}

#[test]
fn listing_tells_the_index_what_only_the_records_know() {
    let (_temp, cache, row) = vouched();
    let (root, key) = (cache.root(), row.parts.key());
    cache.vouch(&root, [&row].into_iter());
    cache.note_uses(&root, BTreeMap::from([(key, UnixSecs(5000))]));
    assert_eq!(cache.ls()[0].last_use, UnixSecs(5000));
    cache.records.reset(&root);
    assert_eq!(cache.ls()[0].last_use, UnixSecs(5000));
}
