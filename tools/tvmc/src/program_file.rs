//! Programs as files: read within a limit, hashed, and told apart from objects.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tvm_isa::{Container, GpVersion, StandardProgram, split_metadata};

use crate::args::ProgramArgs;
use crate::failure::Failure;

/// Most bytes read from any input: 16 MiB of code, twice 16 MiB of data and their tables are what a program can have,
/// and objects are larger than their programs.
pub const MAX_INPUT_BYTES: u64 = 1 << 30;

/// What an ELF file starts with. A program that starts so (a JAM blob with 127 bytes of metadata that begin with "ELF", a
/// jump table with entries of 69 bytes) has to be named as what it is with `--container`.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// A program that was read.
#[derive(Debug)]
pub struct ProgramFile {
    /// Where from.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// The format it is in, as asked for or as found.
    pub container: Container,
    /// The version whose rules apply.
    pub gp: GpVersion,
}

/// A program out of its container.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What stands before a JAM blob's program.
    pub metadata: Option<&'a [u8]>,
    /// The standard program, unless it is a bare one.
    pub standard: Option<StandardProgram<'a>>,
    /// The program blob.
    pub blob: &'a [u8],
}

impl ProgramFile {
    /// Reads a program. `-` is standard input.
    pub fn read(path: &Path, args: ProgramArgs) -> Result<Self, Failure> {
        Self::of_bytes(path, read(path)?, args)
    }

    /// A program whose bytes were read.
    pub fn of_bytes(path: &Path, bytes: Vec<u8>, args: ProgramArgs) -> Result<Self, Failure> {
        let ProgramArgs { gp, container } = args;
        let container = container.resolve(&bytes).map_err(|error| malformed(path, error))?;
        Ok(Self { path: path.to_owned(), bytes, container, gp })
    }

    /// The BLAKE2b-256 of the file, which JAM knows the program by.
    pub fn code_hash(&self) -> [u8; 32] {
        tvm_cache::hash(&self.bytes)
    }

    /// The program out of its container.
    pub fn parts(&self) -> Result<Parts<'_>, Failure> {
        let broken = |error| malformed(&self.path, error);
        let (metadata, body) = match self.container {
            Container::Raw => return Ok(Parts { metadata: None, standard: None, blob: &self.bytes }),
            Container::Standard => (None, &self.bytes[..]),
            Container::Jam => {
                split_metadata(&self.bytes).map(|(metadata, body)| (Some(metadata), body)).map_err(broken)?
            }
        };
        let standard = StandardProgram::parse(body).map_err(broken)?;
        Ok(Parts { metadata, standard: Some(standard), blob: standard.program })
    }
}

/// The bytes of a program that are wrong, with the file's name.
pub fn malformed(path: &Path, error: impl Into<anyhow::Error>) -> Failure {
    Failure::malformed(error).about(format!("{} is malformed", path.display()))
}

/// Whether the bytes are an object, or at least an ELF file.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(ELF_MAGIC)
}

/// Reads a file, or standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let contents = if path == Path::new("-") {
        read_limited(io::stdin().lock(), MAX_INPUT_BYTES)
    } else {
        File::open(path).and_then(|file| read_limited(file, MAX_INPUT_BYTES))
    };
    contents
        .map_err(|error| Failure::unreadable(path, error))?
        .ok_or_else(|| Failure::usage(format_args!("{} has more than {MAX_INPUT_BYTES} bytes", path.display())))
}

/// All that `source` gives, unless it is more than `limit` bytes.
fn read_limited(source: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ContainerChoice;

    #[test]
    fn inputs_are_read_up_to_the_limit() {
        let bytes = [7; 10];
        assert_eq!(read_limited(&bytes[..], 10).unwrap().as_deref(), Some(&bytes[..]));
        assert_eq!(read_limited(&bytes[..], 9).unwrap(), None);
    }

    #[test]
    fn what_is_asked_for_wins_over_what_it_looks_like() {
        // An empty jump table and one trap: a raw program.
        let bytes = vec![0, 0, 1, 0, 1];
        let read = |container| {
            let args = ProgramArgs { gp: GpVersion::V0_7_2, container };
            ProgramFile::of_bytes(Path::new("x"), bytes.clone(), args).unwrap()
        };
        assert_eq!(read(ContainerChoice::Auto).container, Container::Raw);
        assert!(read(ContainerChoice::Auto).parts().is_ok());
        assert!(read(ContainerChoice::Jam).parts().is_err());
    }
}
