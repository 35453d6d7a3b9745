//! Processor time: what a thread or process computed for, without the time in which others had its core.

use std::time::Duration;

use nix::time::ClockId;

/// A clock that runs while a thread or a process does.
#[derive(Clone, Copy, Debug)]
pub struct CpuClock(ClockId);

impl CpuClock {
    /// That of the calling thread.
    pub const THIS_THREAD: Self = Self(ClockId::CLOCK_THREAD_CPUTIME_ID);

    /// That of another process.
    #[cfg(feature = "peers")]
    pub fn of_process(pid: u32) -> anyhow::Result<Self> {
        Ok(Self(nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(i32::try_from(pid)?))?))
    }

    /// What the clock shows.
    pub fn now(self) -> anyhow::Result<Duration> {
        Ok(self.0.now()?.into())
    }

    /// What the clock shows more than it did at `start`.
    pub fn since(self, start: Duration) -> anyhow::Result<Duration> {
        Ok(self.now()?.saturating_sub(start))
    }
}
