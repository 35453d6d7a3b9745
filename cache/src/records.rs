//! Admission records: the index's statements where one read finds them.
//!
//! Opening an SQLite database and asking it the first question takes some hundred microseconds; reading the right place
//! of an open file takes one. So whatever vouches for a file is written twice: as a row of the index, which can be
//! listed, and as a record here, which a lookup asks first. The file `records` is a table of [`SETS`] sets of
//! [`WAYS`] slots; a record is in one of the slots of the set that its key selects:
//!
//! ```text
//! offset  length
//!      0      32  key
//!     32      40  device, inode, size, mtime in ns, ctime in ns
//!     72      16  boot
//!     88       8  last use, in seconds since 1970
//!     96      16  the first bytes of BLAKE2b-256 over a domain and the 96 bytes above
//!    112      16  zeroes
//! ```
//!
//! Numbers are little-endian. Like a row, a record is a statement that needs no context: a slot that is empty, torn, or
//! overwritten by a record of another key only sends the lookup on to the index, and one that comes back from an old
//! copy is still true. Hence no locks, no order of writes, and no syncing: two processes that write to one slot at once
//! leave one record, or none.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{PoisonError, RwLock};

use crate::clock::UnixSecs;
use crate::dir::Root;
use crate::identity::FileIdentity;
use crate::key::Key;
use crate::{quarantine, sys};
use record::SLOT_LEN;

mod record;

pub(crate) use record::Record;

/// The file's name.
pub(crate) const RECORDS: &str = "records";

/// Sets in the table.
pub(crate) const SETS: u64 = 4096;
/// Slots in a set.
pub(crate) const WAYS: usize = 4;

const SET_LEN: usize = WAYS * SLOT_LEN;
const FILE_LEN: u64 = SETS * SET_LEN as u64;

type Set = [u8; SET_LEN];

/// The records of one cache. The file is opened when first needed, and again when its name means another one.
#[derive(Default)]
pub(crate) struct Records {
    reader: RwLock<Option<File>>,
}

/// A record that had to make room for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Displaced {
    pub key: Key,
    pub last_use: UnixSecs,
}

impl Records {
    /// A record by which the file of this identity holds the object of `key`.
    #[inline]
    pub(crate) fn find(&self, root: &Root, key: &Key, identity: &FileIdentity) -> Option<Record> {
        let vouching = |file: &File| {
            let set = read_set(file, key)?;
            ways_of(&set, key).map(|(_, record)| record).find(|record| record.vouches_for(identity))
        };
        let found = self.reader.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(vouching);
        // Not opened yet, or replaced by another process, or no record: all that follows takes longer than opening.
        found.or_else(|| self.reopen(root, vouching))
    }

    #[inline]
    fn reopen<T>(&self, root: &Root, read: impl Fn(&File) -> Option<T>) -> Option<T> {
        let file = open_to_read(root)?;
        let found = read(&file);
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = Some(file);
        found
    }

    /// All records.
    pub(crate) fn all(&self, root: &Root) -> BTreeMap<Key, Record> {
        let mut bytes = vec![0; FILE_LEN as usize];
        match open_to_read(root).map(|file| file.read_exact_at(&mut bytes, 0)) {
            Some(Ok(())) => bytes.as_chunks::<SET_LEN>().0.iter().flat_map(slots).collect(),
            _ => BTreeMap::new(),
        }
    }

