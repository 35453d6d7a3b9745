//! The Gray Paper's variable-length natural numbers (GP C.1).

/// Why a natural number could not be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NaturalError {
    /// The bytes end inside the number.
    #[error("a natural number of {needed} bytes is cut short: only {found} bytes are left")]
    Truncated {
        /// Bytes the first byte announces, itself included.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A shorter encoding of the same number exists, so this one is not the Gray Paper's.
    #[error("the natural number {value} is written in {found} bytes, not in its shortest form")]
    NotShortest {
        /// The number.
        value: u64,
        /// Bytes it was written in.
        found: usize,
    },
}

/// Decodes a natural number from the front of `bytes`; gives it and the rest.
pub fn decode_natural(bytes: &[u8]) -> Result<(u64, &[u8]), NaturalError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Err(NaturalError::Truncated { needed: 1, found: 0 });
    };
    let extra = first.leading_ones() as usize;
    if rest.len() < extra {
        return Err(NaturalError::Truncated { needed: extra + 1, found: bytes.len() });
    }
    let (low_bytes, rest) = rest.split_at(extra);
    let low = low_bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let value = match extra {
        8 => low,
        _ => low | u64::from(first & (0x7f >> extra)) << (8 * extra),
    };
    if natural_len(value) != extra + 1 {
        return Err(NaturalError::NotShortest { value, found: extra + 1 });
    }
    Ok((value, rest))
}

/// Appends the shortest encoding of `value` to `out`.
pub fn encode_natural(value: u64, out: &mut Vec<u8>) {
    let extra = natural_len(value) - 1;
    let first = match extra {
        8 => 0xff,
        _ => (0xff00_u64 >> extra) as u8 | (value >> (8 * extra)) as u8,
    };
    out.push(first);
    out.extend_from_slice(&value.to_le_bytes()[..extra]);
}

/// Bytes in the shortest encoding of `value`, 1..=9.
#[must_use]
pub fn natural_len(value: u64) -> usize {
    let bits = 64 - value.leading_zeros() as usize;
    if bits > 56 { 9 } else { bits.saturating_sub(1) / 7 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips_at_its_limits() {
        let mut values = vec![0, 1, u64::MAX];
        for shift in 1..64 {
            values.extend([(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1]);
        }
        for value in values {
            let mut bytes = Vec::new();
            encode_natural(value, &mut bytes);
            assert_eq!(bytes.len(), natural_len(value), "{value:#x}");
            bytes.push(0xaa);
            assert_eq!(decode_natural(&bytes), Ok((value, &[0xaa][..])));
        }
    }

    #[test]
    fn known_encodings() {
        let cases: [(u64, &[u8]); 5] = [
            (0, &[0]),
            (127, &[127]),
            (128, &[0x80, 0x80]),
            (1 << 14, &[0xc0, 0x00, 0x40]),
            (1 << 56, &[0xff, 0, 0, 0, 0, 0, 0, 0, 1]),
        ];
        for (value, expected) in cases {
            let mut bytes = Vec::new();
            encode_natural(value, &mut bytes);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn longer_forms_and_cut_ones_are_refused() {
        assert_eq!(decode_natural(&[0x80, 5]), Err(NaturalError::NotShortest { value: 5, found: 2 }));
        assert_eq!(decode_natural(&[0xc0, 5]), Err(NaturalError::Truncated { needed: 3, found: 2 }));
        assert_eq!(decode_natural(&[]), Err(NaturalError::Truncated { needed: 1, found: 0 }));
    }
}
