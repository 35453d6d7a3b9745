//! One admission record, and its bytes.

use blake2::{Blake2b256, Digest};

use crate::boot::BootId;
use crate::clock::UnixSecs;
use crate::identity::FileIdentity;
use crate::key::{Key, array};
use crate::row::{CHECKSUM_LEN, Row};

/// Length of a slot, in bytes.
pub(super) const SLOT_LEN: usize = 128;

/// Separates record checksums from every other use of the hash; the version changes with the fields.
const RECORD_DOMAIN: &[u8; 16] = b"tvm cache rec 1\0";

const NUMBERS: usize = 32;
const BOOT: usize = NUMBERS + 5 * 8;
const LAST_USE: usize = BOOT + 16;
const CHECKSUM: usize = LAST_USE + 8;
const END: usize = CHECKSUM + CHECKSUM_LEN;

/// The statement "the file with this identity was checked, and holds the object of the key": a [`Row`] without what the
/// key was made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub identity: FileIdentity,
    /// The boot in which the file's data is known to be what was checked.
    pub boot: BootId,
    /// When the object was last used; a matter of eviction only.
    pub last_use: UnixSecs,
}

impl From<&Row> for Record {
    fn from(row: &Row) -> Self {
        let Row { parts: _, identity, boot, last_use } = *row;
        Self { identity, boot, last_use }
    }
}

impl Record {
    /// Whether the record proves that a file of this identity holds its key's object.
    #[inline]
    pub(crate) fn vouches_for(&self, identity: &FileIdentity) -> bool {
        self.identity == *identity && self.boot.is_valid_now()
    }

    pub(super) fn encode(&self, key: &Key) -> [u8; SLOT_LEN] {
        let Self { identity, boot, last_use } = self;
        let FileIdentity { dev, ino, size, mtime_ns, ctime_ns } = identity;
        let mut slot = [0; SLOT_LEN];
        slot[..NUMBERS].copy_from_slice(key.as_bytes());
        let numbers = [*dev, *ino, *size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned()];
        for (field, number) in slot[NUMBERS..BOOT].chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        slot[BOOT..LAST_USE].copy_from_slice(&boot.0);
        slot[LAST_USE..CHECKSUM].copy_from_slice(&last_use.0.to_le_bytes());
        let checksum = checksum(&slot);
        slot[CHECKSUM..END].copy_from_slice(&checksum);
        slot
    }

    /// The record in a slot, if there is one and its checksum is right.
    #[inline]
    pub(super) fn decode(slot: &[u8; SLOT_LEN]) -> Option<(Key, Self)> {
        if slot[CHECKSUM..END] != checksum(slot) || slot[END..] != [0; SLOT_LEN - END] {
            return None;
        }
        let number = |at: usize| u64::from_le_bytes(array(&slot[at..at + 8]));
        let identity = FileIdentity {
            dev: number(NUMBERS),
            ino: number(NUMBERS + 8),
            size: number(NUMBERS + 16),
            mtime_ns: number(NUMBERS + 24).cast_signed(),
            ctime_ns: number(NUMBERS + 32).cast_signed(),
        };
        let boot = BootId(array(&slot[BOOT..LAST_USE]));
        let record = Self { identity, boot, last_use: UnixSecs(number(LAST_USE)) };
        Some((Key::from_bytes(array(&slot[..NUMBERS])), record))
    }
}

#[inline]
fn checksum(slot: &[u8; SLOT_LEN]) -> [u8; CHECKSUM_LEN] {
    let mut hasher = Blake2b256::new();
    hasher.update(RECORD_DOMAIN);
    hasher.update(&slot[..CHECKSUM]);
    array(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::row;

    #[test]
    fn encoding_round_trips_and_every_bit_counts() {
        let (key, record) = (row(1).parts.key(), Record::from(&row(1)));
        let slot = record.encode(&key);
        assert_eq!(END, 112);
        assert_eq!(Record::decode(&slot), Some((key, record)));
        for bit in 0..SLOT_LEN * 8 {
            let mut flipped = slot;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Record::decode(&[0; SLOT_LEN]), None);
    }

    #[test]
    fn every_torn_write_is_no_record_or_one_of_the_two() {
        let (old, new) = (Record::from(&row(1)).encode(&row(1).parts.key()), {
            let mut changed = row(2);
            changed.identity.ino -= 1;
            changed.last_use = UnixSecs(u64::MAX);
            Record::from(&changed).encode(&changed.parts.key())
        });
        for cut in 0..=SLOT_LEN {
            let torn: [u8; SLOT_LEN] = array(&[&new[..cut], &old[cut..]].concat());
            assert!(torn == old || torn == new || Record::decode(&torn).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn vouches_for_one_identity_in_one_boot() {
        let record = Record::from(&row(1));
        assert!(record.vouches_for(&record.identity));
        assert!(Record { boot: BootId::ANY, ..record }.vouches_for(&record.identity));
        assert!(!Record { boot: BootId([1; 16]), ..record }.vouches_for(&record.identity));
        assert!(!record.vouches_for(&FileIdentity { ctime_ns: 0, ..record.identity }));
        assert!(!record.vouches_for(&FileIdentity { ino: 0, ..record.identity }));
    }
}
