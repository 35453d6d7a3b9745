//! A program in the numbers of both versions, so that engines which take only one of them can be given the same.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tvm_isa::{GpVersion, Program, StandardProgram, split_metadata};

use super::renumber::Parts;

/// A service's code.
pub struct Subject {
    pub name: String,
    /// Bytes of code, without bitmask and jump table.
    pub code_bytes: usize,
    /// JAM blobs, by [`VERSIONS`].
    jam: [Vec<u8>; 2],
    pub(super) parts: [Parts; 2],
}

/// The versions whose numbers subjects are in.
const VERSIONS: [GpVersion; 2] = [GpVersion::V0_7_2, GpVersion::V0_8_0];

impl Subject {
    /// A subject with these parts and sizes of memory.
    pub(super) fn new(name: String, parts: [Parts; 2], memory: &StandardProgram<'_>) -> Self {
        let jam = parts.each_ref().map(|parts| {
            let blob = parts.blob();
            super::jam(&StandardProgram { program: &blob, ..*memory })
        });
        Self { name, code_bytes: parts[0].code.len(), jam, parts }
    }

    /// The program of a JAM blob. `None` when one of the versions does not accept it.
    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let bytes = std::fs::read(path)?;
        let standard = StandardProgram::parse(split_metadata(&bytes)?.1)?;
        let program = Program::parse(standard.program)?;
        let newer = path.to_string_lossy().contains(VERSIONS[1].name());
        let source = VERSIONS[usize::from(newer)];
        let [Some(old), Some(new)] = VERSIONS.map(|version| Parts::of(&program, source, version)) else {
            return Ok(None);
        };
        let accepted = |parts: &Parts, version: GpVersion| {
            Program::parse(&parts.blob()).is_ok_and(|program| program.validate(version.rules()).is_ok())
        };
        if !accepted(&old, VERSIONS[0]) || !accepted(&new, VERSIONS[1]) {
            return Ok(None);
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().chars().take(24).collect();
        Ok(Some(Self::new(name, [old, new], &standard)))
    }

    /// The JAM blobs in a folder that both versions accept, the largest first.
    pub fn read_all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jam"));
        paths.sort();
        let mut subjects = Vec::new();
        for path in paths {
            subjects.extend(Self::read(&path).with_context(|| path.display().to_string())?);
        }
        subjects.sort_by_key(|subject| std::cmp::Reverse(subject.code_bytes));
        Ok(subjects)
    }

    /// The JAM blob in the numbers of a version.
    pub fn jam(&self, version: GpVersion) -> &[u8] {
        &self.jam[usize::from(version == VERSIONS[1])]
    }
}
