//! `tvmc cache`: looking after the cache.

mod listing;
mod remove;
mod upkeep;

use std::path::PathBuf;

use serde::Serialize;

use crate::args::{CacheArgs, CacheCommand};
use crate::cache_place;
use crate::failure::{Outcome, Status};
use crate::output::{Output, Report};

/// Does with the cache what the command line asks for.
pub fn cache(args: CacheArgs, output: &Output) -> Outcome {
    let CacheArgs { cache: place, command } = args;
    if let CacheCommand::Path = command {
        output.show(&PathReport { path: cache_place::directory(&place)? })?;
        return Ok(Status::Done);
    }
    let cache = cache_place::open_existing(&place)?;
    match command {
        CacheCommand::Ls => listing::ls(&cache, output),
        CacheCommand::Stat => listing::stat(&cache, output),
        CacheCommand::Verify(args) => upkeep::verify(&cache, args, output),
        CacheCommand::Gc(args) => upkeep::gc(&cache, args, output),
        CacheCommand::Rebuild => upkeep::rebuild(&cache, output),
        CacheCommand::Clear => remove::clear(&cache, output),
        CacheCommand::Rm(args) => remove::rm(&cache, &args, output),
        CacheCommand::Path => Ok(Status::Done),
    }
}

/// The cache directory, whether or not it exists.
#[derive(Serialize, Debug)]
struct PathReport {
    path: PathBuf,
}

impl Report for PathReport {
    fn write(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        writeln!(out, "{}", self.path.display())
    }
}
