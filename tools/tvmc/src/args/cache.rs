//! `tvmc cache …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use super::CacheDirArgs;
use crate::quantity::{parse_age, parse_size};

/// `tvmc cache`.
#[derive(Args, Debug)]
pub struct CacheArgs {
    /// Where the cache is.
    #[command(flatten)]
    pub cache: CacheDirArgs,
    /// What to do with it.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What can be done with a cache.
#[derive(Subcommand, Debug)]
pub enum CacheCommand {
    /// List the objects, most recently used first.
    Ls,
    /// Count what is there.
    Stat,
    /// Read every file and compare its digest; ends with code 1 if one is bad.
    Verify(VerifyArgs),
    /// Remove what is too old, too much, or made by another compiler.
    ///
    /// Without options it only sweeps up what killed processes have left.
    Gc(GcArgs),
    /// Remove single objects.
    Rm(RmArgs),
    /// Print the cache directory.
    Path,
    /// Remove everything.
    Clear,
    /// Build the index anew from the files, after reading them all; bad files are moved to quarantine.
    Rebuild,
}

/// `tvmc cache verify`.
#[derive(Args, Clone, Copy, Debug)]
pub struct VerifyArgs {
    /// Move bad files to quarantine.
    #[arg(long)]
    pub repair: bool,
}

/// `tvmc cache gc`.
#[derive(Args, Clone, Copy, Debug)]
pub struct GcArgs {
    /// Keep at most this many bytes (K, M, G for powers of 1024), the most recently used objects.
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub max_bytes: Option<u64>,
    /// Remove objects that were not used for this long (s, m, h, d).
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub max_age: Option<Duration>,
    /// Remove objects of other builds of the compiler, which nothing will ask for.
    #[arg(long)]
    pub only_this_compiler: bool,
}

/// `tvmc cache rm`.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct RmArgs {
    /// Keys as `ls` shows them, or their first digits, if no other key starts with them.
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Remove all objects of the program in FILE.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub program: Vec<PathBuf>,
}
