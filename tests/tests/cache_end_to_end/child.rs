//! Another process: this test binary again, with one test that only works for its parent.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::subject::Subject;
use tvm_tests::engines;

/// Set for the child: the cache directory.
pub const DIRECTORY_VARIABLE: &str = "TVM_TEST_CACHE_DIRECTORY";
/// Set for the child: how many engines it makes, one after the other.
pub const ROUNDS_VARIABLE: &str = "TVM_TEST_CACHE_ROUNDS";

/// Starts the lines that the child prints.
const MARK: &str = "loaded ";

/// The child's work: a new engine in each round loads and runs the small program, and says where its code came from.
#[test]
fn child_process() {
    let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) else { return };
    let rounds = std::env::var(ROUNDS_VARIABLE).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    for _ in 0..rounds {
        let engine = engines::cached(Path::new(&directory));
        let origin = Subject::small().run(&engine);
        let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is there");
        let is_code = |line: &&str| line.contains("r-xp") && (line.contains("memfd:") || line.ends_with(".o"));
        let place = match maps.lines().find(is_code) {
            Some(line) if line.contains("memfd:") => "memory",
            Some(_) => "a file",
            None => "nowhere",
        };
        println!("\n{MARK}{origin:?} from {place}");
    }
}

/// The command that runs the child, its program first.
pub fn command() -> [String; 4] {
    let program = std::env::current_exe().expect("the test's own path").display().to_string();
    [program, "--exact".to_owned(), "child::child_process".to_owned(), "--nocapture".to_owned()]
}

/// Starts a child that makes so many engines.
pub fn start(directory: &Path, rounds: usize) -> Child {
    let [program, arguments @ ..] = command();
    let mut command = Command::new(program);
    command.args(arguments).env(DIRECTORY_VARIABLE, directory).env(ROUNDS_VARIABLE, rounds.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child process")
}

/// Waits for the child; gives what it said of each round.
pub fn finish(child: Child) -> Vec<String> {
    let output = child.wait_with_output().expect("the child ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the child failed ({}):\n{text}\n{errors}", output.status);
    text.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect()
}

/// Both.
pub fn run(directory: &Path, rounds: usize) -> Vec<String> {
    finish(start(directory, rounds))
}
