//! Choices by chance.

use fastrand::Rng;

/// Who draws.
pub trait Draw {
    /// What is drawn from.
    fn rng(&mut self) -> &mut Rng;

    /// One of a list.
    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.rng().usize(0..list.len())]
    }

    /// Whether it is one time in so many.
    fn one_in(&mut self, count: u8) -> bool {
        self.rng().u8(0..count) == 0
    }
}

impl Draw for Rng {
    fn rng(&mut self) -> &mut Rng {
        self
    }
}
