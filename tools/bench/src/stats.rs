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

    /// The value below which this share of the measurements lies.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
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

/// Nanoseconds in a fitting unit.
pub fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}
