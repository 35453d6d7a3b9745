//! Reading position in encoded bytes, and what can go wrong there.

use crate::node::codec::Codec;
use crate::node::spec::Spec;

/// Bytes being decoded, with the chain's sizes that some encodings depend on.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    spec: &'a Spec,
}

/// Why a value could not be read, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct CodecError {
    path: String,
    problem: String,
}

impl CodecError {
    /// An error at the place being read.
    #[must_use]
    pub fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    /// The same error, seen from the structure around it.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

impl<'a> Reader<'a> {
    /// Starts reading at the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8], spec: &'a Spec) -> Self {
        Self { rest: bytes, spec }
    }

    /// The chain's sizes and formats.
    #[must_use]
    pub fn spec(&self) -> &'a Spec {
        self.spec
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `len` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let found = self.rest.len();
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| CodecError::new(format!("expected {len} bytes, only {found} are left")))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    /// Takes a natural number in its shortest form (GP C.1).
    ///
    /// # Errors
    /// When there is none.
    pub fn natural(&mut self) -> Result<u64, CodecError> {
        let (value, rest) =
            tvm_isa::codec::decode_natural(self.rest).map_err(|error| CodecError::new(error.to_string()))?;
        self.rest = rest;
        Ok(value)
    }

    /// Takes the next value, which errors call `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn field<T: Codec>(&mut self, name: &str) -> Result<T, CodecError> {
        T::decode(self).map_err(|error| error.within(name))
    }

    /// Takes `count` values.
    ///
    /// # Errors
    /// When fewer are left. Memory grows only as values are found, whatever `count` claims.
    pub fn values<T: Codec>(&mut self, count: u64) -> Result<Vec<T>, CodecError> {
        (0..count).map(|index| T::decode(self).map_err(|error| error.within(&format!("[{index}]")))).collect()
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(CodecError::new(format!("expected the end, found {left} more bytes"))),
        }
    }
}
