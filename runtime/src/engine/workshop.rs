//! What compiling without a cache needs, kept from program to program.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tvm_compiler::{CompileOptions, Memory, Scratch, compile_to};
use tvm_loader::{CodeMemory, Supply};

use super::key::ModuleKey;
use crate::error::LoadError;
use crate::sys::NativeModule;

/// Longest tables of the compiler, in bytes, that are kept: those of about a megabyte of code.
const MAX_IDLE_SCRATCH_BYTES: usize = 8 << 20;

/// Where programs are compiled to where they run. There is no object: nobody but this process will ever run the code.
#[derive(Default)]
pub(super) struct Workshop {
    supply: Supply,
    /// The tables of the last compilation, while there is none.
    scratch: Mutex<Option<Scratch>>,
}

/// Memory for the compiler, and why there is none.
struct Supplied {
    memory: CodeMemory,
    refused: Option<tvm_loader::LoadError>,
}

impl Memory for Supplied {
    fn of_len(&mut self, len: usize) -> Option<&mut [u8]> {
        self.memory.of_len(len).map_err(|error| self.refused = Some(error)).ok()
    }
}

impl Workshop {
    /// Compiles a program and makes its code ready to run.
    pub fn make(&self, key: ModuleKey, code: &[u8], options: CompileOptions) -> Result<NativeModule, LoadError> {
        let mut scratch = self.spare().take().unwrap_or_default();
        let mut supplied = Supplied { memory: self.supply.memory(), refused: None };
        let placed = compile_to(&mut supplied, &mut scratch, code, key.code_hash, options);
        if scratch.capacity_bytes() <= MAX_IDLE_SCRATCH_BYTES {
            *self.spare() = Some(scratch);
        }
        match (placed, supplied.refused) {
            (_, Some(refused)) => Err(refused.into()),
            (placed, None) => Ok(NativeModule::from_memory(supplied.memory, placed?, options.cpu)?),
        }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
