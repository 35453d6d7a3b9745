//! Reading the few bytes of an object that decide how it is loaded.
//!
//! They are read instead of mapped: a read of some hundred bytes takes less than a microsecond, the first access to a
//! mapped page three, and running the code does not need the page that they lie in.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::LoadError;

/// Bytes read at once where an object starts: its header and note, section headers and their names.
const HEAD: usize = 1536;

/// An object that is in memory, or in a file of which a few pieces are.
pub(crate) struct Reader<'a> {
    source: Source<'a>,
    len: usize,
}

enum Source<'a> {
    Memory(&'a [u8]),
    File(&'a File, &'a mut Pieces),
}

/// What has been read of a file.
pub(crate) struct Pieces {
    /// Its first bytes, as many as it has. In place, as most loads would otherwise touch a new page of the heap.
    head: [u8; HEAD],
    /// The piece that was asked for last, where an object has something elsewhere. TVM's have not.
    other: Vec<u8>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { head: [0; HEAD], other: Vec::new() }
    }
}

impl<'a> Reader<'a> {
    /// An object in memory.
    pub(crate) fn of_bytes(object: &'a [u8]) -> Self {
        Self { source: Source::Memory(object), len: object.len() }
    }

    /// The object that the first `len` bytes of a file are, which has them, and of which nothing is in `pieces` yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    #[inline]
    pub(crate) fn of_file(file: &'a File, len: usize, pieces: &'a mut Pieces) -> Result<Self, LoadError> {
        file.read_exact_at(&mut pieces.head[..HEAD.min(len)], 0).map_err(failed)?;
        Ok(Self { source: Source::File(file, pieces), len })
    }

    /// Length of the object, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A part of the object.
    ///
    /// # Errors
    /// When it passes the object's end, or the file cannot be read.
    #[inline]
    pub(crate) fn bytes(&mut self, range: Range<usize>) -> Result<&[u8], LoadError> {
        let past_end = LoadError::Truncated { found: self.len as u64, expected: range.end as u64 };
        if range.start > range.end || range.end > self.len {
            return Err(past_end);
        }
        match &mut self.source {
            Source::Memory(object) => object.get(range).ok_or(past_end),
            Source::File(_, Pieces { head, .. }) if range.end <= HEAD => head.get(range).ok_or(past_end),
            Source::File(file, Pieces { other, .. }) => {
                *other = vec![0; range.len()];
                file.read_exact_at(other, range.start as u64).map_err(failed)?;
                Ok(other)
            }
        }
    }
}

fn failed(error: io::Error) -> LoadError {
    LoadError::system("reading an object")(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of four thousand bytes, none like its neighbours.
    fn numbered() -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..4000_u32).flat_map(|number| (number as u16).to_le_bytes()).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        (file, bytes)
    }

    #[test]
    fn files_read_as_memory_does() {
        let (file, bytes) = numbered();
        for len in [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + 128, bytes.len()] {
            let mut pieces = Pieces::default();
            let mut reader = Reader::of_file(&file, len, &mut pieces).unwrap();
            for start in (0..len).step_by(97) {
                for size in [0, 1, 64, HEAD - 1, HEAD, HEAD + 1, 3000] {
                    let range = start..start + size;
                    match reader.bytes(range.clone()) {
                        Ok(found) => assert_eq!(found, &bytes[range]),
                        Err(error) => {
                            assert!(range.end > len && error.is_object_fault(), "{range:?} of {len}: {error}")
                        }
                    }
                }
            }
            assert!(reader.bytes(len..len).is_ok() && reader.bytes(len..len + 1).is_err());
        }
    }
}
