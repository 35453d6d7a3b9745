//! Where the public test vectors are.

use std::path::{Path, PathBuf};

/// Names the directory that holds the vectors.
pub const DIRECTORY_VARIABLE: &str = "TVM_VECTORS";

/// Where they are looked for without it, relative to the workspace.
const DEFAULT_DIRECTORY: &str = "../shared/vectors";

/// When this is `true`, missing vectors are a failure.
const CI_VARIABLE: &str = "CI";

/// The directory of all vectors, whether it exists or not.
#[must_use]
pub fn directory() -> PathBuf {
    match std::env::var_os(DIRECTORY_VARIABLE) {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DEFAULT_DIRECTORY),
    }
}

/// The vectors at `path` within the directory. Without them, `None`: a test has nothing to do then, and says so.
///
/// # Panics
/// When they are missing in continuous integration, where a test that does nothing must not pass.
#[must_use]
pub fn find(path: &str) -> Option<PathBuf> {
    let path = directory().join(path);
    if path.exists() {
        return Some(path);
    }
    let message = format!("no test vectors at {}: set {DIRECTORY_VARIABLE} to where they are", path.display());
    assert!(std::env::var_os(CI_VARIABLE).is_none_or(|value| value != "true"), "{message}");
    eprintln!("nothing tested: {message}");
    None
}
