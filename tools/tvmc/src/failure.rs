//! How a command ends, and the exit code that tells it.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use anyhow::{Context, Error, anyhow};
use tvm_cache::CacheError;
use tvm_compiler::CompileError;
use tvm_runtime::LoadError;

/// How a command ended, from best to worst; the discriminant is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Status {
    /// Everything went well; a program that was run halted.
    Done = 0,
    /// The command did its work, and the answer is no: a program ended otherwise, or the cache holds bad files.
    Negative = 1,
    /// The command line asks for something impossible, or names a file that cannot be read.
    Usage = 2,
    /// The bytes are no program, or no object.
    Malformed = 3,
    /// TVM or the system failed. Nothing about the program follows from it.
    Machine = 4,
}

/// The exit codes as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `run`: the program halted
  1  the answer is no: the program panicked, ran out of gas, faulted or stopped at a host call; bad files in the cache
  2  usage: impossible arguments, or a file that cannot be read
  3  malformed: the bytes are no program (or no object)
  4  TVM or the system failed, which says nothing about the program
`compile` ends with the largest of its files' codes.";

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

impl Status {
    /// The status in words, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Negative => "negative",
            Self::Usage => "usage",
            Self::Malformed => "malformed",
            Self::Machine => "machine",
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// Whoever read our output has seen enough, as in `tvmc … | head`. That is no error.
    ReaderGone,
    /// Everything else.
    Error {
        /// Whose fault it is.
        status: Status,
        /// What went wrong.
        error: Error,
    },
}

/// What every command gives back.
pub type Outcome = Result<Status, Failure>;

impl Failure {
    /// The command line asks for something impossible.
    pub fn usage(message: impl Display) -> Self {
        Self::Error { status: Status::Usage, error: anyhow!("{message}") }
    }

    /// The bytes are no program, or no object.
    pub fn malformed(error: impl Into<Error>) -> Self {
        Self::Error { status: Status::Malformed, error: error.into() }
    }

    /// TVM or the system failed.
    pub fn machine(error: impl Into<Error>) -> Self {
        Self::Error { status: Status::Machine, error: error.into() }
    }

    /// A named file cannot be read.
    pub fn unreadable(path: &std::path::Path, error: io::Error) -> Self {
        let error = Error::new(error).context(format!("{} cannot be read", path.display()));
        Self::Error { status: Status::Usage, error }
    }

    /// Standard output cannot be written.
    pub fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::machine(Error::new(error).context("the output cannot be written")),
        }
    }

    /// The same failure, said to be about `subject`.
    pub fn about(self, subject: impl Display) -> Self {
        match self {
            Self::ReaderGone => Self::ReaderGone,
            Self::Error { status, error } => Self::Error { status, error: error.context(subject.to_string()) },
        }
    }

    /// The exit code it leads to.
    pub fn status(&self) -> Status {
        match self {
            Self::ReaderGone => Status::Done,
            Self::Error { status, .. } => *status,
        }
    }

    /// The messages from the outermost to the cause. Causes that the message before quotes already are left out.
    pub fn messages(&self) -> Vec<String> {
        let Self::Error { error, .. } = self else { return Vec::new() };
        let mut messages: Vec<String> = Vec::new();
        for message in error.chain().map(ToString::to_string) {
            if messages.last().is_none_or(|last| !last.contains(&message)) {
                messages.push(message);
            }
        }
        messages
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::machine(error)
    }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        if error.is_malformed() { Self::malformed(error) } else { Self::machine(error) }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Malformed(error) => Self::malformed(error),
            LoadError::TooLarge(error) => Self::machine(error),
            LoadError::Machine(error) => error.into(),
        }
    }
}

impl From<tvm_runtime::Error> for Failure {
    fn from(error: tvm_runtime::Error) -> Self {
        use tvm_runtime::Error as E;
        let status = match error {
            E::Cpu { .. } | E::ArgumentsTooLong { .. } => Status::Usage,
            _ => Status::Machine,
        };
        Self::Error { status, error: error.into() }
    }
}

/// Says what a file of ours was for when it cannot be written.
pub fn writing<T>(result: io::Result<T>, path: &std::path::Path) -> Result<T, Failure> {
    result.with_context(|| format!("{} cannot be written", path.display())).map_err(Failure::machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_causes_are_not_repeated() {
        let cause = io::Error::other("disk on fire");
        let failure = Failure::machine(Error::new(cause).context("writing x failed: disk on fire").context("x"));
        assert_eq!(failure.messages(), ["x", "writing x failed: disk on fire"]);
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let gone = Failure::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!((gone.status(), gone.messages().len()), (Status::Done, 0));
        assert_eq!(Failure::output(io::ErrorKind::StorageFull.into()).status(), Status::Machine);
    }

    #[test]
    fn every_exit_code_is_documented() {
        for status in [Status::Done, Status::Negative, Status::Usage, Status::Malformed, Status::Machine] {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", status as u8)), "{}", status.name());
        }
    }
}
