//! One statement of the index: "the file with this identity was checked, and holds the object of this key".

use blake2::{Blake2b256, Digest};

use crate::boot::BootId;
use crate::clock::UnixSecs;
use crate::identity::FileIdentity;
use crate::key::{Key, KeyParts, array};

/// Separates row checksums from every other use of the hash; the version changes with the columns.
const ROW_DOMAIN: &[u8; 16] = b"tvm cache row 1\0";

/// Length of a row's checksum: enough that no accident produces a valid one.
pub(crate) const CHECKSUM_LEN: usize = 16;

/// A row of the index.
///
/// The statement needs no context: it stays true when the row is copied, lost, or comes back from an old index. That is
/// why the index may be deleted, replaced or rebuilt at any time, by any process, without any agreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub parts: KeyParts,
    pub identity: FileIdentity,
    /// The boot in which the file's data is known to be what was checked.
    pub boot: BootId,
    /// When the object was last used; a matter of eviction only.
    pub last_use: UnixSecs,
}

impl Row {
    /// A checksum over all columns, key included.
    pub(crate) fn checksum(&self, key: &Key) -> [u8; CHECKSUM_LEN] {
        let Self { parts, identity, boot, last_use } = self;
        let FileIdentity { dev, ino, size, mtime_ns, ctime_ns } = identity;
        let mut hasher = Blake2b256::new();
        hasher.update(ROW_DOMAIN);
        hasher.update(key.as_bytes());
        hasher.update(parts.encode());
        for number in [*dev, *ino, *size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned(), last_use.0] {
            hasher.update(number.to_le_bytes());
        }
        hasher.update(boot.0);
        array(&hasher.finalize())
    }

    /// Whether the row proves that a file of this identity holds its key's object.
    pub(crate) fn vouches_for(&self, identity: &FileIdentity) -> bool {
        self.identity == *identity && self.boot.is_valid_now()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::key::tests::parts;

    pub(crate) fn row(seed: u8) -> Row {
        Row {
            parts: parts(seed),
            identity: FileIdentity { dev: 1, ino: u64::MAX, size: 3, mtime_ns: -4, ctime_ns: 5 },
            boot: BootId::current(),
            last_use: UnixSecs(6),
        }
    }

    #[test]
    fn every_column_counts() {
        let base = row(1);
        let key = base.parts.key();
        let changes: [fn(&mut Row); 8] = [
            |r| r.parts.options ^= 1,
            |r| r.identity.dev ^= 1,
            |r| r.identity.ino ^= 1,
            |r| r.identity.size ^= 1,
            |r| r.identity.mtime_ns ^= 1,
            |r| r.identity.ctime_ns ^= 1,
            |r| r.boot.0[0] ^= 1,
            |r| r.last_use.0 ^= 1,
        ];
        for (column, change) in changes.iter().enumerate() {
            let mut row = base;
            change(&mut row);
            assert_ne!(row.checksum(&key), base.checksum(&key), "column {column}");
            assert_eq!(row.vouches_for(&base.identity), matches!(column, 0 | 7), "column {column}");
        }
        assert_ne!(base.checksum(&row(2).parts.key()), base.checksum(&key));
    }
}
