//! A loaded object together with the right to run it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tvm_abi::{CpuFeatures, Leave, Note, PcMap, Site, TextOffset};
use tvm_isa::Unpacked;
use tvm_loader::{FileSpan, LoadError, Loaded};

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
    /// Loads an object from a file of the cache.
    pub(crate) fn from_file(file: File, object_len: u64, cpu: CpuFeatures) -> Result<Self, Error> {
        Self::new(Loaded::from_file(file, object_len, cpu))
    }

    /// Loads an object that this process's compiler just made.
    pub(crate) fn from_bytes(object: &[u8], cpu: CpuFeatures) -> Result<Self, Error> {
        Self::new(Loaded::from_bytes(object, cpu))
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
        let read = |span: FileSpan| {
            let mut bytes = vec![0; span.len as usize];
            let read = self.loaded.file().read_exact_at(&mut bytes, span.offset);
            read.map_err(|source| SysError { operation: "reading an object", source })?;
            Ok(bytes)
        };
        Ok((read(self.ro_image())?, read(self.rw_image())?))
    }

    /// The program that the object was made from, with data from [`initial_data`](Self::initial_data).
    pub(crate) fn unpacked<'a>(&'a self, ro: &'a [u8], rw: &'a [u8]) -> Unpacked<'a> {
        Unpacked { blob: self.program_blob(), ro, rw, sizes: self.note().sizes }
    }

    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(self.loaded.file())
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
