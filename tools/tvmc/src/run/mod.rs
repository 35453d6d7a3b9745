//! `tvmc run`: one program, from file to outcome.

mod calls;
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tvm_isa::{Container, Gas, Pc};
use tvm_runtime::{Engine, EngineConfig, GuestExit, HostCalls, Instance, Module, StopAtHostCalls};

use crate::args::{CacheDirArgs, EngineChoice, RunArgs};
use crate::cache_place;
use crate::failure::{Failure, Outcome, Status, writing};
use crate::output::Output;
use crate::program_file::{self, ProgramFile};

use calls::CommandLineHost;
use report::RunReport;

/// What the command line asks for, looked up.
#[derive(Debug)]
struct Request {
    program: ProgramFile,
    arguments: Vec<u8>,
    gas: Gas,
    entry: Pc,
    stop_at_host_calls: bool,
    engine: EngineChoice,
    cache: CacheChoice,
    /// Where the output bytes go.
    output: Option<PathBuf>,
}

/// Whether to use a cache.
#[derive(Debug)]
enum CacheChoice {
    /// No.
    Off,
    /// This one; when it cannot be used, that is an error.
    Named(PathBuf),
    /// The usual one, if it can be used.
    Usual,
}

/// How long the parts of a run took.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Opening engine and cache.
    open: Duration,
    /// From the program's hash to a module: a cache lookup, or compiling and storing.
    load: Duration,
    /// Guest memory and arguments.
    set_up: Duration,
    /// The run itself, host calls included.
    run: Duration,
}

/// Runs the program that the command line names.
pub fn run(args: RunArgs, output: &Output) -> Outcome {
    let request = Request::try_from(args)?;
    let (engine, open) = timed(|| request.engine(output));
    let engine = engine?;
    let (module, load) = timed(|| request.load(&engine));
    let module = module?;
    if let Some(cache) = engine.cache()
        && cache.stat().publish_failures > 0
    {
        output.warn(&format!("the object could not be stored in {}; it was run all the same", cache.path().display()));
    }
    let (instance, set_up) = timed(|| request.instance(&engine, &module));
    let mut instance = instance?;
    let mut host = request.host(output);
    let (exit, run) = timed(|| instance.run(&mut *host));
    let report = RunReport::new(&request, &engine, &instance, exit?, Times { open, load, set_up, run });
    if let (Some(path), Some(bytes)) = (&request.output, report.output_bytes()) {
        writing(std::fs::write(path, bytes), path)?;
    }
    output.show(&report)?;
    Ok(if report.exit() == GuestExit::Halt { Status::Done } else { Status::Negative })
}

impl TryFrom<RunArgs> for Request {
    type Error = Failure;

    fn try_from(args: RunArgs) -> Result<Self, Failure> {
        let RunArgs { file, args, args_file, gas, entry, engine, stop_at_host_calls, output, no_cache, program, cache } =
            args;
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
        let cache = match cache {
            _ if no_cache => CacheChoice::Off,
            CacheDirArgs { cache: Some(named) } => CacheChoice::Named(named),
            CacheDirArgs { cache: None } => CacheChoice::Usual,
        };
        Ok(Self { program, arguments, gas: Gas(gas), entry, stop_at_host_calls, engine, cache, output })
    }
}

impl Request {
    /// An engine with the cache, or without it if the usual one cannot be used: running does not depend on it.
    fn engine(&self, output: &Output) -> Result<Engine, Failure> {
        let config = |cache| EngineConfig { backend: self.engine.into(), cache, cpu: None };
        let usual = match (&self.cache, self.engine) {
            (CacheChoice::Off, _) | (_, EngineChoice::Interpreter) => return Ok(Engine::new(config(None))?),
            (CacheChoice::Named(path), _) => return Ok(Engine::new(config(Some(path.clone())))?),
            (CacheChoice::Usual, _) => cache_place::directory(&CacheDirArgs { cache: None }),
        };
        let engine = usual.and_then(|path| Ok(Engine::new(config(Some(path)))?));
        engine.or_else(|failure| {
            output.warn(&format!("running without a cache: {}", failure.messages().join(": ")));
            Ok(Engine::new(config(None))?)
        })
    }

    fn load(&self, engine: &Engine) -> Result<Module, Failure> {
        let ProgramFile { path, bytes, container, gp } = &self.program;
        let hash = self.program.code_hash();
        let module = engine.load(*gp, *container, hash, || Ok(bytes));
        module.map_err(|error| {
            let failure = Failure::from(error);
            let verb = if failure.status() == Status::Malformed { "is malformed" } else { "was not loaded" };
            failure.about(format_args!("{} {verb}", path.display()))
        })
    }

    /// An instance that is ready to run.
    fn instance(&self, engine: &Engine, module: &Module) -> Result<Instance, Failure> {
        if !module.may_start_at(self.entry) {
            return Err(Failure::usage(format_args!(
                "--entry {}: no instruction starts there, which Gray Paper {} demands",
                self.entry, self.program.gp
            )));
        }
        let mut instance = match module.layout() {
            Some(_) => Instance::standard(engine, module, &self.arguments)?,
            None => Instance::bare(engine, module)?,
        };
        let state = instance.state_mut();
        (state.pc, state.gas) = (self.entry, self.gas);
        Ok(instance)
    }

    fn host(&self, output: &Output) -> Box<dyn HostCalls> {
        if self.stop_at_host_calls {
            Box::new(StopAtHostCalls)
        } else {
            Box::new(CommandLineHost::new(self.program.gp, output.shows_log()))
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}
