//! Sequences: behind their length, or as long as the chain's constants say.

use serde_json::Value;

use crate::node::codec::{Codec, CodecError, Natural, Reader, json};
use crate::node::spec::Spec;

impl<T: Codec> Codec for Vec<T> {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = from.natural()?;
        from.values(count)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        Natural(self.len() as u64).encode(to);
        self.iter().for_each(|value| value.encode(to));
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        let values = json.as_array().ok_or_else(|| json::unexpected("a list", json))?;
        let read = |(index, value)| T::from_json(value).map_err(|error| error.within(&format!("[{index}]")));
        values.iter().enumerate().map(read).collect()
    }
}

macro_rules! fixed_length {
    ($($(#[$doc:meta])* $name:ident: $len:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name<T>(pub Vec<T>);

        impl<T: Codec> Codec for $name<T> {
            fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                let len: fn(&Spec) -> u64 = $len;
                from.values(len(from.spec())).map(Self)
            }

            fn encode(&self, to: &mut Vec<u8>) {
                self.0.iter().for_each(|value| value.encode(to));
            }

            fn from_json(json: &Value) -> Result<Self, CodecError> {
                Vec::from_json(json).map(Self)
            }
        }
    )*};
}

fixed_length! {
    /// One value for each core (GP: C).
    PerCore: |spec| spec.cores.into();
    /// One value for each validator (GP: V).
    PerValidator: |spec| spec.validators.into();
    /// One value for each slot of an epoch (GP: E).
    PerSlotOfEpoch: |spec| spec.epoch.into();
    /// One value for each of the validators that make a super-majority.
    SuperMajority: |spec| spec.super_majority().into();
}

/// One bit for each core, lowest bit of the first byte first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreBits(pub Vec<u8>);

impl CoreBits {
    /// Whether the bit of `core` is set.
    #[must_use]
    pub fn get(&self, core: usize) -> bool {
        self.0.get(core / 8).is_some_and(|byte| byte >> (core % 8) & 1 == 1)
    }
}

impl Codec for CoreBits {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bytes = from.spec().cores.div_ceil(8);
        Ok(Self(from.take(bytes.into())?.to_vec()))
    }

    fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0);
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        json::bytes(json).map(Self)
    }
}
