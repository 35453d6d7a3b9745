//! Compiling one program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tvm_abi::Tier;
use tvm_cache::{Cache, Outcome, Source};
use tvm_compiler::{CompileOptions, compile};

use crate::args::{ProgramArgs, Target};
use crate::failure::{Failure, writing};
use crate::program_file::{ProgramFile, malformed};

use super::files::Input;

/// Where objects go.
#[derive(Debug)]
pub enum Destination {
    /// Into a cache.
    Cache(Box<Cache>),
    /// Into a file.
    File(PathBuf),
}

/// What to do with every input.
#[derive(Debug)]
pub struct Job<'a> {
    /// How programs are read.
    pub program: ProgramArgs,
    /// What the code may use.
    pub target: Target,
    /// How much work goes into it.
    pub tier: Tier,
    /// Where objects go.
    pub destination: &'a Destination,
}

/// Whether an object was there already.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// In the cache.
    Hit,
    /// Compiled now, and in the cache.
    Miss,
    /// Compiled now, into a file.
    Written,
}

/// A program that was compiled.
#[derive(Debug)]
pub struct Compiled {
    /// Bytes of the program, container included.
    pub program_bytes: u64,
    /// The container it was in.
    pub container: tvm_isa::Container,
    /// Its BLAKE2b-256.
    pub code_hash: [u8; 32],
    /// Bytes of the object.
    pub object_bytes: u64,
    /// The object's key in the cache.
    pub key: Option<tvm_cache::Key>,
    /// Whether it was there already.
    pub found: Found,
}

impl Job<'_> {
    /// Compiles one input, unless the cache has it.
    pub fn run(&self, input: &Input) -> Result<Compiled, Failure> {
        let file = ProgramFile::read(input.path(), self.program)?;
        let code_hash = file.code_hash();
        let (found, object_bytes, key) = match self.destination {
            Destination::Cache(cache) => self.store_in(cache, &file, code_hash)?,
            Destination::File(path) => {
                let object = self.compile(&file, code_hash)?;
                writing(replace(path, &object), path)?;
                (Found::Written, object.len() as u64, None)
            }
        };
        let program_bytes = file.bytes.len() as u64;
        Ok(Compiled { program_bytes, container: file.container, code_hash, object_bytes, key, found })
    }

    fn store_in(
        &self,
        cache: &Cache,
        file: &ProgramFile,
        code_hash: [u8; 32],
    ) -> Result<(Found, u64, Option<tvm_cache::Key>), Failure> {
        let parts = tvm_runtime::object_key(file.gp, file.container, code_hash, self.target.features(), self.tier);
        let (source, outcome) = cache.get_or_publish(&parts, || self.compile(file, code_hash))?;
        let hit = match source {
            Source::Cached(hit) => hit,
            // The object is good, but it was to be stored.
            Source::Fresh(_, why) => {
                let what = format!("the object of {} was not stored", file.path.display());
                return Err(Failure::machine(why).about(what));
            }
        };
        // If that fails, loading takes longer after a restart; the object is stored all the same.
        let _ = cache.sync(&parts);
        let found = if outcome == Outcome::Hit { Found::Hit } else { Found::Miss };
        Ok((found, hit.object_len, Some(parts.key())))
    }

    fn compile(&self, file: &ProgramFile, code_hash: [u8; 32]) -> Result<Vec<u8>, Failure> {
        let options = CompileOptions {
            version: file.gp,
            container: file.container,
            cpu: self.target.features(),
            tier: self.tier,
        };
        let failed = |error: anyhow::Error| {
            Failure::machine(error).about(format_args!("{} was not compiled", file.path.display()))
        };
        let object = compile(&file.bytes, code_hash, options)
            .map_err(|error| if error.is_malformed() { malformed(&file.path, error) } else { failed(error.into()) })?;
        // Nobody waits here: what others will run without looking at it is looked at, whatever the tier.
        tvm_loader::verify(&object).map_err(|error| failed(error.into()))?;
        Ok(object)
    }
}

/// Puts `bytes` under the name `path`, at once and whole: who has the old file open keeps it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".tmp-{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let result = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // It may not even have been made.
        let _gone = fs::remove_file(&temporary);
    }
    result
}
