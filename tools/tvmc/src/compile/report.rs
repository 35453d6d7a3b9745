//! What `tvmc compile` says.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::args::ProgramArgs;
use crate::failure::{Failure, Status};
use crate::output::Report;
use crate::quantity::{counted, duration, grouped, hex, nanos};
use crate::table::{Align, Table};

use super::job::{Compiled, Destination, Found, Job};

/// What became of one input.
#[derive(Debug)]
pub struct Row {
    /// The input.
    pub path: PathBuf,
    /// The object, or why there is none.
    pub result: Result<Compiled, Failure>,
    /// Time from opening the input to having stored the object.
    pub time: Duration,
}

/// What became of all inputs.
#[derive(Serialize, Debug)]
pub struct CompileReport {
    gp: &'static str,
    cpu_features: Vec<&'static str>,
    tier: &'static str,
    cache_dir: Option<PathBuf>,
    output: Option<PathBuf>,
    files: Vec<FileReport>,
    totals: Totals,
    #[serde(skip)]
    failures: Vec<Failure>,
}

/// One file, for programs.
#[derive(Serialize, Debug)]
struct FileReport {
    file: PathBuf,
    cache: &'static str,
    time_ns: u64,
    #[serde(flatten)]
    object: Option<ObjectReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
}

#[derive(Serialize, Debug)]
struct ObjectReport {
    container: &'static str,
    code_hash: String,
    key: Option<String>,
    code_bytes: u64,
    object_bytes: u64,
}

#[derive(Serialize, Debug)]
struct ErrorReport {
    kind: &'static str,
    messages: Vec<String>,
}

#[derive(Serialize, Default, Debug)]
struct Totals {
    files: u64,
    hits: u64,
    compiled: u64,
    failed: u64,
    code_bytes: u64,
    object_bytes: u64,
    time_ns: u64,
}

impl CompileReport {
    /// Puts the rows together. `time` is the time all of them took together.
    pub fn new(rows: Vec<Row>, time: Duration, job: &Job<'_>) -> Self {
        let &Job { program: ProgramArgs { gp, .. }, target, tier, destination } = job;
        let mut totals = Totals { files: rows.len() as u64, time_ns: nanos(time), ..Totals::default() };
        let (mut files, mut failures) = (Vec::with_capacity(rows.len()), Vec::new());
        for Row { path, result, time } in rows {
            totals.count(&result);
            let (cache, object, error) = match result {
                Ok(compiled) => (compiled.found.name(), Some(ObjectReport::new(&compiled)), None),
                Err(failure) => {
                    let error = ErrorReport { kind: failure.status().name(), messages: failure.messages() };
                    failures.push(failure);
                    ("failed", None, Some(error))
                }
            };
            files.push(FileReport { file: path, cache, time_ns: nanos(time), object, error });
        }
        let (cache_dir, output) = match destination {
            Destination::Cache(cache) => (Some(cache.path()), None),
            Destination::File(path) => (None, Some(path.clone())),
        };
        let cpu_features = target.features().names().collect();
        Self { gp: gp.name(), cpu_features, tier: tier.name(), cache_dir, output, files, totals, failures }
    }

    /// Why inputs have no objects.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter()
    }

    /// The gravest of the failures.
    pub fn status(&self) -> Status {
        self.failures.iter().map(Failure::status).max().unwrap_or(Status::Done)
    }
}

impl Totals {
    fn count(&mut self, result: &Result<Compiled, Failure>) {
        match result {
            Ok(compiled) => {
                let counter = if compiled.found == Found::Hit { &mut self.hits } else { &mut self.compiled };
                *counter += 1;
                self.code_bytes += compiled.program_bytes;
                self.object_bytes += compiled.object_bytes;
            }
            Err(_) => self.failed += 1,
        }
    }
}

impl ObjectReport {
    fn new(compiled: &Compiled) -> Self {
        let Compiled { program_bytes, container, code_hash, object_bytes, key, found: _ } = compiled;
        Self {
            container: container.name(),
            code_hash: hex(code_hash),
            key: key.map(|key| key.to_string()),
            code_bytes: *program_bytes,
            object_bytes: *object_bytes,
        }
    }
}

impl Found {
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Written => "written",
        }
    }
}

impl Report for CompileReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = [
            ("FILE", Align::Left),
            ("CODE", Align::Right),
            ("OBJECT", Align::Right),
            ("TIME", Align::Right),
            ("CACHE", Align::Left),
        ];
        let mut table = Table::new(columns);
        for FileReport { file, cache, time_ns, object, error: _ } in &self.files {
            let bytes =
                |of: fn(&ObjectReport) -> u64| object.as_ref().map_or("-".to_owned(), |object| grouped(of(object)));
            let time = duration(Duration::from_nanos(*time_ns));
            let cells = [bytes(|o| o.code_bytes), bytes(|o| o.object_bytes), time, (*cache).to_owned()];
            table.row([file.display().to_string()].into_iter().chain(cells));
        }
        table.write(out, 0)?;
        let Totals { files, hits, compiled, failed, code_bytes, object_bytes, time_ns } = &self.totals;
        let time = duration(Duration::from_nanos(*time_ns));
        let (code, object) = (grouped(*code_bytes), grouped(*object_bytes));
        let results = format!("{compiled} compiled, {hits} in the cache, {failed} failed");
        writeln!(
            out,
            "{}: {results}; {code} bytes of programs, {object} bytes of objects, {time}",
            counted(*files, "file")
        )?;
        match (&self.cache_dir, &self.output) {
            (Some(path), _) => writeln!(out, "cache: {}", path.display()),
            (None, Some(path)) => writeln!(out, "object: {}", path.display()),
            (None, None) => Ok(()),
        }
    }
}
