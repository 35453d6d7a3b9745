//! Where reports go: tables for people, one JSON document for programs.

use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use crate::args::OutputArgs;
use crate::failure::{Failure, Status};

/// What a command found out.
pub trait Report: Serialize {
    /// Writes the report for people. The [`Serialize`] implementation is the one for programs.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// The form of what is written to standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Tables and sentences.
    People,
    /// One JSON document.
    Json,
    /// Nothing.
    Nothing,
}

/// Standard output and standard error of a command.
#[derive(Debug)]
pub struct Output {
    form: Form,
    quiet: bool,
}

impl Output {
    /// The output that the command line asks for. A JSON document is written even when the rest is to be quiet.
    pub fn new(args: &OutputArgs) -> Self {
        let form = match (args.json, args.quiet) {
            (true, _) => Form::Json,
            (false, true) => Form::Nothing,
            (false, false) => Form::People,
        };
        Self { form, quiet: args.quiet }
    }

    /// Writes a report to standard output.
    pub fn show(&self, report: &impl Report) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match self.form {
            Form::People => report.write(&mut out),
            Form::Json => {
                serde_json::to_writer_pretty(&mut out, report).map_err(Into::into).and_then(|()| writeln!(out))
            }
            Form::Nothing => Ok(()),
        };
        written.and_then(|()| out.flush()).map_err(Failure::output)
    }

    /// Takes text that is written line by line while the command works.
    pub fn stream(&self) -> Stream {
        match self.form {
            Form::People => Stream::Written(BufWriter::new(io::stdout())),
            Form::Json => Stream::Kept(Vec::new()),
            Form::Nothing => Stream::Ignored,
        }
    }

    /// Writes text that has only one form, whatever was asked for.
    pub fn show_text(&self, text: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text).and_then(|()| out.flush()).map_err(Failure::output)
    }

    /// Says on standard error something that is worth knowing, but no failure.
    pub fn warn(&self, message: &str) {
        if !self.quiet {
            note(&format!("tvmc: {message}"));
        }
    }

    /// Whether to show how work is going: somebody is watching, and has not asked for quiet.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether the guest's log messages are to be shown.
    pub fn shows_log(&self) -> bool {
        !self.quiet
    }

    /// Reports a failure that ends the command, and gives it to programs as the document.
    pub fn fail(&self, failure: &Failure) -> Status {
        explain(failure);
        let messages = failure.messages();
        if self.form == Form::Json
            && let Some((message, causes)) = messages.split_first()
        {
            let kind = failure.status().name();
            let document = json!({ "error": { "kind": kind, "message": message, "causes": causes } });
            // A reader who is gone has the message on standard error.
            let _unread = writeln!(io::stdout(), "{document:#}");
        }
        failure.status()
    }
}

/// Text that comes line by line: people get it at once, programs as a part of the document.
#[derive(Debug)]
pub enum Stream {
    /// To standard output.
    Written(BufWriter<io::Stdout>),
    /// For the document.
    Kept(Vec<u8>),
    /// By nobody.
    Ignored,
}

impl Stream {
    /// Writes what is left, and gives the lines that the document is to have.
    pub fn finish(self) -> io::Result<Vec<String>> {
        match self {
            Self::Written(mut out) => out.flush().map(|()| Vec::new()),
            Self::Kept(text) => Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()),
            Self::Ignored => Ok(Vec::new()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Written(out) => out.write(bytes),
            Self::Kept(text) => text.write(bytes),
            Self::Ignored => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Written(out) => out.flush(),
            Self::Kept(_) | Self::Ignored => Ok(()),
        }
    }
}

/// Writes a failure and its causes to standard error.
pub fn explain(failure: &Failure) {
    for (index, message) in failure.messages().iter().enumerate() {
        let lead = if index == 0 { "tvmc" } else { "  caused by" };
        note(&format!("{lead}: {message}"));
    }
}

/// Writes a line to standard error. Where that cannot be written there is nobody to tell.
pub fn note(line: &str) {
    let _unread = writeln!(io::stderr(), "{line}");
}
