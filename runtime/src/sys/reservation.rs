//! The address space of one instance, in one piece.
//!
//! ```text
//!   guard │ jump table area │ context page │ 4 GiB of guest memory │ guard
//!                                           └ base: guest address 0, the segment base while its code runs
//! ```
//!
//! Everything is inaccessible until it is mapped or protected otherwise; nothing is executable, ever.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use libc::c_int;
use tvm_abi::VmContext;
use tvm_abi::context::{CONTEXT_BYTES, JUMP_TABLE_BYTES};
use tvm_isa::GuestAddr;

use super::SysError;
use crate::memory::Access;

/// Bytes of guest memory.
pub(crate) const GUEST_BYTES: usize = 1 << 32;

/// Inaccessible bytes before and after everything else. The farthest access of compiled code ends 7 bytes past guest
/// memory; the rest is margin against errors of ours.
pub(crate) const GUARD_BYTES: usize = 64 << 10;

/// Bytes from the reservation's start to guest address 0.
const BEFORE_GUEST: usize = GUARD_BYTES + JUMP_TABLE_BYTES + CONTEXT_BYTES;

/// Bytes of the whole reservation.
pub(crate) const RESERVED_BYTES: usize = BEFORE_GUEST + GUEST_BYTES + GUARD_BYTES;

/// Pages of guest memory.
pub(crate) const GUEST_PAGES: u32 = (GUEST_BYTES / PAGE) as u32;

const PAGE: usize = GuestAddr::PAGE_SIZE as usize;

/// Part of a file that is mapped, in whole pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilePages<'a> {
    /// The file. It is not needed any more once it is mapped.
    pub file: BorrowedFd<'a>,
    /// Offset of the first byte, page-aligned.
    pub offset: u64,
}

/// Owns the address space; dropping it returns it to the system.
#[derive(Debug)]
pub(crate) struct Reservation {
    start: NonNull<u8>,
}

// SAFETY: the value only owns address space, which any thread may use; who may touch its bytes when is regulated by
// the types that hold the reservation.
unsafe impl Send for Reservation {}
// SAFETY: as above. Methods that change mappings are system calls, which may run at the same time.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves address space. Only the context page is accessible; it is zero.
    ///
    /// # Errors
    /// When the system has no address space left or limits it (`ulimit -v`).
    pub(crate) fn new() -> Result<Self, SysError> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), RESERVED_BYTES, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(SysError::last("reserving 4 GiB of address space for a guest"));
        }
        let this = Self { start: NonNull::new(start.cast()).expect("the system maps nothing at address 0 unasked") };
        let context = this.context_ptr().cast();
        // SAFETY: the context page belongs to the reservation, and nothing refers to it yet.
        let done = unsafe { libc::mprotect(context, CONTEXT_BYTES, libc::PROT_READ | libc::PROT_WRITE) };
        if done == 0 { Ok(this) } else { Err(SysError::last("making the VM context accessible")) }
    }

    /// Guest address 0.
    pub(crate) fn base(&self) -> *mut u8 {
        // SAFETY: the offset lies within the reservation.
        unsafe { self.start.as_ptr().add(BEFORE_GUEST) }
    }

    /// The VM context, right below guest address 0.
    pub(crate) fn context_ptr(&self) -> *mut VmContext {
        // SAFETY: the context page lies within the reservation, before the base.
        unsafe { self.base().sub(CONTEXT_BYTES).cast() }
    }

    /// Changes the rights of guest pages in one call. `Err` may leave some of them changed.
    pub(crate) fn protect(&self, first: u32, count: u32, access: Access) -> Result<(), SysError> {
        let (start, len) = self.guest_pages(first, count);
        // SAFETY: only guest pages change, to which nothing in Rust holds references.
        let done = unsafe { libc::mprotect(start.cast(), len, protection(access)) };
        if done == 0 { Ok(()) } else { Err(SysError::last("changing access rights of guest memory")) }
    }

    /// Drops what was written to guest pages: anonymous ones read as zero again, those of a file as the file.
    pub(crate) fn discard(&self, first: u32, count: u32) -> Result<(), SysError> {
        let (start, len) = self.guest_pages(first, count);
        // SAFETY: only guest pages lose their contents, to which nothing in Rust holds references.
        let done = unsafe { libc::madvise(start.cast(), len, libc::MADV_DONTNEED) };
        if done == 0 { Ok(()) } else { Err(SysError::last("discarding contents of guest memory")) }
    }

    /// Replaces guest pages by fresh ones: zeroes, or a private copy of the file's.
    pub(crate) fn map(&self, first: u32, count: u32, access: Access, from: Option<FilePages>) -> Result<(), SysError> {
        let (start, len) = self.guest_pages(first, count);
        // SAFETY: the range consists of guest pages.
        unsafe { map_fixed(start, len, protection(access), from) }
            .map_err(|source| SysError { operation: "mapping guest memory", source })
    }

    /// Maps a module's jump table, or nothing, into the area below the context. Bytes beyond the area are left out.
    pub(crate) fn map_jump_table(&self, table: Option<(FilePages, usize)>) -> Result<(), SysError> {
        // SAFETY: the jump table area lies within the reservation, below the context.
        let start = unsafe { self.base().sub(CONTEXT_BYTES + JUMP_TABLE_BYTES) };
        let mapped = table.map_or(0, |(_, len)| len.next_multiple_of(PAGE).min(JUMP_TABLE_BYTES));
        let result = (|| {
            if let Some((from, _)) = table.filter(|_| mapped > 0) {
                // SAFETY: `mapped` bytes from the area's start stay within the area.
                unsafe { map_fixed(start, mapped, libc::PROT_READ, Some(from)) }?;
            }
            if mapped < JUMP_TABLE_BYTES {
                // SAFETY: the rest of the area.
                unsafe { map_fixed(start.add(mapped), JUMP_TABLE_BYTES - mapped, libc::PROT_NONE, None) }?;
            }
            Ok(())
        })();
        result.map_err(|source| SysError { operation: "mapping a jump table", source })
    }

    /// Address and length of guest pages; what lies past the address space is cut off.
    fn guest_pages(&self, first: u32, count: u32) -> (*mut u8, usize) {
        let start = (first as usize * PAGE).min(GUEST_BYTES);
        let end = ((first as usize + count as usize) * PAGE).min(GUEST_BYTES);
        // SAFETY: `start` is at most the end of guest memory.
        (unsafe { self.base().add(start) }, end - start)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours in full, and its owner is going away.
        let done = unsafe { libc::munmap(self.start.as_ptr().cast(), RESERVED_BYTES) };
        debug_assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

fn protection(access: Access) -> c_int {
    match access {
        Access::None => libc::PROT_NONE,
        Access::Read => libc::PROT_READ,
        Access::Write => libc::PROT_READ | libc::PROT_WRITE,
    }
}

/// # Safety
/// The range must lie within a reservation, with no references to its bytes.
unsafe fn map_fixed(start: *mut u8, len: usize, prot: c_int, from: Option<FilePages>) -> std::io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let (flags, fd, offset) = match from {
        None => (flags | libc::MAP_ANONYMOUS, -1, 0),
        Some(FilePages { file, offset }) => (flags, file.as_raw_fd(), offset as libc::off_t),
    };
    // SAFETY: the caller vouches for the range.
    let mapped = unsafe { libc::mmap(start.cast(), len, prot, flags, fd, offset) };
    if mapped == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
