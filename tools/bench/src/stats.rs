//! Medians and spreads of repeated measurements.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Durations of one thing measured several times, in nanoseconds.
#[derive(Clone, Default, Serialize, Deserialize, Debug)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Times `work` once.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.push(start.elapsed());
        result
    }

    /// Times `count` repetitions of `work` together, for things too short to time alone.
    pub fn time_many(&mut self, count: u32, mut work: impl FnMut()) {
        let start = Instant::now();
        (0..count).for_each(|_| work());
        self.0.push(start.elapsed().as_nanos() as f64 / f64::from(count));
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
