//! The two wrappings a program comes in: the standard program, and the JAM blob with its metadata (GP A.7, B).

use crate::codec::{NaturalError, decode_natural};
use crate::layout::Layout;
use crate::program::{Program, ProgramError};

/// Which of the three formats some bytes are in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Container {
    /// A bare program blob (GP A.1), as given to the `machine` host call.
    Raw = 0,
    /// A standard program (GP A.7): memory contents and sizes around a program blob.
    Standard = 1,
    /// A standard program behind length-prefixed metadata, as code preimages are stored.
    Jam = 2,
}

/// A standard program, split into its parts (GP A.7).
#[derive(Clone, Copy, Debug)]
pub struct StandardProgram<'a> {
    /// Contents of the read-only region (GP: o).
    pub ro: &'a [u8],
    /// Initial contents of the read-write region (GP: w).
    pub rw: &'a [u8],
    /// Zeroed pages after the read-write contents (GP: z).
    pub heap_pages: u16,
    /// Bytes of stack, before rounding up to pages (GP: s); below 2^24.
    pub stack_size: u32,
    /// The program blob (GP: c), not yet parsed.
    pub program: &'a [u8],
}

/// A program out of its container: the program blob, not yet parsed, and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked<'a> {
    /// The program blob.
    pub blob: &'a [u8],
    /// Initial read-only data; bare programs have none.
    pub ro: &'a [u8],
    /// Initial read-write data; bare programs have none.
    pub rw: &'a [u8],
    /// Sizes that determine the memory layout; zero for bare programs, which have no layout.
    pub sizes: crate::layout::Sizes,
}

/// Why bytes are in none of the accepted formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ContainerError {
    /// The metadata in front of a JAM blob runs past its end.
    #[error("JAM blob: metadata length: {0}")]
    MetadataLength(NaturalError),
    /// The metadata in front of a JAM blob runs past its end.
    #[error("JAM blob: metadata of {expected} bytes announced, but only {found} bytes follow")]
    Metadata {
        /// Announced metadata length.
        expected: u64,
        /// Bytes that follow the length.
        found: usize,
    },
    /// The standard program ends inside the named part.
    #[error("standard program: {part} of {expected} bytes announced, but only {found} bytes are left")]
    Part {
        /// Which part.
        part: &'static str,
        /// Announced length.
        expected: usize,
        /// Bytes left.
        found: usize,
    },
    /// Bytes follow the standard program.
    #[error("standard program: {found} bytes follow its end, none may")]
    Trailing {
        /// How many.
        found: usize,
    },
    /// The regions do not fit into the address space.
    #[error("standard program: its regions take {found} bytes of address space, at most 2^32 are there")]
    TooLarge {
        /// The left side of the Gray Paper's condition.
        found: u64,
    },
    /// The bytes fit none of the formats.
    #[error(
        "neither a JAM blob ({jam}), nor a standard program ({standard}), nor a program blob ({raw}): name the format if it is meant to be one"
    )]
    Unknown {
        /// Why it is no JAM blob.
        jam: &'static str,
        /// Why it is no standard program.
        standard: &'static str,
        /// Why it is no program blob.
        raw: ProgramError,
    },
}

impl Container {
    /// The container's name, as command lines take it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Standard => "standard",
            Self::Jam => "jam",
        }
    }

    /// The container whose discriminant is `tag`, as stored in an object's note.
    #[must_use]
    #[inline]
    pub fn from_tag(tag: u8) -> Option<Self> {
        [Self::Raw, Self::Standard, Self::Jam].into_iter().find(|c| *c as u8 == tag)
    }

    /// Tells which format `bytes` are in: the first of JAM blob, standard program and raw program blob whose every
    /// length fits exactly, down to the program blob inside.
    ///
    /// # Errors
    /// When they fit none.
    pub fn detect(bytes: &[u8]) -> Result<Self, ContainerError> {
        let whole = |standard: StandardProgram<'_>| Program::parse(standard.program).is_ok();
        if split_metadata(bytes).and_then(|(_, rest)| StandardProgram::parse(rest)).is_ok_and(whole) {
            return Ok(Self::Jam);
        }
        if StandardProgram::parse(bytes).is_ok_and(whole) {
            return Ok(Self::Standard);
        }
        match Program::parse(bytes) {
            Ok(_) => Ok(Self::Raw),
            Err(raw) => Err(ContainerError::Unknown {
                jam: "metadata or the program behind it do not fit",
                standard: "its lengths do not fit",
                raw,
            }),
        }
    }
}

impl<'a> Unpacked<'a> {
    /// Takes a program out of `container`.
    ///
    /// # Errors
    /// When the bytes are not in that container. The program blob itself is not looked at.
    pub fn from_container(bytes: &'a [u8], container: Container) -> Result<Self, ContainerError> {
        let standard = match container {
            Container::Raw => return Ok(Self { blob: bytes, ro: &[], rw: &[], sizes: Default::default() }),
            Container::Standard => StandardProgram::parse(bytes)?,
            Container::Jam => StandardProgram::parse(split_metadata(bytes)?.1)?,
        };
        Ok(Self { blob: standard.program, ro: standard.ro, rw: standard.rw, sizes: standard.sizes() })
    }
}

/// Splits a JAM blob into metadata and standard program (GP B, the serialisation of code preimages).
///
/// # Errors
/// When the metadata's length does not decode or runs past the end.
pub fn split_metadata(blob: &[u8]) -> Result<(&[u8], &[u8]), ContainerError> {
    let (len, rest) = decode_natural(blob).map_err(ContainerError::MetadataLength)?;
    match usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len)) {
        Some(parts) => Ok(parts),
        None => Err(ContainerError::Metadata { expected: len, found: rest.len() }),
    }
}

impl<'a> StandardProgram<'a> {
    /// Splits a standard program into its parts and checks the address space condition (GP A.7).
    ///
    /// # Errors
    /// When the lengths do not add up or the regions do not fit (GP: Y = ∅).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let mut rest = bytes;
        let ro_len = take_number(&mut rest, 3, "length of the read-only data")?;
        let rw_len = take_number(&mut rest, 3, "length of the read-write data")?;
        let heap_pages = take_number(&mut rest, 2, "number of heap pages")?;
        let stack_size = take_number(&mut rest, 3, "stack size")?;
        let ro = take(&mut rest, ro_len, "read-only data")?;
        let rw = take(&mut rest, rw_len, "read-write data")?;
        let code_len = take_number(&mut rest, 4, "length of the program blob")?;
        let program = take(&mut rest, code_len, "program blob")?;
        if !rest.is_empty() {
            return Err(ContainerError::Trailing { found: rest.len() });
        }
        let standard = Self { ro, rw, heap_pages: heap_pages as u16, stack_size: stack_size as u32, program };
        Layout::new(standard.sizes()).map_err(|found| ContainerError::TooLarge { found })?;
        Ok(standard)
    }

    /// The sizes that determine the memory layout.
    #[must_use]
    pub fn sizes(&self) -> crate::layout::Sizes {
        crate::layout::Sizes {
            ro: self.ro.len() as u32,
            rw: self.rw.len() as u32,
            heap_pages: self.heap_pages,
            stack: self.stack_size,
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize, part: &'static str) -> Result<&'a [u8], ContainerError> {
    let found = rest.len();
    let (taken, left) = rest.split_at_checked(len).ok_or(ContainerError::Part { part, expected: len, found })?;
    *rest = left;
    Ok(taken)
}

fn take_number(rest: &mut &[u8], len: usize, part: &'static str) -> Result<usize, ContainerError> {
    Ok(take(rest, len, part)?.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte)))
}
