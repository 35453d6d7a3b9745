//! The Gray Paper's serialisation (GP C), both ways, and the same values from the vectors' JSON.
//!
//! A type's encoding is its field order: `records!` writes down a structure once and derives all three directions
//! from it. Sequences whose length the chain fixes (one entry per core, validator or slot) are types of their own.

pub mod json;
mod primitive;
mod reader;
mod record;
mod sequence;

pub use primitive::Natural;
pub use reader::{CodecError, Reader};
pub(crate) use record::records;
pub use sequence::{CoreBits, PerCore, PerSlotOfEpoch, PerValidator, SuperMajority};

use serde_json::Value;

use crate::node::spec::Spec;

/// A value with the Gray Paper's encoding.
pub trait Codec: Sized {
    /// Takes the value from the front of what is left to read.
    ///
    /// # Errors
    /// When the bytes end too early or encode no such value.
    fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError>;

    /// Appends the value's encoding.
    fn encode(&self, to: &mut Vec<u8>);

    /// The value a JSON vector writes down.
    ///
    /// # Errors
    /// When the JSON has another shape.
    fn from_json(json: &Value) -> Result<Self, CodecError>;

    /// The value's encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// Decodes a value that takes all of `bytes`.
    ///
    /// # Errors
    /// When `bytes` are not exactly one such value.
    fn from_bytes(bytes: &[u8], spec: &Spec) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes, spec);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}
