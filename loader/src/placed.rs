//! Code that was compiled to where it runs, without an object in between.
//!
//! A [`Supply`] hands out memory that can be written ([`CodeMemory`]); [`Loaded::from_memory`](crate::Loaded::from_memory) makes the
//! code in it executable and takes the right to write away ([`Placed`]). When the module is dropped, its memory can be written again,
//! and waits for the next program: memory that is new to the process costs more than compiling into it. No page is
//! executable before the code in it is complete, or after its module is gone.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{MmapMut, MmapOptions};
use tvm_abi::Places;
use tvm_abi::sections::PAGE;

use crate::LoadError;
use crate::mapping::MAKING_EXECUTABLE;

/// Most bytes of memory that a supply keeps for programs to come.
pub const MAX_IDLE_BYTES: usize = 16 << 20;

/// Most pieces of memory that a supply keeps.
pub const MAX_IDLE_PIECES: usize = 8;

/// Memory for compiled code, and what is kept of it. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct Supply(Arc<Mutex<Vec<Pages>>>);

/// Memory that code is written to.
#[derive(Debug)]
pub struct CodeMemory {
    supply: Supply,
    pages: Option<Pages>,
}

/// A mapping nobody else has, which can be read and written.
#[derive(Debug)]
struct Pages {
    map: MmapMut,
    /// How many bytes from its start on may have been written: pages behind them take no memory.
    touched: usize,
}

/// Compiled code in memory: read-only, its text executable. Nobody is given access by which to write.
#[derive(Debug)]
pub(crate) struct Placed {
    supply: Supply,
    /// There until it is dropped.
    pages: Option<Pages>,
}

impl Supply {
    /// Memory for one program; none yet.
    #[must_use]
    pub fn memory(&self) -> CodeMemory {
        CodeMemory { supply: self.clone(), pages: None }
    }

    /// Of the pieces that are long enough for `len` bytes, and not far too long, the shortest.
    fn take(&self, len: usize) -> Option<Pages> {
        let mut idle = self.idle();
        let fits = |pages: &Pages| pages.map.len() >= len && pages.map.len() / 4 <= len;
        let fitting = idle.iter().enumerate().filter(|(_, pages)| fits(pages));
        let shortest = fitting.min_by_key(|(_, pages)| pages.map.len()).map(|(index, _)| index);
        shortest.map(|index| idle.swap_remove(index))
    }

    /// Keeps a piece; those that have been kept for long make room for it.
    fn keep(&self, pages: Pages) {
        if pages.touched > MAX_IDLE_BYTES {
            return;
        }
        let mut idle = self.idle();
        let mut touched = pages.touched + idle.iter().map(|pages| pages.touched).sum::<usize>();
        idle.push(pages);
        while touched > MAX_IDLE_BYTES || idle.len() > MAX_IDLE_PIECES {
            touched -= idle.remove(0).touched;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Pages>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CodeMemory {
    /// At least `len` bytes of any contents, in place of those given before.
    ///
    /// # Errors
    /// When the system has no memory.
    pub fn of_len(&mut self, len: usize) -> Result<&mut [u8], LoadError> {
        self.pages = None;
        let pages = match self.supply.take(len) {
            Some(pages) => pages,
            None => Pages::new(len)?,
        };
        Ok(&mut self.pages.insert(pages).map)
    }

    /// What was written.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.as_ref().map_or(&[], |pages| &pages.map)
    }

    /// Makes the text executable and all else read-only. The text starts with a page and has its pages for itself.
    pub(crate) fn make_executable(mut self, places: &Places) -> Result<Placed, LoadError> {
        let mut pages = self.pages.take().ok_or(LoadError::Missing("memory"))?;
        pages.trim(places.end())?;
        let text = &places.text;
        let text = text.start..text.end.next_multiple_of(PAGE as usize);
        // Each page changes once, and the system divides the mapping once if it begins with the text.
        protect(&mut pages.map, &text, libc::PROT_READ | libc::PROT_EXEC)
            .map_err(LoadError::system(MAKING_EXECUTABLE))?;
        for data in [0..text.start, text.end..pages.map.len()] {
            if !data.is_empty() {
                protect(&mut pages.map, &data, libc::PROT_READ)
                    .map_err(LoadError::system("making code's data read-only"))?;
            }
        }
        Ok(Placed { supply: self.supply, pages: Some(pages) })
    }
}

impl Pages {
    fn new(len: usize) -> Result<Self, LoadError> {
        // Few different lengths, so that one program's memory fits the next.
        let len = len.next_multiple_of((len.next_power_of_two() / 4).max(PAGE as usize));
        let map = MmapOptions::new().len(len).no_reserve_swap().map_anon();
        Ok(Self { map: map.map_err(LoadError::system("mapping memory for code"))?, touched: 0 })
    }

    /// Notes that the first `used` bytes are written, and gives back what a longer program left behind them.
    fn trim(&mut self, used: usize) -> Result<(), LoadError> {
        /// What is not worth a system call.
        const SLACK: usize = 64 << 10;
        if self.touched > used + used / 4 + SLACK {
            let start = used.next_multiple_of(PAGE as usize);
            let len = self.touched - start;
            // SAFETY: nobody else has the mapping, and any contents are fine for what is behind the code.
            let dropped = unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) };
            dropped.map_err(LoadError::system("giving memory back"))?;
            self.touched = start;
        }
        self.touched = self.touched.max(used);
        Ok(())
    }
}

impl Placed {
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.as_ref().map_or(&[], |pages| &pages.map)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let Some(mut pages) = self.pages.take() else { return };
        let all = 0..pages.map.len();
        if protect(&mut pages.map, &all, libc::PROT_READ | libc::PROT_WRITE).is_ok() {
            self.supply.keep(pages);
        }
    }
}

/// Changes the rights of the pages of a part of the mapping, which starts with a page.
fn protect(map: &mut MmapMut, part: &Range<usize>, rights: libc::c_int) -> io::Result<()> {
    let part = &map[part.clone()];
    // SAFETY: the range is part of the mapping, of which nobody else has a reference, and stays readable. Who takes the right
    // to write away writes no more: see `Placed`.
    let done = unsafe { libc::mprotect(part.as_ptr().cast_mut().cast(), part.len(), rights) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
