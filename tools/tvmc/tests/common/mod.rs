//! What the tests of the command line share: a directory of their own, and the command run in it.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A temporary directory with a cache that nobody else uses.
pub struct Dir {
    temp: tempfile::TempDir,
}

impl Dir {
    pub fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `tvmc` with these arguments, in this directory, with its own cache.
    pub fn tvmc<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(self.command(args))
    }

    pub fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tvmc"));
        command.args(args).current_dir(self.temp.path()).env("TVM_CACHE", self.path("cache")).stdin(Stdio::null());
        command
    }

    /// The files of the objects in the cache.
    pub fn cached_objects(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in fs::read_dir(self.path("cache/objects")).unwrap() {
            files.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
        }
        files
    }
}

/// A command that has ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code().expect("ended by itself"), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as the one JSON document it is.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}

/// A guest program of this repository.
pub fn guest(name: &str) -> String {
    guest_of("0.7.2", name)
}

/// A guest program of this repository for a Gray Paper version.
pub fn guest_of(gp: &str, name: &str) -> String {
    repository().join("guests/blobs").join(gp).join(format!("{name}.jam")).to_str().unwrap().to_owned()
}

/// What the guests give out: by guest, the cases with `args` and `output`.
pub fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(repository().join("guests/expected.json")).unwrap()).unwrap()
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A bare program: code with the positions where instructions start, and no jump table.
pub fn raw_program(code: &[u8], marked: &[usize]) -> Vec<u8> {
    assert!(code.len() < 128, "one byte of length");
    let mut blob = vec![0, 0, code.len() as u8];
    blob.extend_from_slice(code);
    let mut mask = vec![0; code.len().div_ceil(8)];
    marked.iter().for_each(|at| mask[at / 8] |= 1 << (at % 8));
    blob.extend(mask);
    blob
}
