//! Processor time: what a thread or process computed for, without the time in which others had its core.

use std::time::Duration;

use nix::time::ClockId;

/// A clock that runs while a thread or a process does.
#[derive(Clone, Debug)]
pub struct CpuClock {
    clock: ClockId,
    /// Another process has the clock; its status is read from here.
    #[cfg(feature = "peers")]
    status: Option<std::path::PathBuf>,
}

/// How long another process may take to come to rest.
#[cfg(feature = "peers")]
const PATIENCE: Duration = Duration::from_millis(100);

impl CpuClock {
    /// That of the calling thread.
    pub fn this_thread() -> Self {
        Self {
            clock: ClockId::CLOCK_THREAD_CPUTIME_ID,
            #[cfg(feature = "peers")]
            status: None,
        }
    }

    /// That of another process, which must be at rest whenever the clock is looked at.
    #[cfg(feature = "peers")]
    pub fn of_process(pid: u32) -> anyhow::Result<Self> {
        let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(i32::try_from(pid)?))?;
        Ok(Self { clock, status: Some(format!("/proc/{pid}/stat").into()) })
    }

    /// What the clock shows.
    pub fn now(&self) -> anyhow::Result<Duration> {
        #[cfg(feature = "peers")]
        if let Some(status) = &self.status {
            wait_for_rest(status)?;
        }
        Ok(self.clock.now()?.into())
    }

    /// What the clock shows more than it did at `start`.
    pub fn since(&self, start: Duration) -> anyhow::Result<Duration> {
        Ok(self.now()?.saturating_sub(start))
    }
}

/// Waits until a process sleeps. Linux brings another process's clock up to date at its next tick, and when it sleeps.
#[cfg(feature = "peers")]
fn wait_for_rest(status: &std::path::Path) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    loop {
        // The state comes behind the name, which is in parentheses.
        let text = std::fs::read_to_string(status)?;
        let state = text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state != Some('R') {
            return Ok(());
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "another process was to rest, and goes on running");
        std::thread::yield_now();
    }
}
