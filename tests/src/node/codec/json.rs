//! The vectors' JSON: `0x` strings for bytes, numbers up to 2^64−1, one-entry objects for choices.

use serde_json::Value;

use crate::node::codec::{Codec, CodecError};

/// The value of the object's member `name`. A missing member counts as null.
///
/// # Errors
/// When it has another shape.
pub fn field<T: Codec>(object: &Value, name: &str) -> Result<T, CodecError> {
    if !object.is_object() {
        return Err(unexpected("an object", object));
    }
    T::from_json(object.get(name).unwrap_or(&Value::Null)).map_err(|error| error.within(name))
}

/// The only member of an object that stands for one of several choices.
///
/// # Errors
/// When the JSON is not such an object.
pub fn choice(json: &Value) -> Result<(&str, &Value), CodecError> {
    match json.as_object().and_then(|object| object.iter().next()) {
        Some((name, value)) => Ok((name, value)),
        None => Err(unexpected("an object with one member", json)),
    }
}

/// The bytes of a `0x` string.
///
/// # Errors
/// When the JSON is no such string.
pub fn bytes(json: &Value) -> Result<Vec<u8>, CodecError> {
    let digits = json.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| unexpected("a 0x string", json))
}

/// A natural number.
///
/// # Errors
/// When the JSON is none.
pub fn number(json: &Value) -> Result<u64, CodecError> {
    json.as_u64().ok_or_else(|| unexpected("a natural number", json))
}

/// The error for JSON of another shape.
#[must_use]
pub fn unexpected(expected: &str, found: &Value) -> CodecError {
    let text: String = found.to_string().chars().take(60).collect();
    CodecError::new(format!("expected {expected}, found {text}"))
}
