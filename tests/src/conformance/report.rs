//! What came of running cases.

use std::fmt;

/// What differs between an expected and a found state, one line each. None: the case passed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Differences(Vec<String>);

/// A case that failed on an engine.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The case's name.
    pub case: String,
    /// The engine's name.
    pub engine: &'static str,
    /// What was expected and found.
    pub differences: Differences,
}

/// The outcome of a suite. Its text names every failure and closes with a line of the two numbers.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Cases that passed on all engines.
    pub passed: usize,
    /// Cases that failed on some engine.
    pub failed: usize,
    /// All failures, in the order of the cases.
    pub failures: Vec<Failure>,
}

impl Differences {
    /// What a failure of TVM itself looks like.
    #[must_use]
    pub fn error(error: &anyhow::Error) -> Self {
        Self(vec![format!("error: {error:#}")])
    }

    /// Notes a difference unless the values are equal.
    pub fn expect<T: PartialEq + fmt::Debug>(&mut self, what: impl fmt::Display, expected: T, found: T) {
        if expected != found {
            self.note(format_args!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    /// Notes a difference.
    pub fn note(&mut self, text: impl fmt::Display) {
        self.0.push(text.to_string());
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the differences of a part of the case, saying which part it is.
    pub fn extend(&mut self, part: impl fmt::Display, other: Self) {
        self.0.extend(other.0.into_iter().map(|line| format!("{part}: {line}")));
    }
}

impl Report {
    /// Counts a case that failed in these ways, or passed when there are none.
    pub(crate) fn add(&mut self, failures: Vec<Failure>) {
        if failures.is_empty() {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.failures.extend(failures);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Failure { case, engine, differences } in &self.failures {
            writeln!(f, "FAILED {case} ({engine})")?;
            for line in &differences.0 {
                writeln!(f, "    {line}")?;
            }
        }
        writeln!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}
