//! Why an object is not loaded.

use std::io;

use tvm_abi::{CpuFeatures, NoteError};

/// An object was refused, or the system refused to map it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A system call failed. The object may be in order.
    #[error("{operation} failed: {source}")]
    System {
        /// What the loader tried to do.
        operation: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Compiled for another CPU. The object may be in order.
    #[error("object needs CPU features {}, this machine has {}: compile it for this machine", names(*.needed), names(*.host))]
    CpuFeatures {
        /// Features the object needs.
        needed: CpuFeatures,
        /// Features there are.
        host: CpuFeatures,
    },
    /// The file is shorter than the object.
    #[error("file of {found} bytes, expected an object of {expected}")]
    Truncated {
        /// Length of the file.
        found: u64,
        /// Length the object should have.
        expected: u64,
    },
    /// Longer than any object may be.
    #[error("object of {found} bytes, expected at most {}", crate::MAX_OBJECT_BYTES)]
    TooLong {
        /// The object's length.
        found: u64,
    },
    /// Not an ELF file, or its headers lie outside of it.
    #[error("not a readable ELF file: {0}")]
    Elf(#[from] goblin::error::Error),
    /// Something has another value than in every object that TVM writes.
    #[error("{place}: {field} is {found:#x}, expected {expected:#x}")]
    Field {
        /// The header or section.
        place: &'static str,
        /// Its field.
        field: &'static str,
        /// The value there is.
        found: u64,
        /// The value there should be.
        expected: u64,
    },
    /// A number is larger than it may be.
    #[error("{place}: {field} is {found:#x}, expected at most {limit:#x}")]
    Limit {
        /// The header or section.
        place: &'static str,
        /// What is too large.
        field: &'static str,
        /// The value there is.
        found: u64,
        /// The largest value allowed.
        limit: u64,
    },
    /// A section is not there.
    #[error("section {0} is missing")]
    Missing(
        /// Its name.
        &'static str,
    ),
    /// Two sections have the same name.
    #[error("section {0} appears twice, expected once")]
    Duplicate(
        /// Their name.
        &'static str,
    ),
    /// A section that would be loaded, but is none of those TVM writes.
    #[error("unknown section {0:?} that is loaded or relocates, expected only those of format {version}", version = tvm_abi::sections::FORMAT_VERSION)]
    Unknown(
        /// Its name, as far as it can be read.
        String,
    ),
    /// A section that shares memory pages with the text, where it would be executable.
    #[error("section at {offset:#x}, {len:#x} bytes, shares pages with the text")]
    SharesText {
        /// Its file offset.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// The note is not a note of TVM.
    #[error("section {} is not a note of TVM", tvm_abi::sections::NOTE)]
    NoteHeader,
    /// The note's contents are not accepted.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl LoadError {
    /// Whether the object is at fault, so that it will never load anywhere and can be thrown away. Otherwise this
    /// machine or system does not take it.
    #[must_use]
    pub fn is_object_fault(&self) -> bool {
        !matches!(self, Self::System { .. } | Self::CpuFeatures { .. })
    }

    pub(crate) fn system(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { operation, source }
    }
}

fn names(features: CpuFeatures) -> String {
    let names: Vec<_> = features.names().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
