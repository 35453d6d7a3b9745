//! What fetch gives in accumulate and on-transfer.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use tvm_isa::codec::encode_natural;

use super::fetch::{FetchSource, at};
use crate::jam::codec::encode_constants;
use crate::jam::constants::ChainConstants;
use crate::jam::types::Hash;
use crate::jam::version::JamRules;

/// Kinds 0 and 1, and a list of inputs: as a whole under one kind, one by one under the next.
pub(crate) struct InputsSource<'a, T> {
    pub rules: &'static JamRules,
    pub constants: &'a ChainConstants,
    /// η'_0.
    pub entropy: Hash,
    /// Inputs.
    pub inputs: &'a [T],
    /// Appends an input's encoding.
    pub encode: fn(&T, &'static JamRules, &mut Vec<u8>),
    /// Kind under which all inputs are: 14, or 16 in on-transfer.
    pub first_kind: u64,
    /// All inputs behind their number, and where each of them is: encoded when first asked for, as a guest may ask any
    /// number of times.
    pub encoded: OnceCell<(Vec<u8>, Vec<Range<usize>>)>,
}

impl<T> InputsSource<'_, T> {
    fn encoded(&self) -> &(Vec<u8>, Vec<Range<usize>>) {
        self.encoded.get_or_init(|| {
            let mut all = Vec::new();
            encode_natural(self.inputs.len() as u64, &mut all);
            let mut encode = |input| {
                let start = all.len();
                (self.encode)(input, self.rules, &mut all);
                start..all.len()
            };
            let places = self.inputs.iter().map(&mut encode).collect();
            (all, places)
        })
    }
}

impl<T> FetchSource for InputsSource<'_, T> {
    fn value(&self, kind: u64, first: u64, _second: u64) -> Option<Cow<'_, [u8]>> {
        match kind {
            0 => Some(encode_constants(self.constants, self.rules).into()),
            1 => Some((&self.entropy.0).into()),
            _ if kind == self.first_kind => Some((&self.encoded().0).into()),
            _ if kind == self.first_kind + 1 => {
                let (all, places) = self.encoded();
                at(places, first).map(|place| all[place.clone()].into())
            }
            _ => None,
        }
    }
}
