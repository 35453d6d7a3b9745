//! The rule for inaccessible bytes (GP A.4), byte by byte.

/// What a page allows, each including the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rights {
    None,
    Read,
    Write,
}

/// What comes of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Done,
    Panic,
    /// At this page's first address.
    Fault(u32),
}

/// An access of `size` bytes at `address`: the first byte, in the order of the access, that does not allow it decides.
pub fn outcome(address: u32, size: u32, needs: Rights, rights: impl Fn(u32) -> Rights) -> Outcome {
    for at in 0..size {
        let byte = address.wrapping_add(at);
        if rights(byte >> 12) < needs {
            return if byte < 1 << 16 { Outcome::Panic } else { Outcome::Fault(byte & !0xfff) };
        }
    }
    Outcome::Done
}