    /// Adds records, each in the place of one of the same key, of no record, or of the one used least recently.
    /// Returns those that had to go.
    pub(crate) fn put<'a>(&self, root: &Root, records: impl Iterator<Item = (&'a Key, Record)>) -> Vec<Displaced> {
        let mut displaced = Vec::new();
        let mut open = None;
        for (key, record) in records {
            let Some(file) = open.get_or_insert_with(|| open_to_write(root)).as_ref() else { break };
            let Some(set) = read_set(file, key) else { break };
            let (way, loser) = place_for(&set, key);
            if write_slot(file, key, way, &record.encode(key)) {
                displaced.extend(loser);
            }
        }
        displaced
    }

    /// Notes when objects were last used. Returns the uses that found no record.
    pub(crate) fn touch(&self, root: &Root, mut uses: BTreeMap<Key, UnixSecs>) -> BTreeMap<Key, UnixSecs> {
        let Some(file) = open_to_write(root) else { return uses };
        uses.retain(|key, used| {
            let Some(set) = read_set(&file, key) else { return true };
            let mut missing = true;
            for (way, record) in ways_of(&set, key) {
                let noted = record.last_use >= *used;
                missing &= !noted && !write_slot(&file, key, way, &Record { last_use: *used, ..record }.encode(key));
            }
            missing
        });
        uses
    }

    /// Removes the records of `keys`.
    pub(crate) fn remove(&self, root: &Root, keys: &[Key]) {
        if keys.is_empty() || !sys::exists_at(&root.dir, RECORDS) {
            return;
        }
        let Some(file) = open_to_write(root) else { return };
        for key in keys {
            let Some(set) = read_set(&file, key) else { return };
            for (way, _) in ways_of(&set, key) {
                write_slot(&file, key, way, &[0; SLOT_LEN]);
            }
        }
    }

    /// Removes all records.
    pub(crate) fn reset(&self, root: &Root) {
        if !root.is_read_only() {
            clear_away(root);
        }
    }
}

/// Opens the file if it is there and as it should be.
#[inline]
fn open_to_read(root: &Root) -> Option<File> {
    let file = sys::open_file_at(&root.dir, RECORDS).ok()?;
    let metadata = file.metadata().ok()?;
    (root.owns_file(&metadata) && metadata.size() == FILE_LEN).then_some(file)
}

/// Opens the file, after creating it if need be, in the place of whatever is not as it should be.
fn open_to_write(root: &Root) -> Option<File> {
    if root.is_read_only() {
        return None;
    }
    for _ in 0..2 {
        if let Ok(file) = sys::open_or_create_at(&root.dir, RECORDS) {
            let metadata = file.metadata().ok()?;
            match metadata.size() {
                _ if !root.owns_file(&metadata) => {}
                FILE_LEN => return Some(file),
                // Just created. No space is taken before a record is written.
                0 => return file.set_len(FILE_LEN).ok().map(|()| file),
                _ => {}
            }
        }
        clear_away(root);
    }
    None
}

fn clear_away(root: &Root) {
    if sys::unlink_at(&root.dir, RECORDS.as_ref()).is_err_and(|error| error.raw_os_error() == Some(libc::EISDIR)) {
        quarantine::put(root, &root.dir, RECORDS.as_ref());
    }
}

/// Where in the file the set of `key` is. Keys are hashes: any of their bits will do.
#[inline]
fn offset_of(key: &Key) -> u64 {
    let [low, high, ..] = *key.as_bytes();
    u64::from(u16::from_le_bytes([low, high])) % SETS * SET_LEN as u64
}

#[inline]
fn read_set(file: &File, key: &Key) -> Option<Set> {
    let mut set = [0; SET_LEN];
    file.read_exact_at(&mut set, offset_of(key)).ok().map(|()| set)
}

fn write_slot(file: &File, key: &Key, way: usize, slot: &[u8; SLOT_LEN]) -> bool {
    file.write_all_at(slot, offset_of(key) + (way * SLOT_LEN) as u64).is_ok()
}

fn slots(set: &Set) -> impl Iterator<Item = (Key, Record)> {
    set.as_chunks().0.iter().filter_map(Record::decode)
}

/// The slots that hold a record of `key`: one, or after a race of two processes more. Of others no checksum is computed.
#[inline]
fn ways_of(set: &Set, key: &Key) -> impl Iterator<Item = (usize, Record)> {
    let named = set.as_chunks().0.iter().enumerate().filter(|(_, slot)| slot.starts_with(key.as_bytes()));
    named.filter_map(|(way, slot)| Record::decode(slot).map(|(_, record)| (way, record)))
}

/// The slot for a new record of `key`, and the record in it that matters to someone else.
fn place_for(set: &Set, key: &Key) -> (usize, Option<Displaced>) {
    if let Some((way, _)) = ways_of(set, key).next() {
        return (way, None);
    }
    let decoded = set.as_chunks().0.iter().map(Record::decode);
    let held = decoded.map(|slot| slot.map(|(key, record)| Displaced { key, last_use: record.last_use }));
    held.enumerate().min_by_key(|(_, held)| held.map(|held| held.last_use)).unwrap_or((0, None))
}

#[cfg(test)]
mod tests;
