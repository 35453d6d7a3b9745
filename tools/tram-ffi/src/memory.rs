//! Guest memory, between runs and within host calls.
//!
//! One handle serves both: the instance's memory at rest, or that of the host call under way. While the guest itself
//! executes there is none, and every function answers [`Status::Busy`].
//!
//! That a range is not accessible is an answer, not a failure: it depends on the guest alone. So it does not come as a
//! status, which a host function could only turn into a failure of its own.

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use tvm_runtime::Instance;
use tvm_runtime::memory::{Access, GuestMemory};

use crate::arguments::{Out, bytes, bytes_mut, shared};
use crate::status::{Failure, Status, TvmError, entry};

/// `TVM_ACCESS_NONE`: neither readable nor writable.
pub const ACCESS_NONE: u32 = 0;
/// `TVM_ACCESS_READ`: readable.
pub const ACCESS_READ: u32 = 1;
/// `TVM_ACCESS_WRITE`: readable and writable.
pub const ACCESS_WRITE: u32 = 2;

/// Pages in a guest's address space.
pub const PAGES: u32 = 1 << 20;

/// A guest's memory. It belongs to its instance and is freed with it.
#[derive(Debug)]
pub struct TvmMemory {
    pub(crate) guest: Mutex<Guarded>,
    call: Mutex<Option<CallMemory>>,
}

/// An instance, and whether it may be used.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub instance: Instance,
    /// Set while a run is under way or a reset is tried, and left so when it fails: the state is then unspecified.
    pub is_unusable: bool,
}

/// The memory that a host call was given.
#[derive(Debug)]
struct CallMemory(NonNull<GuestMemory>);

// SAFETY: the memory is used under a lock while the host call that was given it waits, and may be used by any thread.
unsafe impl Send for CallMemory where GuestMemory: Send {}

const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<TvmMemory>();
};

impl TvmMemory {
    /// The memory of `instance`.
    pub(crate) fn new(instance: Instance) -> Self {
        Self { guest: Mutex::new(Guarded { instance, is_unusable: false }), call: Mutex::default() }
    }

    /// The instance, in whatever state it is, for this caller alone.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Guarded>, Failure> {
        self.guest.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::new(
                Status::Busy,
                "the instance is in use: by another thread, or by the run whose host call is being served",
            ),
            TryLockError::Poisoned(_) => {
                Failure::new(Status::Unusable, "an internal error broke the instance: free it and make another")
            }
        })
    }

    /// The instance in a known state.
    pub(crate) fn lock_usable(&self) -> Result<MutexGuard<'_, Guarded>, Failure> {
        let guest = self.lock()?;
        if guest.is_unusable {
            let message = "an earlier call failed and left the instance in an unspecified state: reset it, or free it";
            return Err(Failure::new(Status::Unusable, message));
        }
        Ok(guest)
    }

    /// Lends `memory` to the handle while `work` serves a host call. `work` does not unwind.
    pub(crate) fn during_call<R>(&self, memory: &mut GuestMemory, work: impl FnOnce() -> R) -> R {
        let call = || self.call.lock().unwrap_or_else(PoisonError::into_inner);
        *call() = Some(CallMemory(memory.into()));
        let result = work();
        *call() = None;
        result
    }

    /// Does `work` on the memory that there is now.
    fn with<R>(&self, work: impl FnOnce(&mut GuestMemory) -> R) -> Result<R, Failure> {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(CallMemory(memory)) = &mut *call {
            // SAFETY: `during_call` borrows the memory until it has taken this pointer back, for which it needs the lock.
            return Ok(work(unsafe { memory.as_mut() }));
        }
        drop(call);
        Ok(work(self.lock_usable()?.instance.memory_mut()))
    }
}

fn access_number(access: Access) -> u32 {
    match access {
        Access::None => ACCESS_NONE,
        Access::Read => ACCESS_READ,
        Access::Write => ACCESS_WRITE,
    }
}

fn access(number: u32) -> Result<Access, Failure> {
    [Access::None, Access::Read, Access::Write]
        .into_iter()
        .find(|access| access_number(*access) == number)
        .ok_or_else(|| Failure::argument(format_args!("unknown access {number}: expected one of TVM_ACCESS_*, 0 to 2")))
}

fn check_pages(first: u32, count: u32) -> Result<(), Failure> {
    if u64::from(first) + u64::from(count) > u64::from(PAGES) {
        let message = format_args!("{count} pages from {first} on, expected them to end at {PAGES} or before");
        return Err(Failure::argument(message));
    }
    Ok(())
}

/// Reads guest memory.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_memory_read(
    memory: *const TvmMemory,
    address: u64,
    buffer: *mut u8,
    len: usize,
    accessible: *mut bool,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(accessible, "accessible")?;
            let buffer = bytes_mut(buffer, len, "buffer")?;
            let memory = shared(memory, "memory")?;
            out.set(memory.with(|memory| memory.read_into(address, buffer).is_ok())?);
            Ok(())
        })
    }
}

/// Writes guest memory.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_memory_write(
    memory: *mut TvmMemory,
    address: u64,
    data: *const u8,
    len: usize,
    accessible: *mut bool,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(accessible, "accessible")?;
            let data = bytes(data, len, "data")?;
            let memory = shared(memory, "memory")?;
            out.set(memory.with(|memory| memory.write(address, data).is_ok())?);
            Ok(())
        })
    }
}

/// Whether all bytes of a range allow an access.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_memory_allows(
    memory: *const TvmMemory,
    address: u64,
    len: u64,
    access_wanted: u32,
    accessible: *mut bool,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(accessible, "accessible")?;
            let wanted = access(access_wanted)?;
            out.set(shared(memory, "memory")?.with(|memory| match wanted {
                Access::None => true,
                Access::Read => memory.is_readable(address, len),
                Access::Write => memory.is_writable(address, len),
            })?);
            Ok(())
        })
    }
}

/// Which accesses a page allows.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_memory_page_access(
    memory: *const TvmMemory,
    page: u32,
    access: *mut u32,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(access, "access")?;
            check_pages(page, 1)?;
            out.set(shared(memory, "memory")?.with(|memory| access_number(memory.page_access(page)))?);
            Ok(())
        })
    }
}

/// Gives pages an access right; contents stay.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_memory_set_page_access(
    memory: *mut TvmMemory,
    first_page: u32,
    count: u32,
    access_right: u32,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let access = access(access_right)?;
            check_pages(first_page, count)?;
            let memory = shared(memory, "memory")?;
            memory.with(|memory| memory.set_access(first_page, count, access))?.map_err(tvm_runtime::Error::from)?;
            Ok(())
        })
    }
}

/// Zeroes pages, whatever their access rights.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_memory_zero_pages(
    memory: *mut TvmMemory,
    first_page: u32,
    count: u32,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            check_pages(first_page, count)?;
            let memory = shared(memory, "memory")?;
            memory.with(|memory| memory.zero_pages(first_page, count))?.map_err(tvm_runtime::Error::from)?;
            Ok(())
        })
    }
}
