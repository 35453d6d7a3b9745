//! What this process remembers: which files it knows to be good, and which uses the index has not heard of yet.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::UnixSecs;
use crate::identity::FileIdentity;
use crate::key::Key;

/// Files remembered as good. On overflow all are forgotten, and come back through the index.
pub(crate) const MAX_CHECKED: usize = 16_384;

/// Uses not yet written to the index. On reaching this number they are written.
pub(crate) const MAX_PENDING: usize = 1024;

/// Uses closer together than this are one use: eviction does not need to know better, and writing a row for every
/// read would make the index the hottest file of the machine.
pub(crate) const USE_GRANULARITY_SECS: u64 = 600;

#[derive(Default)]
pub(crate) struct Memo {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    checked: BTreeMap<Key, Checked>,
    pending: BTreeMap<Key, UnixSecs>,
}

struct Checked {
    identity: FileIdentity,
    /// The last use that the index has heard of, or soon will.
    noted: UnixSecs,
}

impl Memo {
    /// Whether the file of this identity was found to hold the object of `key`.
    #[inline]
    pub(crate) fn knows(&self, key: &Key, identity: &FileIdentity) -> bool {
        self.lock().checked.get(key).is_some_and(|checked| checked.identity == *identity)
    }

    /// Remembers that it was; `noted` is the last use that the index knows of.
    #[inline]
    pub(crate) fn remember(&self, key: Key, identity: FileIdentity, noted: UnixSecs) {
        let checked = &mut self.lock().checked;
        if checked.len() >= MAX_CHECKED && !checked.contains_key(&key) {
            checked.clear();
        }
        checked.insert(key, Checked { identity, noted });
    }

    /// Forgets all files.
    pub(crate) fn forget_all(&self) {
        self.lock().checked.clear();
    }

    /// Notes that an object was used. Returns whether it is time to write the uses to the index.
    #[inline]
    pub(crate) fn note_use(&self, key: Key, now: UnixSecs) -> bool {
        let State { checked, pending } = &mut *self.lock();
        if let Some(checked) = checked.get_mut(&key) {
            if now.since(checked.noted) < USE_GRANULARITY_SECS {
                return false;
            }
            checked.noted = now;
        }
        pending.insert(key, now);
        pending.len() >= MAX_PENDING
    }

    /// Hands over the uses that the index has not heard of.
    pub(crate) fn take_uses(&self) -> BTreeMap<Key, UnixSecs> {
        mem::take(&mut self.lock().pending)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each entry is a true statement of its own: a panic between two of them leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::hash;

    const IDENTITY: FileIdentity = FileIdentity { dev: 1, ino: 2, size: 3, mtime_ns: 4, ctime_ns: 5 };

    fn key(number: usize) -> Key {
        Key::from_bytes(hash(&number.to_le_bytes()))
    }

    #[test]
    fn remembers_up_to_the_limit_and_starts_over_beyond() {
        let memo = Memo::default();
        for i in 0..MAX_CHECKED {
            memo.remember(key(i), IDENTITY, UnixSecs(0));
        }
        memo.remember(key(1), IDENTITY, UnixSecs(0));
        assert!(memo.knows(&key(0), &IDENTITY));
        memo.remember(key(MAX_CHECKED), IDENTITY, UnixSecs(0));
        assert!(!memo.knows(&key(0), &IDENTITY));
        assert!(memo.knows(&key(MAX_CHECKED), &IDENTITY));
        memo.forget_all();
        assert!(!memo.knows(&key(MAX_CHECKED), &IDENTITY));
    }

    #[test]
    fn knows_only_the_identity_it_was_told() {
        let memo = Memo::default();
        memo.remember(key(0), IDENTITY, UnixSecs(0));
        assert!(!memo.knows(&key(0), &FileIdentity { ctime_ns: 6, ..IDENTITY }));
        assert!(!memo.knows(&key(1), &IDENTITY));
    }

    #[test]
    fn uses_are_noted_once_per_granule() {
        let memo = Memo::default();
        memo.remember(key(0), IDENTITY, UnixSecs(100));
        memo.note_use(key(0), UnixSecs(100 + USE_GRANULARITY_SECS - 1));
        assert_eq!(memo.take_uses(), BTreeMap::new());
        let later = UnixSecs(100 + USE_GRANULARITY_SECS);
        memo.note_use(key(0), later);
        memo.note_use(key(0), UnixSecs(later.0 + 1));
        assert_eq!(memo.take_uses(), BTreeMap::from([(key(0), later)]));
    }

    #[test]
    fn asks_to_be_emptied_at_the_limit() {
        let memo = Memo::default();
        for i in 1..MAX_PENDING {
            assert!(!memo.note_use(key(i), UnixSecs(1)), "{i}");
        }
        assert!(memo.note_use(key(0), UnixSecs(1)));
        assert_eq!(memo.take_uses().len(), MAX_PENDING);
        assert!(!memo.note_use(key(0), UnixSecs(1)));
    }
}
