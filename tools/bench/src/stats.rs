//! Medians and spreads of repeated measurements.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::CpuClock;

/// Durations of one thing measured several times, in nanoseconds.
#[derive(Clone, Default, Serialize, Deserialize, Debug)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Takes this thread's processor time of `work`.
    pub fn time<T>(&mut self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let clock = CpuClock::this_thread();
        let start = clock.now()?;
        let result = work()?;
        self.push(clock.since(start)?);
        Ok(result)
    }

    /// Takes this thread's processor time of `count` repetitions of `work` together, for what is too short alone.
    pub fn time_many(&mut self, count: u32, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let clock = CpuClock::this_thread();
        let start = clock.now()?;
        (0..count).try_for_each(|_| work())?;
        self.0.push(clock.since(start)?.as_nanos() as f64 / f64::from(count));
        Ok(())
    }

    /// Takes this thread's processor time of `work`, which does something `count` times.
    pub fn time_shared<T>(&mut self, count: u64, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let clock = CpuClock::this_thread();
        let start = clock.now()?;
        let result = work()?;
        self.0.push(clock.since(start)?.as_nanos() as f64 / count as f64);
        Ok(result)
    }

    /// Adds the median of `count` laps, for things that need something done before each. They are too short for the
    /// processor's clock, which takes a system call to read.
    pub fn median_of(
        &mut self,
        count: u32,
        mut work: impl FnMut(&mut Lap<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut laps = Self::default();
        (0..count).try_for_each(|_| work(&mut Lap(&mut laps)))?;
        self.0.push(laps.median());
        Ok(())
    }

    /// Adds a measurement.
    pub fn push(&mut self, duration: Duration) {
        self.0.push(duration.as_nanos() as f64);
    }

    /// The value below which this share of the measurements lies, in nanoseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(&self.0, share)
    }

    /// The least, in nanoseconds.
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// How much longer these took than others measured in turns with them: the median of the rounds' ratios.
    pub fn ratio(&self, other: &Self) -> f64 {
        let pairs: Vec<f64> = self.0.iter().zip(&other.0).map(|(this, other)| this / other).collect();
        quantile(&pairs, 0.5)
    }

    /// The median in nanoseconds.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Median and spread, in a fitting unit.
    pub fn describe(&self) -> String {
        let (low, high) = (self.quantile(0.1), self.quantile(0.9));
        format!("{} ({} – {})", duration(self.median()), duration(low), duration(high))
    }
}

impl Extend<f64> for Samples {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, nanoseconds: T) {
        self.0.extend(nanoseconds);
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(nanoseconds: T) -> Self {
        Self(nanoseconds.into_iter().collect())
    }
}

/// Times what is to be timed of a repetition.
pub struct Lap<'a>(&'a mut Samples);

impl Lap<'_> {
    /// Takes the time of `work`.
    pub fn time<T>(&mut self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        let result = work()?;
        self.0.push(start.elapsed());
        Ok(result)
    }
}

/// The value below which this share of the values lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The geometric mean.
pub fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// Repeated measurements of a sequence of things, such as the blocks of a trace. The sum of the things' medians is what
/// all of them take when nothing gets in between, which on a machine with other work a whole run hardly ever sees.
#[derive(Clone, Default, Debug)]
pub struct Sequence(Vec<Samples>);

impl Sequence {
    /// Adds one measurement of each thing, always in the same order.
    pub fn push(&mut self, durations: impl IntoIterator<Item = Duration>) {
        for (index, duration) in durations.into_iter().enumerate() {
            if self.0.len() == index {
                self.0.push(Samples::default());
            }
            self.0[index].push(duration);
        }
    }

    /// The sum of the medians, in nanoseconds.
    pub fn sum(&self) -> f64 {
        self.0.iter().map(Samples::median).sum()
    }

    /// The mean of the medians, in nanoseconds.
    pub fn mean(&self) -> f64 {
        self.sum() / self.0.len() as f64
    }
}

/// Nanoseconds in a fitting unit.
pub fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}
