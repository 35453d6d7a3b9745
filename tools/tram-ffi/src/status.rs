//! Whether a call worked, and the door that every function goes through.

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::fmt::Display;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tvm_runtime::memory::InitialiseError;
use tvm_runtime::{Error, LoadError};

/// What a function returns. Everything but [`Status::Ok`] is a failure of the machine or its caller, and says nothing
/// about what a guest did; [`Status::Malformed`] alone says something about a guest: that its program is none.
///
/// Failures are negative, kinds of outcomes positive: a number is never both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Status {
    /// It worked.
    Ok = 0,
    /// The bytes are no program under the version's rules: the fault of whoever made them.
    Malformed = -1,
    /// The caller passed something impossible, such as a null pointer.
    InvalidArgument = -2,
    /// The handle is in use.
    Busy = -3,
    /// An earlier failure left the instance in an unspecified state.
    Unusable = -4,
    /// The operating system refused something.
    System = -5,
    /// The cache directory cannot be used, or could not store an object that was to be prewarmed.
    Cache = -6,
    /// This CPU lacks features that were asked for.
    Cpu = -7,
    /// The program exceeds a limit of the compiler; it can be interpreted.
    TooLarge = -8,
    /// A function of the caller reported a failure, or returned what it must not.
    HostFailed = -9,
    /// TVM contradicts itself.
    Internal = -10,
}

impl Status {
    /// Every status with its name in C.
    pub const NAMES: [(Self, &'static CStr); 11] = [
        (Self::Ok, c"TVM_OK"),
        (Self::Malformed, c"TVM_MALFORMED"),
        (Self::InvalidArgument, c"TVM_INVALID_ARGUMENT"),
        (Self::Busy, c"TVM_BUSY"),
        (Self::Unusable, c"TVM_UNUSABLE"),
        (Self::System, c"TVM_SYSTEM"),
        (Self::Cache, c"TVM_CACHE"),
        (Self::Cpu, c"TVM_CPU"),
        (Self::TooLarge, c"TVM_TOO_LARGE"),
        (Self::HostFailed, c"TVM_HOST_FAILED"),
        (Self::Internal, c"TVM_INTERNAL"),
    ];
}

/// Bytes of a message, with the zero that ends it.
pub const ERROR_BYTES: usize = 1024;

/// Why a call did not work, in words.
#[derive(Debug)]
#[repr(C)]
pub struct TvmError {
    /// UTF-8, ended by a zero; empty after success. Longer messages are cut between characters.
    pub message: [c_char; ERROR_BYTES],
}

/// A status other than [`Status::Ok`], and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn new(status: Status, message: impl Display) -> Self {
        Self { status, message: message.to_string() }
    }

    pub fn argument(message: impl Display) -> Self {
        Self::new(Status::InvalidArgument, message)
    }

    fn panicked(panic: Box<dyn Any + Send>) -> Self {
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(message), _) => (*message).to_owned(),
            (None, Some(message)) => message.clone(),
            (None, None) => "no message".to_owned(),
        };
        // Dropping what a panic carries could panic again.
        forget(panic);
        Self::new(Status::Internal, format_args!("internal error of TVM, please report it: panicked: {message}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::System(_) | Error::Memory(InitialiseError::System(_)) => Status::System,
            Error::Cache(_) | Error::NoCache | Error::NotStored(_) => Status::Cache,
            Error::Cpu { .. } => Status::Cpu,
            Error::ArgumentsTooLong { .. } => Status::InvalidArgument,
            Error::Host(_) => Status::HostFailed,
            // Also errors that are added later: none may be taken for anything about a guest.
            _ => Status::Internal,
        };
        Self::new(status, error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Malformed(malformed) => Self::new(Status::Malformed, malformed),
            LoadError::TooLarge(limit) => Self::new(Status::TooLarge, limit),
            LoadError::Machine(error) => error.into(),
        }
    }
}

