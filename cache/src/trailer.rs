//! The end of a cache file: what it holds and for whom, and a digest over every byte before.
//!
//! ```text
//! offset  length
//!      0       8  magic "TVMCACHE"
//!      8       4  trailer version
//!     12      87  key parts, in the order of the key's definition
//!     99       1  zero
//!    100       8  length of the object in front of the trailer
//!    108      32  BLAKE2b-256 over the object and the 108 bytes above
//! ```
//!
//! Numbers are little-endian. It stands at the end because ELF readers start at the front and ignore what follows the
//! last section: `objdump -d` works on a cache file as it is.

use std::fs::File;
use std::os::unix::fs::FileExt;

use blake2::{Blake2b256, Digest};

use crate::fault::Fault;
use crate::key::{Key, KeyParts, array};

const MAGIC: &[u8; 8] = b"TVMCACHE";
const VERSION: u32 = 1;

const PARTS: usize = 12;
const OBJECT_LEN: usize = PARTS + KeyParts::LEN + 1;
const DIGEST: usize = OBJECT_LEN + 8;
const LEN: usize = DIGEST + 32;

/// Length of the trailer behind every object, in bytes.
pub const TRAILER_LEN: u64 = LEN as u64;

/// The longest object the cache stores, in bytes. Far above what a program can compile to; bounds what a damaged
/// length can make a reader do.
pub const MAX_OBJECT_LEN: u64 = 1 << 30;

/// Bytes hashed per read: large enough to make the calls cheap, small enough to stay in the L2 cache.
const CHUNK_LEN: usize = 128 * 1024;

/// What a trailer says, before its digest is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trailer {
    pub parts: KeyParts,
    digest: [u8; 32],
    bytes: [u8; LEN],
}

impl Trailer {
    /// The trailer for `object`.
    pub(crate) fn seal(parts: &KeyParts, object: &[u8]) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..PARTS].copy_from_slice(&VERSION.to_le_bytes());
        bytes[PARTS..PARTS + KeyParts::LEN].copy_from_slice(&parts.encode());
        bytes[OBJECT_LEN..DIGEST].copy_from_slice(&(object.len() as u64).to_le_bytes());
        let mut hasher = Blake2b256::new();
        hasher.update(object);
        hasher.update(&bytes[..DIGEST]);
        bytes[DIGEST..].copy_from_slice(&hasher.finalize());
        bytes
    }

    /// Reads the trailer of a file of `size` bytes that is named after `key`. Believes nothing but what it compares.
    pub(crate) fn read(file: &File, size: u64, key: &Key) -> Result<Self, Fault> {
        let expected = size.checked_sub(TRAILER_LEN).ok_or(Fault::NoTrailer)?;
        let mut bytes = [0; LEN];
        file.read_exact_at(&mut bytes, expected).map_err(|_| Fault::Unreadable)?;
        if bytes[..8] != *MAGIC {
            return Err(Fault::NoTrailer);
        }
        let found = u32::from_le_bytes(array(&bytes[8..PARTS]));
        if found != VERSION {
            return Err(Fault::TrailerVersion { found, expected: VERSION });
        }
        let found = u64::from_le_bytes(array(&bytes[OBJECT_LEN..DIGEST]));
        if found != expected {
            return Err(Fault::Length { found, expected });
        }
        let parts = KeyParts::decode(&array(&bytes[PARTS..]));
        if parts.key() != *key {
            return Err(Fault::ForeignKey);
        }
        Ok(Self { parts, digest: array(&bytes[DIGEST..]), bytes })
    }

    /// Reads all of the file and compares its digest.
    pub(crate) fn verify(&self, file: &File) -> Result<(), Fault> {
        let object_len = u64::from_le_bytes(array(&self.bytes[OBJECT_LEN..DIGEST]));
        let mut hasher = Blake2b256::new();
        let mut chunk = vec![0; CHUNK_LEN];
        let mut offset = 0;
        while offset < object_len {
            let want = usize::try_from(object_len - offset).map_or(CHUNK_LEN, |left| left.min(CHUNK_LEN));
            file.read_exact_at(&mut chunk[..want], offset).map_err(|_| Fault::Unreadable)?;
            hasher.update(&chunk[..want]);
            offset += want as u64;
        }
        hasher.update(&self.bytes[..DIGEST]);
        let digest: [u8; 32] = hasher.finalize().into();
        if digest == self.digest { Ok(()) } else { Err(Fault::Digest) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::key::tests::parts;

    fn check(bytes: &[u8], key: &Key) -> Result<KeyParts, Fault> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let trailer = Trailer::read(&file, bytes.len() as u64, key)?;
        trailer.verify(&file).map(|()| trailer.parts)
    }

    fn sealed(object: &[u8]) -> Vec<u8> {
        [object, &Trailer::seal(&parts(1), object)].concat()
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        assert_eq!((OBJECT_LEN, DIGEST, TRAILER_LEN), (100, 108, 140));
    }

    #[test]
    fn what_was_sealed_verifies_at_all_chunk_boundaries() {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1] {
            assert_eq!(check(&sealed(&vec![7; len]), &parts(1).key()), Ok(parts(1)), "{len}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let good = sealed(b"object");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bad, &parts(1).key()).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(check(&good[..len], &parts(1).key()).is_err(), "cut to {len}");
            assert!(check(&good[good.len() - len..], &parts(1).key()).is_err(), "last {len}");
        }
        assert!(check(&[good.as_slice(), b"\0"].concat(), &parts(1).key()).is_err());
    }

    #[test]
    fn each_lie_has_its_own_name() {
        let good = sealed(b"object");
        let with = |offset: usize, byte: u8| {
            let mut bad = good.clone();
            bad[6 + offset] = byte;
            check(&bad, &parts(1).key())
        };
        assert_eq!(with(0, b'X'), Err(Fault::NoTrailer));
        assert_eq!(with(8, 2), Err(Fault::TrailerVersion { found: 2, expected: 1 }));
        assert_eq!(with(OBJECT_LEN, 7), Err(Fault::Length { found: 7, expected: 6 }));
        assert_eq!(with(PARTS, !good[6 + PARTS]), Err(Fault::ForeignKey));
        assert_eq!(with(OBJECT_LEN - 1, 1), Err(Fault::Digest));
        assert_eq!(check(&good, &parts(2).key()), Err(Fault::ForeignKey));
    }
}
