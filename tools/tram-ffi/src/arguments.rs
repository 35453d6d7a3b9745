//! Pointers of the caller, checked as far as they can be.
//!
//! The functions here are unsafe for one reason: that a pointer which is neither null nor misaligned points to what it
//! should cannot be checked. The header states it for each parameter, and callers in this crate rely on that.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::NonNull;

use crate::status::Failure;

/// What `pointer` points to.
///
/// # Safety
/// If the pointer is neither null nor misaligned, it points to a `T` that lives through the call of the C function, and
/// that only shared references are made of meanwhile.
pub(crate) unsafe fn shared<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    check(pointer, name)?;
    // SAFETY: the caller vouches for what is not checked.
    Ok(unsafe { &*pointer })
}

/// The `len` bytes at `pointer`, which may be null if there are none.
///
/// # Safety
/// If that is possible, there are that many bytes, and nobody writes to them during the call of the C function.
pub(crate) unsafe fn bytes<'a>(pointer: *const u8, len: usize, name: &str) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check_range(pointer, len, name)?;
    // SAFETY: neither null nor wrapping; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// The `len` bytes at `pointer`, which may be null if there are none, to be written.
///
/// # Safety
/// If that is possible, there are that many bytes, and nobody else uses them during the call of the C function.
pub(crate) unsafe fn bytes_mut<'a>(pointer: *mut u8, len: usize, name: &str) -> Result<&'a mut [u8], Failure> {
    if len == 0 {
        return Ok(&mut []);
    }
    check_range(pointer, len, name)?;
    // SAFETY: neither null nor wrapping; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

/// A hash, if the pointer is not null.
///
/// # Safety
/// As for [`bytes`] with 32 bytes.
pub(crate) unsafe fn hash(pointer: *const u8, name: &str) -> Result<Option<[u8; 32]>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let bytes = unsafe { bytes(pointer, 32, name)? };
    Ok(bytes.try_into().ok())
}

/// A path, if the pointer is not null.
///
/// # Safety
/// If it is not null, the pointer points to bytes ended by a zero.
pub(crate) unsafe fn path(pointer: *const c_char, name: &str) -> Result<Option<PathBuf>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not null; the caller vouches for the rest.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    if bytes.is_empty() {
        return Err(Failure::argument(format_args!("{name} is empty: pass a path, or NULL for none")));
    }
    Ok(Some(OsStr::from_bytes(bytes).into()))
}

/// Where a result goes. It is checked before any work is done, and written once all of it has succeeded.
#[derive(Debug)]
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Checks the pointer.
    ///
    /// # Safety
    /// If the pointer is neither null nor misaligned, a `T` can be written there until the C function returns.
    pub unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        Ok(Self(check(pointer, name)?))
    }

    /// Writes the result.
    pub fn set(self, value: T) {
        // SAFETY: `new` was told that this is possible.
        unsafe { self.0.write(value) };
    }
}

fn check<T>(pointer: *const T, name: &str) -> Result<NonNull<T>, Failure> {
    let Some(found) = NonNull::new(pointer.cast_mut()) else {
        return Err(Failure::argument(format_args!("{name} is NULL")));
    };
    if !pointer.is_aligned() {
        let expected = align_of::<T>();
        return Err(Failure::argument(format_args!("{name} is {pointer:p}, expected a multiple of {expected}")));
    }
    Ok(found)
}

fn check_range(pointer: *const u8, len: usize, name: &str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(format_args!("{name} is NULL, but {len} bytes long")));
    }
    if len > isize::MAX as usize || pointer.addr().checked_add(len).is_none() {
        return Err(Failure::argument(format_args!("{name} of {len} bytes does not fit into the address space")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_at_their_limit() {
        let at = std::ptr::without_provenance::<u8>(4096);
        assert!(check_range(at, isize::MAX as usize, "bytes").is_ok());
        assert!(check_range(at, isize::MAX as usize + 1, "bytes").is_err());
        let high = std::ptr::without_provenance::<u8>(usize::MAX - 9);
        assert!(check_range(high, 9, "bytes").is_ok());
        assert!(check_range(high, 10, "bytes").is_err());
    }

    #[test]
    fn no_bytes_need_no_pointer() {
        // SAFETY: no bytes are used.
        unsafe {
            assert_eq!(bytes(std::ptr::null(), 0, "bytes").unwrap(), &[] as &[u8]);
            assert_eq!(bytes_mut(std::ptr::null_mut(), 0, "bytes").unwrap(), &[] as &[u8]);
            let failure = bytes(std::ptr::null(), 3, "code").unwrap_err();
            assert_eq!(failure.message, "code is NULL, but 3 bytes long");
        }
    }

    #[test]
    fn misaligned_pointers_are_refused() {
        let pointer = std::ptr::without_provenance_mut::<u64>(4097);
        // SAFETY: the pointer is misaligned, so that it is not used.
        let failure = unsafe { Out::new(pointer, "gas") }.unwrap_err();
        assert_eq!(failure.message, "gas is 0x1001, expected a multiple of 8");
    }
}
