//! What a block's accumulation leaves in statistics and outputs.

use sha3::{Digest, Keccak256};
use tvm_runtime::jam::types::{Hash, ServiceId};

use crate::node::accumulate::Counted;
use crate::node::model::LastOutput;

/// What one service did in a block.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ServiceUse {
    /// Digests accumulated (GP: N).
    pub digests: u64,
    /// Transfers its accumulate entry received.
    pub transfers: u64,
    /// Gas its accumulate entry used (GP: G).
    pub gas: u64,
    /// Transfers its on-transfer entry received, and the gas it used.
    pub on_transfer: Option<(u64, u64)>,
}

impl ServiceUse {
    /// Whether the service counts as accumulated.
    #[must_use]
    pub fn is_counted(&self, rule: Counted) -> bool {
        let Self { digests, transfers, gas, on_transfer: _ } = *self;
        match rule {
            Counted::Digests => digests != 0,
            Counted::DigestsOrGas => digests != 0 || gas != 0,
            Counted::DigestsTransfersOrGas => digests != 0 || transfers != 0 || gas != 0,
        }
    }
}

/// Root of the well-balanced tree over what services yielded (GP 7.3, E.1), with Keccak-256.
#[must_use]
pub fn accumulate_root(outputs: &[LastOutput]) -> Hash {
    let leaf = |output: &LastOutput| [&output.service.0.to_le_bytes()[..], &output.hash.0].concat();
    let leaves: Vec<Vec<u8>> = outputs.iter().map(leaf).collect();
    match &leaves[..] {
        [one] => keccak(&[one]),
        leaves => node(leaves).try_into().map_or(Hash::default(), Hash),
    }
}

/// (GP: N) A single leaf stands for itself.
fn node(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => vec![0; 32],
        [leaf] => leaf.clone(),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().div_ceil(2));
            keccak(&[b"node", &node(left), &node(right)]).0.to_vec()
        }
    }
}

fn keccak(parts: &[&[u8]]) -> Hash {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().into())
}

/// The outputs as the state keeps them: ascending by service, then hash.
#[must_use]
pub fn last_outputs(yields: impl IntoIterator<Item = (ServiceId, Hash)>) -> Vec<LastOutput> {
    let mut outputs: Vec<_> = yields.into_iter().collect();
    outputs.sort_unstable();
    outputs.into_iter().map(|(service, hash)| LastOutput { service, hash }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::testing::hash;

    #[test]
    fn the_root_of_nothing_is_zero_and_of_one_its_hash() {
        assert_eq!(accumulate_root(&[]), Hash::default());
        let one = last_outputs([(ServiceId(1), hash(7))]);
        let leaf = [&[1, 0, 0, 0][..], &[7; 32]].concat();
        assert_eq!(accumulate_root(&one), keccak(&[&leaf]));
    }

    #[test]
    fn three_leaves_split_two_and_one() {
        let outputs = last_outputs([(ServiceId(2), hash(1)), (ServiceId(1), hash(9)), (ServiceId(1), hash(3))]);
        let leaf = |service: u8, byte| [&[service, 0, 0, 0][..], &[byte; 32]].concat();
        let pair = keccak(&[b"node", &leaf(1, 3), &leaf(1, 9)]);
        assert_eq!(accumulate_root(&outputs), keccak(&[b"node", &pair.0, &leaf(2, 1)]));
    }

    #[test]
    fn what_counts_depends_on_the_version() {
        let only_received = ServiceUse { transfers: 1, ..Default::default() };
        let only_gas = ServiceUse { gas: 1, ..Default::default() };
        let only_digests = ServiceUse { digests: 1, ..Default::default() };
        let counted = |rule| [only_digests, only_gas, only_received].map(|used| used.is_counted(rule));
        assert_eq!(counted(Counted::Digests), [true, false, false]);
        assert_eq!(counted(Counted::DigestsOrGas), [true, true, false]);
        assert_eq!(counted(Counted::DigestsTransfersOrGas), [true, true, true]);
    }
}
