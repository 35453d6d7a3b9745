//! Who compiled an object.

/// A hash of the sources of everything that decides what the compiler emits, made by the build script. It is part of
/// every cache key, so that code of another compiler is never run.
pub const COMPILER_IDENTITY: [u8; 32] = *include_bytes!(concat!(env!("OUT_DIR"), "/compiler_identity"));
