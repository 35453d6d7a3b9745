//! The guests in `guests/`: programs with their inputs and the outputs that other implementations gave.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use tvm_isa::GpVersion;

/// An input of a guest and its output.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct GuestCase {
    /// What the case is called; `bench` is the longest.
    pub case: String,
    /// Argument bytes.
    #[serde(with = "hex")]
    pub args: Vec<u8>,
    /// Output bytes.
    #[serde(with = "hex")]
    pub output: Vec<u8>,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../guests")
}

/// All guests with an expected output, by name.
///
/// # Errors
/// When `guests/expected.json` cannot be read.
pub fn expected() -> anyhow::Result<BTreeMap<String, Vec<GuestCase>>> {
    Ok(serde_json::from_slice(&std::fs::read(directory().join("expected.json"))?)?)
}

/// A guest's JAM blob for a version.
///
/// # Errors
/// When there is none.
pub fn blob(version: GpVersion, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = directory().join("blobs").join(version.name()).join(format!("{name}.jam"));
    std::fs::read(&path).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))
}
