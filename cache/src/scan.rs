//! Walking the directory: what is there, whatever the index says.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::path::PathBuf;

use crate::cache::Cache;
use crate::clock::UnixSecs;
use crate::dir::{OBJECTS, Root, open_object};
use crate::identity::FileIdentity;
use crate::key::{Key, KeyParts};
use crate::publish::TEMP_PREFIX;
use crate::sys;
use crate::trailer::Trailer;

/// What a file below `objects` is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An object file in its right place.
    Object(Key),
    /// A file that is being written, or was when its writer died.
    Temporary,
    /// Anything else.
    Stray,
}

/// A file below `objects`.
pub(crate) struct Item<'a> {
    pub dir: &'a File,
    pub name: &'a OsStr,
    pub kind: Kind,
    pub metadata: &'a Metadata,
    pub path: PathBuf,
}

/// Shows every file below `objects` to `visit`. What cannot be read is left out.
pub(crate) fn for_each(root: &Root, mut visit: impl FnMut(&Item<'_>)) {
    let Ok(Some(objects)) = root.sub_dir(&root.dir, OBJECTS) else { return };
    for group in sys::list(&objects).unwrap_or_default() {
        let group_path = root.named.join(OBJECTS).join(&group);
        let dir = group.to_str().and_then(|group| root.sub_dir(&objects, group).ok().flatten());
        let Some(dir) = dir else {
            if let Ok(metadata) = sys::metadata_at(&objects, &group) {
                let (name, kind) = (group.as_os_str(), Kind::Stray);
                visit(&Item { dir: &objects, name, kind, metadata: &metadata, path: group_path });
            }
            continue;
        };
        for name in sys::list(&dir).unwrap_or_default() {
            if let Ok(metadata) = sys::metadata_at(&dir, &name) {
                let kind = kind_of(&group, &name);
                visit(&Item { dir: &dir, name: &name, kind, metadata: &metadata, path: group_path.join(&name) });
            }
        }
    }
}

fn kind_of(group: &OsStr, name: &OsStr) -> Kind {
    let (Some(group), Some(name)) = (group.to_str(), name.to_str()) else { return Kind::Stray };
    if name.starts_with(TEMP_PREFIX) {
        return Kind::Temporary;
    }
    let key = name.strip_suffix(".o").filter(|stem| stem.starts_with(group)).and_then(|stem| stem.parse().ok());
    match key {
        Some(key) if group.len() == 2 => Kind::Object(key),
        _ => Kind::Stray,
    }
}

/// An object file with what is known about it without reading it.
pub(crate) struct Held {
    pub key: Key,
    pub size: u64,
    pub object_len: u64,
    /// From the index, or else from the trailer; `None` if neither makes sense.
    pub parts: Option<KeyParts>,
    pub last_use: UnixSecs,
    /// Whether the index or a record vouches for the file.
    pub vouched: bool,
}

impl Cache {
    /// All object files, in no order.
    pub(crate) fn inventory(&self, root: &Root) -> Vec<Held> {
        self.flush();
        let rows = self.index.all(root, &self.counters);
        let records = self.records.all(root);
        let mut unheard = BTreeMap::new();
        let mut held = Vec::new();
        for_each(root, |item| {
            let Kind::Object(key) = item.kind else { return };
            if !item.metadata.is_file() {
                return;
            }
            let identity = FileIdentity::of(item.metadata);
            let row = rows.get(&key);
            let record = records.get(&key).filter(|record| record.identity == identity);
            let vouched = row.is_some_and(|row| row.vouches_for(&identity))
                || record.is_some_and(|record| record.vouches_for(&identity));
            // The key is a hash of the parts, so a row's parts are right even if its identity is outdated.
            let parts = row.map(|row| row.parts).or_else(|| {
                let file = open_object(item.dir, item.name.to_str()?).ok()??;
                Trailer::read(&file, identity.size, &key).ok().map(|trailer| trailer.parts)
            });
            let used = row.map(|row| row.last_use).max(record.map(|record| record.last_use));
            let last_use = used.unwrap_or(UnixSecs(identity.modified_secs()));
            if row.is_some_and(|row| row.last_use < last_use) {
                unheard.insert(key, last_use);
            }
            let (size, object_len) = (identity.size, identity.object_len());
            held.push(Held { key, size, object_len, parts, last_use, vouched });
        });
        if !unheard.is_empty() {
            // Lookups tell the records only; the index is told when somebody counts, so that a lost file of records
            // costs the uses since then.
            self.index.touch(root, &self.counters, &unheard);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        let key = crate::key::tests::parts(1).key();
        let group = &key.to_string()[..2];
        let kind = |group: &str, name: &str| kind_of(group.as_ref(), name.as_ref());
        assert_eq!(kind(group, &format!("{key}.o")), Kind::Object(key));
        assert_eq!(kind("", &format!("{key}.o")), Kind::Stray);
        assert_eq!(kind("zz", &format!("{key}.o")), Kind::Stray);
        assert_eq!(kind(group, &key.to_string()), Kind::Stray);
        assert_eq!(kind(group, &format!("{key}.O")), Kind::Stray);
        assert_eq!(kind(group, ".tmp-1-2-3"), Kind::Temporary);
        assert_eq!(kind(group, ""), Kind::Stray);
    }
}
