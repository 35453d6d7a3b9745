//! Which cache a command uses.

use std::path::PathBuf;

use tvm_cache::Cache;

use crate::args::CacheDirArgs;
use crate::failure::Failure;

/// The directory that the command line names, else the environment's, else the platform's.
pub fn directory(args: &CacheDirArgs) -> Result<PathBuf, Failure> {
    match &args.cache {
        Some(named) => Ok(named.clone()),
        None => Ok(tvm_cache::default_dir()?),
    }
}

/// Opens the cache, creating it if need be.
pub fn open(args: &CacheDirArgs) -> Result<Cache, Failure> {
    Ok(Cache::open(directory(args)?)?)
}

/// Opens a cache that must be there already: a mistyped name must not make a new one.
pub fn open_existing(args: &CacheDirArgs) -> Result<Cache, Failure> {
    let directory = directory(args)?;
    if !directory.try_exists().map_err(|error| Failure::unreadable(&directory, error))? {
        return Err(Failure::usage(format_args!(
            "there is no cache at {}: `tvmc compile` or `tvmc run` make one",
            directory.display()
        )));
    }
    Ok(Cache::open(directory)?)
}
