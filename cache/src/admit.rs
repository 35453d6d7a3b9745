//! Vouching for files, and taking it back: everything that remembers which files are good, in one place.

use std::collections::BTreeMap;

use crate::cache::Cache;
use crate::clock::UnixSecs;
use crate::dir::Root;
use crate::identity::FileIdentity;
use crate::key::Key;
use crate::records::Record;
use crate::row::Row;

impl Cache {
    /// Whether a file of this identity was found to hold the object of `key`, and nothing can have changed since. Asks
    /// this process's memory, then the records, then the index.
    #[inline]
    pub(crate) fn is_vouched(&self, root: &Root, key: &Key, identity: &FileIdentity) -> bool {
        if self.memo.knows(key, identity) {
            return true;
        }
        if let Some(record) = self.records.find(root, key, identity) {
            self.memo.remember(*key, *identity, record.last_use);
            return true;
        }
        let row = self.index.get(root, &self.counters, key).filter(|row| row.vouches_for(identity));
        if let Some(row) = &row {
            self.memo.remember(*key, *identity, row.last_use);
            self.record(root, [row].into_iter());
        }
        row.is_some()
    }

    /// Notes that files were checked. Returns whether the index has heard of it.
    pub(crate) fn vouch<'a>(&self, root: &Root, rows: impl Iterator<Item = &'a Row> + Clone) -> bool {
        for row in rows.clone() {
            self.memo.remember(row.parts.key(), row.identity, row.last_use);
        }
        self.record(root, rows.clone());
        self.index.put(root, &self.counters, rows)
    }

    /// Takes back all that was said about the files of `keys`.
    pub(crate) fn disown(&self, root: &Root, keys: &[Key]) {
        self.records.remove(root, keys);
        self.index.delete(root, &self.counters, keys);
    }

    /// Writes when objects were last used: to their records, or else to the index.
    pub(crate) fn note_uses(&self, root: &Root, uses: BTreeMap<Key, UnixSecs>) {
        let left = self.records.touch(root, uses);
        if !left.is_empty() {
            self.index.touch(root, &self.counters, &left);
        }
    }

    fn record<'a>(&self, root: &Root, rows: impl Iterator<Item = &'a Row>) {
        let rows: Vec<(Key, Record)> = rows.map(|row| (row.parts.key(), Record::from(row))).collect();
        let displaced = self.records.put(root, rows.iter().map(|(key, record)| (key, *record)));
        if !displaced.is_empty() {
            // Only their records knew about their last uses.
            let uses = displaced.into_iter().map(|gone| (gone.key, gone.last_use)).collect();
            self.index.touch(root, &self.counters, &uses);
        }
    }
}
