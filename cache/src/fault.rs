//! What can be wrong with a file in the cache.

/// Why a file is not the object its name promises. For the one who looks an object up, all of these are a miss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A symbolic link, directory, pipe, socket or device where an object file should be.
    #[error("not a regular file")]
    NotRegular,
    /// The file's owner is not the directory's owner.
    #[error("owned by user {found}, expected {expected}, the owner of the cache directory")]
    ForeignOwner {
        /// The file's owner.
        found: u32,
        /// The directory's owner.
        expected: u32,
    },
    /// Users other than the owner may write the file.
    #[error("mode {found:04o} lets others write it, expected 0400")]
    Writable {
        /// The file's permission bits.
        found: u32,
    },
    /// The file has further names, through which it could be changed.
    #[error("{found} hard links, expected 1")]
    HardLinked {
        /// Number of names.
        found: u64,
    },
    /// The file's size is not that of an object with a trailer.
    #[error("{found} bytes long, expected {min} to {max}")]
    Size {
        /// The file's size.
        found: u64,
        /// Size of a file with an empty object.
        min: u64,
        /// Size of a file with the largest object.
        max: u64,
    },
    /// The trailer does not start with the magic bytes: cut off, or never a cache file.
    #[error("no trailer at its end: cut off, or not written by this cache")]
    NoTrailer,
    /// The trailer is of a version this build does not know.
    #[error("trailer version {found}, expected {expected}")]
    TrailerVersion {
        /// The file's version.
        found: u32,
        /// The version this build writes.
        expected: u32,
    },
    /// The trailer's object length does not agree with the file's size.
    #[error("trailer speaks of {found} object bytes, the file has {expected}")]
    Length {
        /// What the trailer says.
        found: u64,
        /// What the size of the file implies.
        expected: u64,
    },
    /// The trailer belongs to another key than the one in the file's name.
    #[error("holds the object of another key than its name says")]
    ForeignKey,
    /// The bytes are not those that were written.
    #[error("digest mismatch: bytes have changed since the file was written")]
    Digest,
    /// The name is none that this cache gives to a file.
    #[error("not named like an object")]
    Name,
    /// The file could not be opened or read; it may well be intact.
    #[error("could not be read")]
    Unreadable,
    /// The file was replaced or removed while it was looked at.
    #[error("replaced or removed while it was read")]
    Changed,
}

impl Fault {
    /// Whether the file itself is at fault, and should be put away so that it is not met again.
    pub(crate) fn blames_file(self) -> bool {
        !matches!(self, Self::Unreadable | Self::Changed)
    }
}
