//! Tests that end their process, or change all of it, run in a child: the test binary itself, with one test selected.

use std::process::{Command, Output};

/// Names the case that a child is to run.
const CASE: &str = "TVM_TEST_CASE";

/// The case this process was started for, if it is a child.
pub(crate) fn case() -> Option<String> {
    std::env::var(CASE).ok()
}

/// Runs the test `module::test` of this binary (`module` as `module_path!` gives it) for `case` alone in a process.
pub(crate) fn run(module: &str, test: &str, case: &str) -> Output {
    let (_crate, module) = module.split_once("::").expect("a module below the crate");
    let binary = std::env::current_exe().expect("the test binary has a path");
    Command::new(binary)
        .args(["--exact", &format!("{module}::{test}"), "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .expect("the test binary starts")
}
