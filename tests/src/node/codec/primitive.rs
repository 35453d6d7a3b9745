//! Numbers, flags, byte strings and optional values.

use serde_json::Value;
use tvm_isa::Gas;
use tvm_runtime::jam::types::{Bytes, Hash, ServiceId, TimeSlot};

use crate::node::codec::{Codec, CodecError, Reader, json};

/// A number in the Gray Paper's variable-length form (GP C.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Natural(pub u64);

macro_rules! little_endian {
    ($($type:ty),*) => {$(
        impl Codec for $type {
            fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self::from_le_bytes(from.array()?))
            }

            fn encode(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn from_json(json: &Value) -> Result<Self, CodecError> {
                let number = json::number(json)?;
                Self::try_from(number).map_err(|_| CodecError::new(format!("{number} exceeds {}", stringify!($type))))
            }
        }
    )*};
}

little_endian!(u8, u16, u32, u64);

impl Codec for Natural {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        from.natural().map(Self)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        tvm_isa::codec::encode_natural(self.0, to);
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        json::number(json).map(Self)
    }
}

impl Codec for bool {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match from.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            other => Err(CodecError::new(format!("expected 0 or 1, found {}", other[0]))),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        json.as_bool().ok_or_else(|| json::unexpected("true or false", json))
    }
}

impl<const N: usize> Codec for [u8; N] {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        from.array()
    }

    fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        let bytes = json::bytes(json)?;
        let found = bytes.len();
        bytes.try_into().map_err(|_| CodecError::new(format!("expected {N} bytes, found {found}")))
    }
}

macro_rules! newtypes {
    ($($type:ident),*) => {$(
        impl Codec for $type {
            fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Codec::decode(from).map(Self)
            }

            fn encode(&self, to: &mut Vec<u8>) {
                self.0.encode(to);
            }

            fn from_json(json: &Value) -> Result<Self, CodecError> {
                Codec::from_json(json).map(Self)
            }
        }
    )*};
}

newtypes!(Hash, ServiceId, TimeSlot, Gas);

impl Codec for Bytes {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let len = usize::try_from(from.natural()?).unwrap_or(usize::MAX);
        from.take(len).map(Self::from)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        Natural(self.len() as u64).encode(to);
        to.extend_from_slice(self);
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        json::bytes(json).map(Self::from)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match bool::decode(from)? {
            true => T::decode(from).map(Some),
            false => Ok(None),
        }
    }

    fn encode(&self, to: &mut Vec<u8>) {
        self.is_some().encode(to);
        if let Some(value) = self {
            value.encode(to);
        }
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        if json.is_null() { Ok(None) } else { T::from_json(json).map(Some) }
    }
}
