//! Decoding, for nodes: a cursor over bytes that never reads past their end and never allocates by a length that the
//! bytes do not back.

use tvm_isa::Gas;
use tvm_isa::codec::{NaturalError, decode_natural};

use crate::jam::types::{
    Bytes, ExtrinsicSpec, Hash, ImportSpec, RefinementContext, ServiceId, TimeSlot, WorkError, WorkItem, WorkPackage,
    WorkResult,
};
use crate::jam::version::JamRules;

/// Why bytes do not decode.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("{wanted} more bytes expected, found {found}")]
    Truncated {
        /// Bytes the value takes.
        wanted: u64,
        /// Bytes left.
        found: usize,
    },
    /// A natural number is malformed.
    #[error(transparent)]
    Natural(#[from] NaturalError),
    /// A tag has no meaning.
    #[error("tag {found} of {what} has no meaning")]
    Tag {
        /// What the tag belongs to.
        what: &'static str,
        /// The tag.
        found: u8,
    },
    /// Bytes are left over.
    #[error("{found} bytes follow the end")]
    Trailing {
        /// How many.
        found: usize,
    },
}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// When it was not.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { found: self.rest.len() }) }
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// When there are not as many. So do all functions below.
    pub fn bytes(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError::Truncated { wanted: len, found: self.rest.len() };
        let split = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = split.ok_or(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.bytes(N as u64)?.try_into().unwrap_or([0; N]))
    }

    /// A fixed-width number of one octet.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// A fixed-width number of two octets.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A fixed-width number of four octets.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A fixed-width number of eight octets.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A natural number of variable length.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn natural(&mut self) -> Result<u64, DecodeError> {
        let (value, rest) = decode_natural(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// A hash.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn hash(&mut self) -> Result<Hash, DecodeError> {
        Ok(Hash(self.array()?))
    }

    /// Octets behind their number.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn blob(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.natural()?;
        self.bytes(len)
    }

    /// Items behind their number. Memory is taken only as items decode.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn sequence<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.natural()?;
        // Every item takes at least one octet.
        if count > self.rest.len() as u64 {
            return Err(DecodeError::Truncated { wanted: count, found: self.rest.len() });
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// A work item's result (GP C.2, O).
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn work_result(&mut self) -> Result<WorkResult, DecodeError> {
        Ok(Err(match self.u8()? {
            0 => return Ok(Ok(Bytes::from(self.blob()?))),
            1 => WorkError::OutOfGas,
            2 => WorkError::Panic,
            3 => WorkError::BadExports,
            4 => WorkError::Oversize,
            5 => WorkError::BadCode,
            6 => WorkError::BigCode,
            found => return Err(DecodeError::Tag { what: "a work result", found }),
        }))
    }

    /// A refinement context.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn context(&mut self, rules: &JamRules) -> Result<RefinementContext, DecodeError> {
        let with_slot = rules.context_has_anchor_slot;
        Ok(RefinementContext {
            anchor: self.hash()?,
            anchor_slot: if with_slot { TimeSlot(self.u32()?) } else { TimeSlot::default() },
            state_root: self.hash()?,
            beefy_root: self.hash()?,
            lookup_anchor: self.hash()?,
            lookup_anchor_slot: TimeSlot(self.u32()?),
            lookup_anchor_state_root: if with_slot { self.hash()? } else { Hash::default() },
            prerequisites: self.sequence(Self::hash)?,
        })
    }

    /// A work item.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn work_item(&mut self) -> Result<WorkItem, DecodeError> {
        Ok(WorkItem {
            service: ServiceId(self.u32()?),
            code_hash: self.hash()?,
            refine_gas: Gas(self.u64()?),
            accumulate_gas: Gas(self.u64()?),
            export_count: self.u16()?,
            payload: self.blob()?.to_vec(),
            imports: self.sequence(Self::import)?,
            extrinsics: self.sequence(Self::extrinsic)?,
        })
    }

    /// A work package.
    #[expect(clippy::missing_errors_doc, reason = "as `bytes`")]
    pub fn work_package(&mut self, rules: &JamRules) -> Result<WorkPackage, DecodeError> {
        Ok(WorkPackage {
            auth_code_host: ServiceId(self.u32()?),
            auth_code_hash: self.hash()?,
            context: self.context(rules)?,
            authorization: self.blob()?.to_vec(),
            authorizer_config: self.blob()?.to_vec(),
            items: self.sequence(Self::work_item)?,
        })
    }

    fn import(&mut self) -> Result<ImportSpec, DecodeError> {
        let tree_root = self.hash()?;
        let index = self.u16()?;
        Ok(ImportSpec { tree_root, by_package: index >> 15 != 0, index: index & 0x7fff })
    }

    fn extrinsic(&mut self) -> Result<ExtrinsicSpec, DecodeError> {
        Ok(ExtrinsicSpec { hash: self.hash()?, len: self.u32()? })
    }
}
