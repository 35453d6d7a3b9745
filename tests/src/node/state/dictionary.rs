//! All entries of a state.

use std::collections::BTreeMap;

use tvm_runtime::jam::types::Bytes;

use crate::node::codec::{Codec, CodecError, Reader};
use crate::node::spec::Spec;
use crate::node::state::{Component, StateKey};

/// The state's entries, ascending by key. Values are shared, so copies are cheap.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dictionary {
    entries: BTreeMap<StateKey, Bytes>,
}

impl Dictionary {
    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &StateKey) -> Option<&Bytes> {
        self.entries.get(key)
    }

    /// Sets the value under `key`.
    pub fn set(&mut self, key: StateKey, value: impl Into<Bytes>) {
        self.entries.insert(key, value.into());
    }

    /// Removes the entry under `key`.
    pub fn remove(&mut self, key: &StateKey) {
        self.entries.remove(key);
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&StateKey, &Bytes)> {
        self.entries.iter()
    }

    /// The decoded value under `key`, if there is one.
    ///
    /// # Errors
    /// When the value does not decode.
    pub fn read<T: Codec>(&self, key: &StateKey, spec: &Spec) -> Result<Option<T>, CodecError> {
        let decode = |value: &Bytes| T::from_bytes(value, spec);
        self.get(key).map(decode).transpose().map_err(|error| error.within(&format!("{key:?}")))
    }

    /// The decoded value of `component`.
    ///
    /// # Errors
    /// When it is missing or does not decode.
    pub fn component<T: Codec>(&self, component: Component, spec: &Spec) -> Result<T, CodecError> {
        let missing = || CodecError::new("the state has no such entry").within(&format!("{component:?}"));
        self.read(&component.key(), spec)?.ok_or_else(missing)
    }

    /// Sets the value of `component`.
    pub fn set_component<T: Codec>(&mut self, component: Component, value: &T) {
        self.set(component.key(), value.to_bytes());
    }

    /// Reads entries, `key[31]` and a length-prefixed value each, behind their count.
    ///
    /// # Errors
    /// When the bytes end too early.
    pub fn read_entries(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for index in 0..from.natural()? {
            let mut entry = || Ok((StateKey(from.array()?), Bytes::decode(from)?));
            let (key, value) = entry().map_err(|error: CodecError| error.within(&format!("entries[{index}]")))?;
            self.entries.insert(key, value);
        }
        Ok(())
    }
}
