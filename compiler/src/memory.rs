//! Where a compilation writes to.

/// Memory that is supplied from outside: the compiler writes machine code to where it will run.
pub trait Memory {
    /// At least `len` bytes, of any contents; the bytes given before are given up. `None` if there are none.
    ///
    /// A compilation asks for somewhat more than most programs need, and touches no more than it writes: pages that take memory
    /// only when they are written suit it best. The few programs for which that is too little are begun anew with more.
    fn of_len(&mut self, len: usize) -> Option<&mut [u8]>;
}

/// A vector that becomes an object.
#[derive(Default)]
pub(crate) struct Owned(pub Vec<u8>);

impl Memory for Owned {
    fn of_len(&mut self, len: usize) -> Option<&mut [u8]> {
        self.0 = vec![0; len];
        Some(&mut self.0)
    }
}