/// Does `work` for the caller in C: turns its result into a status, a panic into [`Status::Internal`], and writes the
/// message to `error`.
///
/// # Safety
/// `error` is null or points to a [`TvmError`] that nobody else uses.
pub(crate) unsafe fn entry(error: *mut TvmError, work: impl FnOnce() -> Result<(), Failure>) -> Status {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Failure::panicked(panic)));
    let (status, message) = match &result {
        Ok(()) => (Status::Ok, ""),
        Err(Failure { status, message }) => (*status, message.as_str()),
    };
    if !error.is_null() {
        let message = &message.as_bytes()[..message.floor_char_boundary(ERROR_BYTES - 1)];
        // SAFETY: the caller vouches for the pointer; the message and its zero fit.
        unsafe {
            let out = (&raw mut (*error).message).cast::<u8>();
            out.copy_from_nonoverlapping(message.as_ptr(), message.len());
            out.add(message.len()).write(0);
        }
    }
    status
}

/// The name of a status, such as `TVM_MALFORMED`; for numbers that are none, `unknown status`.
#[unsafe(no_mangle)]
pub extern "C" fn tvm_status_name(status: i32) -> *const c_char {
    let name = Status::NAMES.iter().find(|(known, _)| *known as i32 == status).map(|(_, name)| *name);
    name.unwrap_or(c"unknown status").as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(work: impl FnOnce() -> Result<(), Failure>) -> (Status, String) {
        let mut error = TvmError { message: [0x55; ERROR_BYTES] };
        // SAFETY: the error is a local variable.
        let status = unsafe { entry(&raw mut error, work) };
        // SAFETY: `entry` wrote a zero.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
        (status, message.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_panic_stops_at_the_door() {
        let (status, message) = called(|| panic!("gone {}", "wrong"));
        assert_eq!(status, Status::Internal);
        assert_eq!(message, "internal error of TVM, please report it: panicked: gone wrong");
        assert_eq!(called(|| panic!("plain")).0, Status::Internal);
        assert!(called(|| std::panic::panic_any(7)).1.ends_with("no message"));
        // SAFETY: null is allowed.
        assert_eq!(unsafe { entry(std::ptr::null_mut(), || panic!("unheard")) }, Status::Internal);
    }

    #[test]
    fn a_panic_whose_payload_panics_stops_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        assert_eq!(called(|| std::panic::panic_any(Bomb)).0, Status::Internal);
    }

    #[test]
    fn messages_are_cut_between_characters_and_cleared_by_success() {
        assert_eq!(called(|| Ok(())), (Status::Ok, String::new()));
        for (text, kept) in [("x".repeat(1023), 1023), ("x".repeat(1024), 1023), ("é".repeat(600), 1022)] {
            let (status, message) = called(|| Err(Failure::new(Status::Busy, &text)));
            assert_eq!((status, message.as_str()), (Status::Busy, &text[..kept]));
        }
    }

    #[test]
    fn the_runtimes_errors_keep_their_kind() {
        let host = Error::Host("disk on fire".into());
        assert_eq!(Failure::from(host).status, Status::HostFailed);
        assert_eq!(Failure::from(Error::Internal(String::new())).status, Status::Internal);
        let too_long = Error::ArgumentsTooLong { found: 1, limit: 0 };
        assert_eq!(Failure::from(LoadError::from(too_long)).status, Status::InvalidArgument);
        let malformed = tvm_isa::Program::parse(&[1]).unwrap_err();
        assert_eq!(Failure::from(LoadError::Malformed(malformed.into())).status, Status::Malformed);
    }

    #[test]
    fn every_status_has_a_name() {
        for (status, name) in Status::NAMES {
            // SAFETY: the function returns constants.
            assert_eq!(unsafe { CStr::from_ptr(tvm_status_name(status as i32)) }, name);
        }
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(tvm_status_name(1)) }, c"unknown status");
    }
}
