//! What fetch gives in is-authorized and refine.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::fetch::{FetchSource, at};
use crate::jam::codec::{encode_constants, encode_context, encode_item_summary, encode_package};
use crate::jam::constants::ChainConstants;
use crate::jam::types::{Bytes, WorkPackage};
use crate::jam::version::JamRules;

/// What refine's fetch of entropy gives.
static ZERO_HASH: [u8; 32] = [0; 32];

/// A work package, and what comes with one of its items.
pub(crate) struct PackageSource<'a> {
    pub rules: &'static JamRules,
    pub constants: &'a ChainConstants,
    pub package: &'a WorkPackage,
    /// The encoded package, which is also what its hash is of.
    pub encoded: OnceCell<Vec<u8>>,
    /// Only in refine.
    pub refine: Option<RefineSource<'a>>,
}

/// What refine knows besides the package.
#[derive(Clone, Copy)]
pub(crate) struct RefineSource<'a> {
    /// What the authorizer returned.
    pub auth_trace: &'a [u8],
    /// Which item is refined.
    pub item: usize,
    /// For each item, the segments it imports.
    pub imports: &'a [Vec<Bytes>],
    /// For each item, the data that came along.
    pub extrinsics: &'a [Vec<Bytes>],
}

impl PackageSource<'_> {
    /// The encoded package.
    pub(crate) fn encoded(&self) -> &[u8] {
        self.encoded.get_or_init(|| encode_package(self.package, self.rules))
    }

    fn authorizer(&self) -> Cow<'_, [u8]> {
        let config = &self.package.authorizer_config;
        if !self.rules.fetch_authorizer_hash {
            return config.into();
        }
        // The text in reach that still had the hash here (GP 0.6.6, B.6) puts the configuration behind its length.
        let mut out = self.package.auth_code_hash.0.to_vec();
        tvm_isa::codec::encode_natural(config.len() as u64, &mut out);
        out.extend_from_slice(config);
        out.into()
    }

    fn summaries(&self) -> Vec<u8> {
        let mut out = Vec::new();
        tvm_isa::codec::encode_natural(self.package.items.len() as u64, &mut out);
        self.package.items.iter().for_each(|item| encode_item_summary(item, &mut out));
        out
    }
}

impl FetchSource for PackageSource<'_> {
    fn value(&self, kind: u64, first: u64, second: u64) -> Option<Cow<'_, [u8]>> {
        let package = self.package;
        let encoded = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            encode(&mut out);
            Some(out.into())
        };
        match kind {
            0 => Some(encode_constants(self.constants, self.rules).into()),
            1..=6 => self.refine?.value(kind, first, second).map(Cow::from),
            7 => Some(self.encoded().into()),
            8 => Some(self.authorizer()),
            9 => Some((&package.authorization).into()),
            10 => encoded(&|out| encode_context(&package.context, self.rules, out)),
            11 => Some(self.summaries().into()),
            12 => at(&package.items, first).and_then(|item| encoded(&|out| encode_item_summary(item, out))),
            13 => at(&package.items, first).map(|item| (&item.payload).into()),
            _ => None,
        }
    }
}

impl<'a> RefineSource<'a> {
    fn value(&self, kind: u64, first: u64, second: u64) -> Option<&'a [u8]> {
        let current = self.item as u64;
        let of = |list: &'a [Vec<Bytes>], item, index| at(at(list, item)?, index).map(|bytes| &bytes[..]);
        match kind {
            1 => Some(&ZERO_HASH),
            2 => Some(self.auth_trace),
            3 => of(self.extrinsics, first, second),
            4 => of(self.extrinsics, current, first),
            5 => of(self.imports, first, second),
            6 => of(self.imports, current, first),
            _ => None,
        }
    }
}
