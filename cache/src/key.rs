//! What a compiled object is filed under.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use blake2::{Blake2b256, Digest};

/// Separates the hash behind a [`Key`] from every other use of BLAKE2b-256; the version changes with the encoding.
const KEY_DOMAIN: &[u8; 16] = b"tvm cache key 1\0";

/// BLAKE2b-256 of `bytes`: the hash JAM uses for code, and this cache for digests and keys.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Blake2b256::digest(bytes).into()
}

/// Everything an object depends on. Two objects with equal parts are interchangeable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyParts {
    /// Hash of the program that was compiled.
    pub code_hash: [u8; 32],
    /// Version of the object format.
    pub format_version: u32,
    /// Identity of the compiler's build.
    pub compiler: [u8; 32],
    /// Tag of the Gray Paper version whose rules the code follows.
    pub gp_version: u8,
    /// Tag of the gas model compiled in.
    pub gas_model: u8,
    /// Tag of the container the program came in.
    pub container: u8,
    /// CPU features the code needs.
    pub cpu_features: u64,
    /// The remaining compiler options, as bits.
    pub options: u64,
}

impl KeyParts {
    /// Length of the encoding, in bytes.
    pub(crate) const LEN: usize = 32 + 4 + 32 + 1 + 1 + 8 + 1 + 8;

    /// The key these parts are filed under.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Key {
        let mut hasher = Blake2b256::new();
        hasher.update(KEY_DOMAIN);
        hasher.update(self.encode());
        Key(hasher.finalize().into())
    }

    /// The parts as fixed-width little-endian fields, in the order of the key's definition.
    #[inline]
    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        // No `..`: a new part cannot be forgotten here.
        let Self { code_hash, format_version, compiler, gp_version, gas_model, container, cpu_features, options } =
            self;
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(code_hash);
        bytes[32..36].copy_from_slice(&format_version.to_le_bytes());
        bytes[36..68].copy_from_slice(compiler);
        bytes[68] = *gp_version;
        bytes[69] = *gas_model;
        bytes[70..78].copy_from_slice(&cpu_features.to_le_bytes());
        bytes[78] = *container;
        bytes[79..].copy_from_slice(&options.to_le_bytes());
        bytes
    }

    /// The parts that [`encode`](Self::encode) made these bytes from.
    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> Self {
        Self {
            code_hash: array(&bytes[..32]),
            format_version: u32::from_le_bytes(array(&bytes[32..36])),
            compiler: array(&bytes[36..68]),
            gp_version: bytes[68],
            gas_model: bytes[69],
            cpu_features: u64::from_le_bytes(array(&bytes[70..78])),
            container: bytes[78],
            options: u64::from_le_bytes(array(&bytes[79..])),
        }
    }
}

/// The first `N` bytes of a field; zeros where the field is shorter, which callers exclude by slicing exactly.
pub(crate) fn array<const N: usize>(field: &[u8]) -> [u8; N] {
    field.first_chunk().copied().unwrap_or([0; N])
}

/// The name of an object in the cache: a hash over [`KeyParts`]. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key with these bytes, such as one stored elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's 64 hexadecimal digits. Names are made of them on every lookup, for which the formatter would take longer
    /// than opening the file does, and its code be a page fault in a process that has just started.
    #[inline]
    pub(crate) fn digits(&self) -> [char; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = ['0'; 64];
        for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *digits = [byte >> 4, byte & 15].map(|nibble| char::from(DIGITS[usize::from(nibble)]));
        }
        text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().into_iter().try_for_each(|digit| f.write_char(digit))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// The text is not a key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a cache key: expected 64 lower-case hexadecimal digits, as `ls` shows them")]
pub struct ParseKeyError(pub String);

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let error = || ParseKeyError(text.to_owned());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| match digit {
                b'0'..=b'9' => Ok(digit - b'0'),
                b'a'..=b'f' => Ok(digit - b'a' + 10),
                // Upper case would give one object two names.
                _ => Err(error()),
            };
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Parts that differ in every byte, filed under a key that `seed` selects.
    pub(crate) fn parts(seed: u8) -> KeyParts {
        KeyParts {
            code_hash: hash(&[seed]),
            format_version: 0x0102_0304,
            compiler: hash(b"compiler"),
            gp_version: 5,
            gas_model: 6,
            container: 7,
            cpu_features: 0x1112_1314_1516_1718,
            options: 0x2122_2324_2526_2728,
        }
    }

    #[test]
    fn hash_is_blake2b_256() {
        let hex = Key(hash(b"abc")).to_string();
        assert_eq!(hex, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    }

    #[test]
    fn encoding_round_trips_and_every_bit_of_it_changes_the_key() {
        let encoded = parts(1).encode();
        assert_eq!(KeyParts::decode(&encoded), parts(1));
        for bit in 0..KeyParts::LEN * 8 {
            let mut flipped = encoded;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let other = KeyParts::decode(&flipped);
            assert_eq!(other.encode(), flipped);
            assert_ne!(other.key(), parts(1).key(), "bit {bit}");
        }
    }

    #[test]
    fn the_key_is_not_the_plain_hash_of_the_parts() {
        assert_ne!(parts(1).key().as_bytes(), &hash(&parts(1).encode()));
    }

    #[test]
    fn keys_parse_from_what_they_print_and_from_nothing_else() {
        let key = parts(1).key();
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        assert_eq!(Key::from_bytes(*key.as_bytes()), key);
        let long = format!("{text}0");
        for wrong in ["", &text[1..], &long, &text.to_uppercase(), &format!("{}g", &text[1..]), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Key>(), Err(ParseKeyError(wrong.to_owned())));
        }
    }
}
