//! Object in, checked, mapped and linked module out.
//!
//! Loading takes some microseconds whatever the length of the code: headers and note are read, and the file's own pages
//! become code. What is loaded is exactly what [`tvm_abi::sections`] describes; anything else is refused with a reason.
//!
//! **Not checked** when loading are the machine code itself, which takes time in proportion to its length ([`verify()`] does that, for who
//! makes objects), and whether the pc map is true: an object must come from TVM's compiler,
//! by a way on which nobody could change it. The loader's checks keep accidents (cut, foreign, stale or wrong-CPU
//! files) from being executed, not attackers who can write to the cache directory.
//!
//! A mapped file must not be changed or cut while it is in use: a page that is gone is a SIGBUS. Cache directories
//! belong to TVM, which only ever creates, renames and unlinks. Objects from elsewhere go through
//! [`Loaded::from_bytes`], which copies them to a place that nobody can change.

mod error;
mod mapping;
mod memfd;
mod object;
mod placed;
mod reader;
mod sections;
mod verify;

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tvm_abi::{CpuFeatures, Note, PcMap, Placed, Places};

pub use error::LoadError;
pub use object::{Symbol, symbols};
pub use placed::{CodeMemory, MAX_IDLE_BYTES, MAX_IDLE_PIECES, Supply};
pub use sections::MAX_SECTIONS;
pub use tvm_verifier::{Rule, Verified, Violation};
pub use verify::{VerifyError, verify};

use mapping::{Mapped, is_not_executable_here};
use object::Checked;
use reader::{Pieces, Reader};
use sections::Sections;

/// Longest object, in bytes. The compiler's limits keep objects well below it.
pub const MAX_OBJECT_BYTES: u64 = 1 << 30;

/// A part of an object's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSpan {
    /// Offset of its first byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

/// A module: an object that is mapped and ready to run. Everything is unmapped when it is dropped.
#[derive(Debug)]
pub struct Loaded {
    file: OnceLock<Arc<File>>,
    code: Code,
    sections: Sections,
    note: Note,
}

/// What keeps the code in memory.
#[derive(Debug)]
enum Code {
    /// Pages of an object's file.
    Mapped(Mapped),
    /// Memory that the code was compiled into.
    Placed(placed::Placed),
}

impl Loaded {
    /// Loads the object that the first `object_len` bytes of `file` are. Nobody may change them while it is loaded.
    ///
    /// From a file system on which nothing may be executed, the object is copied to memory.
    ///
    /// # Errors
    /// When the object is not one for this version of TVM and a CPU with the features of `host`, or when the system
    /// refuses to map it. [`LoadError::is_object_fault`] tells which.
    pub fn from_file(file: File, object_len: u64, host: CpuFeatures) -> Result<Self, LoadError> {
        let found = file.metadata().map_err(LoadError::system("examining an object"))?.len();
        if found < object_len {
            check_length(object_len)?;
            return Err(LoadError::Truncated { found, expected: object_len });
        }
        Self::from_file_of_length(file, object_len, host)
    }

    /// [`from_file`](Self::from_file) for a file that the caller has found to be at least `object_len` bytes long, such as one of
    /// the cache: what is mapped beyond a file's end ends the process when it is touched.
    ///
    /// # Errors
    /// Like [`Self::from_file`].
    #[inline]
    pub fn from_file_of_length(file: File, object_len: u64, host: CpuFeatures) -> Result<Self, LoadError> {
        match Self::load(file, object_len, host) {
            Err((error, Some(file))) if is_not_executable_here(&error) => {
                let whole = 0..object_len as usize;
                let copy =
                    Mapped::new(&file, whole.clone()).and_then(|mapped| memfd::sealed(&[mapped.bytes(&whole)]))?;
                Self::load(copy, object_len, host).map_err(|(error, _)| error)
            }
            done => done.map_err(|(error, _)| error),
        }
    }

    /// Loads an object from a sealed copy in memory.
    ///
    /// # Errors
    /// Like [`Self::from_file`].
    pub fn from_bytes(object: &[u8], host: CpuFeatures) -> Result<Self, LoadError> {
        check_length(object.len() as u64)?;
        Self::load(memfd::sealed(&[object])?, object.len() as u64, host).map_err(|(error, _)| error)
    }

    /// Makes a module of code that was compiled into `memory`.
    ///
    /// # Errors
    /// When this CPU cannot run the code, when the system refuses to make it executable, and when the parts contradict each other.
    pub fn from_memory(memory: CodeMemory, placed: Placed, host: CpuFeatures) -> Result<Self, LoadError> {
        let Checked { sections, note } = object::check_placed(memory.bytes(), placed, host)?;
        let code = Code::Placed(memory.make_executable(&sections.places)?);
        Ok(Self { file: OnceLock::new(), code, sections, note })
    }

