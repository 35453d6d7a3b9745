//! Reading the few bytes of an object that decide how it is loaded.
//!
//! They are read instead of mapped: a read of some hundred bytes takes less than a microsecond, the first access to a
//! mapped page three, and these bytes lie in five pages that running the code hardly ever needs.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::LoadError;

/// Bytes read at once where an object starts: its header and note, section headers and their names.
const HEAD: usize = 1536;
/// Bytes read at once elsewhere: what is needed next mostly stands beside it.
const NEAR: usize = 128;

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
#[derive(Default)]
pub(crate) struct Pieces {
    head: Piece<HEAD>,
    near: Piece<NEAR>,
    long: Vec<u8>,
}

/// A part of a file of at most `N` bytes. In place, as most loads would otherwise touch a new page of the heap.
struct Piece<const N: usize> {
    range: Range<usize>,
    bytes: [u8; N],
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
        pieces.head.read(file, 0..HEAD.min(len)).map_err(failed)?;
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
            Source::File(file, Pieces { head, near, long }) => {
                if let Some(bytes) = head.get(&range) {
                    return Ok(bytes);
                }
                if range.len() > NEAR {
                    *long = vec![0; range.len()];
                    file.read_exact_at(long, range.start as u64).map_err(failed)?;
                    return Ok(long);
                }
                if near.get(&range).is_none() {
                    near.read(file, range.start..self.len.min(range.start + NEAR)).map_err(failed)?;
                }
                near.get(&range).ok_or(past_end)
            }
        }
    }
}

impl<const N: usize> Default for Piece<N> {
    fn default() -> Self {
        Self { range: 0..0, bytes: [0; N] }
    }
}

impl<const N: usize> Piece<N> {
    /// Replaces what is held by this range of the file.
    #[inline]
    fn read(&mut self, file: &File, range: Range<usize>) -> io::Result<()> {
        self.range = 0..0;
        file.read_exact_at(&mut self.bytes[..range.len()], range.start as u64)?;
        self.range = range;
        Ok(())
    }

    fn get(&self, range: &Range<usize>) -> Option<&[u8]> {
        if range.start < self.range.start || range.end > self.range.end {
            return None;
        }
        self.bytes.get(range.start - self.range.start..range.end - self.range.start)
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
        for len in [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + NEAR, bytes.len()] {
            let mut pieces = Pieces::default();
            let mut reader = Reader::of_file(&file, len, &mut pieces).unwrap();
            for start in (0..len).step_by(97) {
                for size in [0, 1, NEAR - 1, NEAR, NEAR + 1, 3000] {
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
