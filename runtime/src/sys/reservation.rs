//! The address space of one instance, in one piece.
//!
//! ```text
//!   guard │ arguments │ jump table area │ context page │ 4 GiB of guest memory │ guard
//!                                                       └ base: guest address 0, the segment base while its code runs
//! ```
//!
//! The host writes a guest's first arguments through a window of its own, to the same pages that the guest may only
//! read: no rights change for that. No address that compiled code forms lies in the window.
//!
//! Everything is inaccessible until it is mapped or protected otherwise; nothing is executable, ever.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use libc::c_int;
use tvm_abi::context::{CONTEXT_BYTES, JUMP_TABLE_BYTES};
use tvm_abi::{Stub, VmContext};
use tvm_isa::GuestAddr;
use tvm_isa::layout::ARGUMENTS_START;

use super::SysError;
use super::enter::stub_address;
use crate::memory::Access;

/// Bytes of guest memory.
pub(crate) const GUEST_BYTES: usize = 1 << 32;

/// Inaccessible bytes before and after everything else. The farthest access of compiled code ends 7 bytes past guest
/// memory; the rest is margin against errors of ours.
pub(crate) const GUARD_BYTES: usize = 64 << 10;

/// Bytes of arguments that the host can write without a change of rights, from [`ARGUMENTS_START`] on.
pub(crate) const ARGUMENT_BYTES: usize = 64 << 10;

/// The pages of [`ARGUMENT_BYTES`] in guest memory, as first page and number of pages.
pub(crate) const ARGUMENT_PAGES: (u32, u32) = ((ARGUMENTS_START.0 / PAGE as u32), (ARGUMENT_BYTES / PAGE) as u32);

/// Bytes from the reservation's start to guest address 0.
const BEFORE_GUEST: usize = GUARD_BYTES + ARGUMENT_BYTES + JUMP_TABLE_BYTES + CONTEXT_BYTES;

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
    /// Reserves address space. Only the context page is accessible; it is as [`Self::reset_context`] makes it.
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
        if done != 0 {
            return Err(SysError::last("making the VM context accessible"));
        }
        // SAFETY: as above.
        unsafe { this.reset_context() };
        Ok(this)
    }

    /// Makes the context what it is before a guest runs: nothing but the addresses of the stubs.
    ///
    /// # Safety
    /// Nothing else may use the context meanwhile.
    pub(crate) unsafe fn reset_context(&self) {
        let fresh = VmContext {
            state: 0,
            host_rsp: 0,
            site: 0,
            text_base: 0,
            host_call_entry: 0,
            host_call_data: 0,
            left_at_host_call: 0,
            stubs: Stub::ALL.map(|stub| stub_address(stub) as u64),
        };
        // SAFETY: the context page is writable, and the caller vouches that nobody else uses it.
        unsafe { self.context_ptr().write(fresh) }
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

    /// Writes to guest pages from page `first` on. They must be writable in fact, whatever a guest may do.
    pub(crate) fn write(&self, first: u32, bytes: &[u8]) {
        let start = first as usize * PAGE;
        assert!(start + bytes.len() <= GUEST_BYTES);
        // SAFETY: the range lies within guest memory, to which nothing in Rust holds references.
        unsafe { self.base().add(start).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Zeroes guest pages. They must be writable in fact, whatever a guest may do.
    pub(crate) fn clear(&self, first: u32, count: u32) {
        let (start, len) = self.guest_pages(first, count);
        // SAFETY: the range lies within guest memory, to which nothing in Rust holds references.
        unsafe { start.write_bytes(0, len) }
    }

    /// Replaces guest pages by fresh ones: zeroes, or a private copy of the file's.
    pub(crate) fn map(&self, first: u32, count: u32, access: Access, from: Option<FilePages>) -> Result<(), SysError> {
        let (start, len) = self.guest_pages(first, count);
        // SAFETY: the range consists of guest pages.
        unsafe { map_fixed(start, len, protection(access), from) }
            .map_err(|source| SysError { operation: "mapping guest memory", source })
    }

    /// Maps a module's jump table into the area below the context. Bytes beyond the area are left out.
    pub(crate) fn map_jump_table(&self, from: FilePages, len: usize) -> Result<(), SysError> {
        let len = len.next_multiple_of(PAGE).min(JUMP_TABLE_BYTES);
        if len == 0 {
            return Ok(());
        }
        // SAFETY: so many bytes from the area's start stay within the area.
        unsafe { map_fixed(self.jump_table(), len, libc::PROT_READ, Some(from)) }
            .map_err(|source| SysError { operation: "mapping a jump table", source })
    }

    /// Takes away what is mapped for a guest, its memory and its jump table: as in a new reservation.
    pub(crate) fn make_blank(&self) -> Result<(), SysError> {
        self.map(0, GUEST_PAGES, Access::None, None)?;
        // SAFETY: the range is the jump table area.
        unsafe { map_fixed(self.jump_table(), JUMP_TABLE_BYTES, libc::PROT_NONE, None) }
            .map_err(|source| SysError { operation: "taking a jump table away", source })
    }

    /// The area for jump tables.
    fn jump_table(&self) -> *mut u8 {
        // SAFETY: the area lies within the reservation, below the context.
        unsafe { self.base().sub(CONTEXT_BYTES + JUMP_TABLE_BYTES) }
    }

    /// Writes arguments, and zeroes up to `clear_to` behind them. [`Self::map_arguments`] must have been successful.
    pub(crate) fn write_arguments(&self, bytes: &[u8], clear_to: usize) {
        assert!(bytes.len().max(clear_to) <= ARGUMENT_BYTES);
        let window = self.arguments();
        // SAFETY: the window is as long as that, and nothing in Rust holds references to it.
        unsafe {
            window.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            window.add(bytes.len()).write_bytes(0, clear_to.saturating_sub(bytes.len()));
        }
    }

    /// The window to the arguments.
    fn arguments(&self) -> *mut u8 {
        // SAFETY: the window follows the first guard.
        unsafe { self.start.as_ptr().add(GUARD_BYTES) }
    }

    /// Makes the argument pages of the guest, inaccessible at first, and the host's window the same zeroed memory. What
    /// the guest is made to write there stays private to it, as with pages of an image's file.
    pub(crate) fn map_arguments(&self) -> Result<(), SysError> {
        let file = memory_file(ARGUMENT_BYTES)?;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let (window, flags) = (self.arguments().cast(), libc::MAP_SHARED | libc::MAP_FIXED);
        // SAFETY: the window belongs to the reservation, and nothing refers to it.
        let mapped = unsafe { libc::mmap(window, ARGUMENT_BYTES, rights, flags, file.as_raw_fd(), 0) };
        if mapped == libc::MAP_FAILED {
            return Err(SysError::last("mapping the window to a guest's arguments"));
        }
        let (first, count) = ARGUMENT_PAGES;
        self.map(first, count, Access::None, Some(FilePages { file: file.as_fd(), offset: 0 }))
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

/// A file in memory of this length, all zero.
fn memory_file(len: usize) -> Result<OwnedFd, SysError> {
    // SAFETY: the name is a terminated string.
    let fd = unsafe { libc::memfd_create(c"tvm-arguments".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(SysError::last("creating a memory file for arguments"));
    }
    // SAFETY: the descriptor is new, and nobody else's.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the descriptor is open; the call takes an integer.
    let done = unsafe { libc::ftruncate(file.as_raw_fd(), len as libc::off_t) };
    if done == 0 { Ok(file) } else { Err(SysError::last("making room for arguments")) }
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
