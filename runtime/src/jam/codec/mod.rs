//! Encodings of JAM's data (GP C), as host functions show them to guests and as invocations take them.
//!
//! Every encoder appends to a byte vector and takes its value apart field by field, so that a new field cannot be left
//! out. Where versions differ the encoder asks [`super::version::JamRules`].

mod constants;
mod decode;
mod input;
mod package;

pub use constants::encode_constants;
pub use decode::{DecodeError, Decoder};
pub use input::{encode_input, encode_operand, encode_transfer};
pub use package::{encode_context, encode_item, encode_item_summary, encode_package};

use tvm_isa::codec::encode_natural;

use super::types::{Hash, ServiceAccount};

/// GP: ↕, octets behind their number.
pub(super) fn encode_blob(bytes: &[u8], out: &mut Vec<u8>) {
    encode_natural(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// GP: ↕, items behind their number.
pub(super) fn encode_sequence<T>(items: &[T], out: &mut Vec<u8>, mut encode: impl FnMut(&T, &mut Vec<u8>)) {
    encode_natural(items.len() as u64, out);
    items.iter().for_each(|item| encode(item, out));
}

/// Appends a hash.
pub(super) fn encode_hash(hash: &Hash, out: &mut Vec<u8>) {
    out.extend_from_slice(&hash.0);
}

/// What `info` tells about an account (GP B.5): 96 octets. The threshold is cut to 64 bits, which no account that can
/// be paid for exceeds.
#[must_use]
pub fn encode_info(account: &ServiceAccount, threshold: u128) -> Vec<u8> {
    let ServiceAccount {
        code_hash,
        balance,
        min_item_gas,
        min_memo_gas,
        octets,
        items,
        gratis,
        created,
        last_accumulated,
        parent,
    } = account;
    let threshold = u64::try_from(threshold).unwrap_or(u64::MAX);
    let mut out = Vec::with_capacity(96);
    encode_hash(code_hash, &mut out);
    for number in [*balance, threshold, min_item_gas.0, min_memo_gas.0, *octets] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&items.to_le_bytes());
    out.extend_from_slice(&gratis.to_le_bytes());
    for number in [created.0, last_accumulated.0, parent.0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out
}
