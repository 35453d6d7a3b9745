//! A loaded object together with the right to run it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock, Weak};

use tvm_abi::{CpuFeatures, Leave, Note, PcMap, Placed, Site, TextOffset};
use tvm_isa::Unpacked;
use tvm_loader::{CodeMemory, FileSpan, LoadError, Loaded};

use super::compiled::CompiledCode;
use super::error::SysError;
use crate::error::Error;

/// Compiled code of one program, mapped.
#[derive(Clone, Debug)]
pub(crate) struct NativeModule {
    /// Borrows from `loaded`.
    map: PcMap<'static>,
    loaded: Arc<Loaded>,
    code: CompiledCode,
}

impl NativeModule {
    /// Loads an object from a file of the cache, which has found it to be at least that long.
    pub(crate) fn from_file(file: File, object_len: u64, cpu: CpuFeatures) -> Result<Self, Error> {
        Self::new(Loaded::from_file_of_length(file, object_len, cpu))
    }

    /// Loads an object that this process's compiler just made.
    pub(crate) fn from_bytes(object: &[u8], cpu: CpuFeatures) -> Result<Self, Error> {
        Self::new(Loaded::from_bytes(object, cpu))
    }

    /// Takes code that this process's compiler just put into memory.
    pub(crate) fn from_memory(memory: CodeMemory, placed: Placed, cpu: CpuFeatures) -> Result<Self, Error> {
        Self::new(Loaded::from_memory(memory, placed, cpu))
    }

    fn new(loaded: Result<Loaded, LoadError>) -> Result<Self, Error> {
        let loaded = Arc::new(loaded?);
        let owner: Arc<dyn std::any::Any + Send + Sync> = loaded.clone();
        // SAFETY: objects come from this process's compiler or from the cache, which is ours, keyed by the compiler's
        // identity and checked by digest (see tvm_cache); `loaded` keeps them mapped.
        let code = unsafe { CompiledCode::new(loaded.text_range(), owner)? };
        // SAFETY: the map borrows from the mapping that `loaded` owns, which neither moves nor changes; it is not given out
        // for longer than `self` lives.
        let map = unsafe { std::mem::transmute::<PcMap<'_>, PcMap<'static>>(loaded.pc_map()) };
        Ok(Self { map, loaded, code })
    }

    /// Decides whether the machine code stays in its sandbox.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        self.loaded.verify()?;
        Ok(())
    }

    pub(crate) fn code(&self) -> &CompiledCode {
        &self.code
    }

    pub(crate) fn note(&self) -> &Note {
        self.loaded.note()
    }

    #[inline]
    pub(crate) fn pc_map(&self) -> &PcMap<'_> {
        &self.map
    }

    pub(crate) fn program_blob(&self) -> &[u8] {
        self.loaded.program_blob()
    }

    pub(crate) fn jump_table(&self) -> FileSpan {
        self.loaded.jump_table()
    }

    pub(crate) fn ro_image(&self) -> FileSpan {
        self.loaded.ro_image()
    }

    pub(crate) fn rw_image(&self) -> FileSpan {
        self.loaded.rw_image()
    }

    /// Initial read-only and read-write data of the guest, filled up to whole pages.
    ///
    /// # Errors
    /// When the object's file cannot be read.
    pub(crate) fn initial_data(&self) -> Result<(Vec<u8>, Vec<u8>), SysError> {
        let read = |span: FileSpan| -> Result<Vec<u8>, SysError> {
            let mut bytes = vec![0; span.len as usize];
            let read = self.file()?.read_exact_at(&mut bytes, span.offset);
            read.map_err(|source| SysError { operation: "reading an object", source })?;
            Ok(bytes)
        };
        Ok((read(self.ro_image())?, read(self.rw_image())?))
    }

    /// The program that the object was made from, with data from [`initial_data`](Self::initial_data).
    pub(crate) fn unpacked<'a>(&'a self, ro: &'a [u8], rw: &'a [u8]) -> Unpacked<'a> {
        Unpacked { blob: self.program_blob(), ro, rw, sizes: self.note().sizes }
    }

    /// The file that the spans are parts of.
    ///
    /// # Errors
    /// When the system refuses one to code that was compiled into memory.
    pub(crate) fn file(&self) -> Result<&Arc<File>, SysError> {
        file_of(&self.loaded)
    }

    /// The same for an image, which needs it when the first instance is made.
    pub(crate) fn image_file(&self) -> ImageFile {
        match self.loaded.made_file() {
            Some(file) => ImageFile::File(Arc::clone(file)),
            None => ImageFile::Later(Arc::downgrade(&self.loaded), OnceLock::new()),
        }
    }

    /// The guest instruction that compiled code was left at, given the native address that it left behind.
    #[inline]
    pub(crate) fn site(&self, leave: Leave, address: u64) -> Option<Site> {
        let offset = address.checked_sub(self.code.text().start as u64)?;
        let offset = match leave {
            Leave::Fault => offset,
            // The map knows calls by their last byte.
            Leave::OutOfGas | Leave::Interpret | Leave::HostCall | Leave::Halt => offset.checked_sub(1)?,
        };
        self.map.site(TextOffset(u32::try_from(offset).ok()?))
    }
}

/// The file that a module's parts are mapped from. It does not keep the module's code: memories outlive their modules.
#[derive(Clone, Debug)]
pub(crate) enum ImageFile {
    /// A file that is there.
    File(Arc<File>),
    /// That of a module that was compiled into memory, which is made when the first instance is.
    Later(Weak<Loaded>, OnceLock<Arc<File>>),
}

impl ImageFile {
    /// The file.
    ///
    /// # Errors
    /// When the system refuses one.
    pub(crate) fn get(&self) -> Result<&Arc<File>, SysError> {
        let (loaded, file) = match self {
            Self::File(file) => return Ok(file),
            Self::Later(loaded, file) => (loaded, file),
        };
        if let Some(file) = file.get() {
            return Ok(file);
        }
        let gone =
            || SysError { operation: "making an instance of a dropped module", source: ErrorKind::NotFound.into() };
        let made = Arc::clone(file_of(&*loaded.upgrade().ok_or_else(gone)?)?);
        Ok(file.get_or_init(|| made))
    }
}

fn file_of(loaded: &Loaded) -> Result<&Arc<File>, SysError> {
    loaded.file().map_err(|error| match error {
        LoadError::System { operation, source } => SysError { operation, source },
        other => SysError { operation: "making a memory file", source: std::io::Error::other(other) },
    })
}
