//! What is to be run, looked up.

use std::path::PathBuf;

use tvm_abi::Tier;
use tvm_isa::{Container, Gas, Pc};

use crate::args::{CacheDirArgs, EngineChoice, StartArgs};
use crate::failure::Failure;
use crate::program_file::{self, ProgramFile};

/// What the command line asks for.
#[derive(Debug)]
pub struct Request {
    /// The program.
    pub program: ProgramFile,
    /// Its BLAKE2b-256, which nodes know it by.
    pub code_hash: [u8; 32],
    /// Its argument bytes.
    pub arguments: Vec<u8>,
    /// The gas it starts with.
    pub gas: Gas,
    /// Where it starts.
    pub entry: Pc,
    /// How it is executed.
    pub engine: EngineChoice,
    /// The only tier whose code may run, if it is not left open.
    pub tier: Option<Tier>,
    /// Where its object is kept.
    pub cache: CacheChoice,
}

/// Whether to use a cache.
#[derive(Debug)]
pub enum CacheChoice {
    /// No.
    Off,
    /// This one; when it cannot be used, that is an error.
    Named(PathBuf),
    /// The usual one, if it can be used.
    Usual,
}

impl TryFrom<StartArgs> for Request {
    type Error = Failure;

    fn try_from(args: StartArgs) -> Result<Self, Failure> {
        let StartArgs { file, args, args_file, gas, entry, engine, tier, no_cache, program, cache } = args;
        if tier.is_some() && engine == EngineChoice::Interpreter {
            return Err(Failure::usage("--tier is for compiled code, and the interpreter runs none"));
        }
        let program = ProgramFile::read(&file, program)?;
        let has_arguments = args.is_some() || args_file.is_some();
        if has_arguments && program.container == Container::Raw {
            return Err(Failure::usage(format_args!(
                "{} is a bare program, which takes no arguments: only standard programs and JAM blobs do",
                file.display()
            )));
        }
        let arguments = match args_file {
            Some(path) => program_file::read(&path)?,
            None => args.unwrap_or_default(),
        };
        let cache = match (engine, cache) {
            _ if no_cache => CacheChoice::Off,
            (EngineChoice::Interpreter, _) => CacheChoice::Off,
            (EngineChoice::Compiled, CacheDirArgs { cache: Some(named) }) => CacheChoice::Named(named),
            (EngineChoice::Compiled, CacheDirArgs { cache: None }) => CacheChoice::Usual,
        };
        let code_hash = program.code_hash();
        Ok(Self { program, code_hash, arguments, gas: Gas(gas), entry, engine, tier, cache })
    }
}