    /// Gives the file back when it could be mapped and is in order, but not be made executable.
    #[inline]
    fn load(file: File, len: u64, host: CpuFeatures) -> Result<Self, (LoadError, Option<File>)> {
        let mapped = || {
            check_length(len)?;
            let checked = object::check(&mut Reader::of_file(&file, len as usize, &mut Pieces::default())?, host)?;
            Ok((Mapped::new(&file, checked.sections.places.in_place())?, checked))
        };
        let (mapped, Checked { sections, note }) = mapped().map_err(|error| (error, None))?;
        match mapped.make_executable(&sections.places.text) {
            Ok(()) => Ok(Self { file: Arc::new(file).into(), code: Code::Mapped(mapped), sections, note }),
            Err(error) => Err((error, Some(file))),
        }
    }

    /// What the object was made from. The caller compares compiler and code hash with what it asked for.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Addresses of the machine code, the only executable part.
    #[must_use]
    pub fn text_range(&self) -> Range<usize> {
        let text = self.text().as_ptr_range();
        text.start as usize..text.end as usize
    }

    /// The machine code.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.section(&self.sections.places.text)
    }

    /// The map between machine code and program counters.
    #[must_use]
    pub fn pc_map(&self) -> PcMap<'_> {
        let section = self.section(&self.sections.places.pc_map);
        PcMap::new(self.note.pc_map, section).expect("checked when the object was loaded")
    }

    /// Decides whether the machine code stays in its sandbox, as [`verify()`] does.
    ///
    /// # Errors
    /// What was found that is not as it must be. The module must not run.
    pub fn verify(&self) -> Result<Verified, Violation> {
        // A table that lies elsewhere in the file than the compiler puts it, and so is not mapped here, is none.
        let table = &self.sections.places.jump_table;
        let table = match &self.code {
            Code::Mapped(mapped) => mapped.get(table).unwrap_or(&[]),
            Code::Placed(placed) => &placed.bytes()[table.clone()],
        };
        verify::verify_parts(self.text(), table, &self.note, self.pc_map())
    }

    /// The program that was compiled, without its container.
    #[must_use]
    pub fn program_blob(&self) -> &[u8] {
        self.section(&self.sections.places.program)
    }

    /// The dynamic jump table, whole pages.
    #[must_use]
    pub fn jump_table(&self) -> FileSpan {
        self.span(&self.sections.places.jump_table)
    }

    /// The image of the guest's read-only data, whole pages; may be shorter than the data's region, but not longer.
    #[must_use]
    pub fn ro_image(&self) -> FileSpan {
        self.span(&self.sections.places.ro_image)
    }

    /// The image of the guest's read-write data, whole pages; may be shorter than the data's region, but not longer.
    #[must_use]
    pub fn rw_image(&self) -> FileSpan {
        self.span(&self.sections.places.rw_image)
    }

    /// The file that the spans are parts of. Code that was compiled into memory has one from when it is first asked for.
    ///
    /// # Errors
    /// When the system refuses a memory file.
    pub fn file(&self) -> Result<&Arc<File>, LoadError> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let parts = self.shared_parts().map(|part| self.section(part));
        let file = Arc::new(memfd::sealed(&parts)?);
        Ok(self.file.get_or_init(|| file))
    }

    /// The same, if it is there already.
    #[must_use]
    pub fn made_file(&self) -> Option<&Arc<File>> {
        self.file.get()
    }

    /// The parts that instances map, in the order in which they are in a file of their own.
    fn shared_parts(&self) -> [&Range<usize>; 3] {
        let Places { jump_table, ro_image, rw_image, .. } = &self.sections.places;
        [jump_table, ro_image, rw_image]
    }

    /// Where in the file one of those parts is.
    fn span(&self, part: &Range<usize>) -> FileSpan {
        let start = match &self.code {
            Code::Mapped(_) => part.start,
            // Parts may be empty, but not start at the same place before they do.
            Code::Placed(_) => {
                self.shared_parts().iter().filter(|other| other.start < part.start).map(|other| other.len()).sum()
            }
        };
        FileSpan { offset: start as u64, len: part.len() as u64 }
    }

    fn section(&self, at: &Range<usize>) -> &[u8] {
        match &self.code {
            Code::Mapped(mapped) => mapped.bytes(at),
            Code::Placed(placed) => &placed.bytes()[at.clone()],
        }
    }
}

#[inline]
fn check_length(len: u64) -> Result<(), LoadError> {
    if len > MAX_OBJECT_BYTES {
        return Err(LoadError::TooLong { found: len });
    }
    // Mapping nothing is an error of the system's; it is the object that is at fault.
    if len == 0 {
        return Err(LoadError::Missing("ELF header"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
