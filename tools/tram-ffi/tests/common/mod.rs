//! The C compiler, and the libraries that cargo has built for these tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Warnings are errors: users compile the header with theirs.
const FLAGS: [&str; 6] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"];

/// This package's directory.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The C compiler, or nothing where there is none. Under CI there must be one.
pub fn compiler() -> Option<String> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(compiler);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no C compiler: install `{compiler}`, or set CC");
    eprintln!("skipped: there is no C compiler `{compiler}`; set CC to one");
    None
}

/// The directory of the libraries, which cargo puts beside the test's own binary.
pub fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("the test binary has a path");
    test.parent().expect("it lies in a directory").to_owned()
}

/// A command of the compiler, with the header found.
pub fn command(compiler: &str) -> Command {
    let mut command = Command::new(compiler);
    command.args(FLAGS).arg("-I").arg(package().join("include")).arg("-I").arg(package().join("tests/c"));
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// Shows what a command said unless it succeeded.
pub fn expect_success(what: &str, output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
}
