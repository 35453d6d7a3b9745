//! Time, as far as eviction sees it: whole seconds, from a clock that tests can set.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct UnixSecs(pub u64);

impl UnixSecs {
    /// The time of the system's clock; 0 while that is set before 1970.
    #[must_use]
    #[inline]
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// Seconds from `earlier` to `self`; 0 if a clock was set back in between.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where last-use times come from. Trust never depends on it.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> UnixSecs;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixSecs {
        UnixSecs::now()
    }
}
