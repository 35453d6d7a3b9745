//! Archives of `.bin` steps.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};

use crate::node::traces::Trace;

/// Largest window the Zstandard archives use, as a power of two; the decoder must be told above 2^27.
const ZSTD_WINDOW_LOG: u32 = 30;

/// Whether the file's name is that of an archive this module reads.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".tar.xz") || name.ends_with(".tar.zst")
}

/// Calls `each` for every directory of steps in the archive, in order of their names.
///
/// # Errors
/// When the archive cannot be read, or `each` fails.
pub fn read(path: &Path, each: &mut dyn FnMut(Trace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let steps = open(path).and_then(collect).with_context(|| format!("cannot read {}", path.display()))?;
    for (set, mut steps) in steps {
        steps.sort_by(|a, b| a.0.cmp(&b.0));
        each(Trace::from_contents(set, steps))?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    let file = BufReader::new(File::open(path)?);
    match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => Ok(Box::new(liblzma::bufread::XzDecoder::new(file))),
        Some("zst") => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Ok(Box::new(decoder))
        }
        _ => bail!("expected an archive named .tar.xz or .tar.zst, or a directory"),
    }
}

type Steps = BTreeMap<String, Vec<(String, Vec<u8>)>>;

fn collect(archive: Box<dyn Read>) -> anyhow::Result<Steps> {
    let mut steps = Steps::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|end| end != "bin") || stem == "genesis" {
            continue;
        }
        let set = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        steps.entry(set).or_default().push((stem, bytes));
    }
    Ok(steps)
}
