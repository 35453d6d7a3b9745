//! A program that is ready to run, and how long that took.

use std::time::{Duration, Instant};

use tvm_runtime::{Engine, EngineConfig, GuestExit, HostCalls, Instance, Module, Origin, Tiers};

use crate::args::CacheDirArgs;
use crate::cache_place;
use crate::failure::{Failure, Status};
use crate::output::Output;

use super::request::{CacheChoice, Request};

/// A program that is ready to run.
#[derive(Debug)]
pub struct Prepared {
    /// What executes it.
    pub engine: Engine,
    /// Memory laid out, registers, gas and program counter set.
    pub instance: Instance,
    /// How long everything took so far.
    pub times: Times,
}

/// How long the parts of a run took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Opening engine and cache.
    pub open: Duration,
    /// From the program's hash to a module: a cache lookup, or compiling and storing.
    pub load: Duration,
    /// Guest memory and arguments.
    pub set_up: Duration,
    /// The run itself, host calls included.
    pub run: Duration,
}

impl Prepared {
    /// Opens the cache, loads the program and sets up its memory.
    pub fn new(request: &Request, output: &Output) -> Result<Self, Failure> {
        let (engine, open) = timed(|| open(request, output));
        let engine = engine?;
        let (module, load) = timed(|| load(request, &engine));
        let module = module?;
        if let Some(cache) = engine.cache()
            && module.origin() == Origin::Compiled
            && cache.stat().publish_failures > 0
        {
            output.warn(&format!("the object could not be stored in {}", cache.path().display()));
        }
        let (instance, set_up) = timed(|| set_up(request, &engine, &module));
        let instance = instance?;
        Ok(Self { engine, instance, times: Times { open, load, set_up, run: Duration::ZERO } })
    }

    /// Runs until an exit.
    pub fn run(&mut self, host: &mut dyn HostCalls) -> Result<GuestExit, Failure> {
        let (exit, run) = timed(|| self.instance.run(host));
        self.times.run = run;
        Ok(exit?)
    }
}

/// An engine with the cache, or without it if the usual one cannot be used: running does not depend on it.
fn open(request: &Request, output: &Output) -> Result<Engine, Failure> {
    let backend = request.engine.into();
    // Best code that is made in the background would come too late for the only run.
    let tiers = request.tier.map_or(Tiers::Cached, Tiers::from);
    let with = |cache| Ok(Engine::new(EngineConfig { backend, cache, tiers, ..EngineConfig::default() })?);
    match &request.cache {
        CacheChoice::Off => with(None),
        CacheChoice::Named(path) => with(Some(path.clone())),
        CacheChoice::Usual => {
            let usual = cache_place::directory(&CacheDirArgs { cache: None }).and_then(|path| with(Some(path)));
            usual.or_else(|failure: Failure| {
                output.warn(&format!("running without a cache: {}", failure.messages().join(": ")));
                with(None)
            })
        }
    }
}

fn load(request: &Request, engine: &Engine) -> Result<Module, Failure> {
    let program = &request.program;
    let module = engine.load(program.gp, program.container, request.code_hash, || Ok(&program.bytes));
    module.map_err(|error| {
        let failure = Failure::from(error);
        let verb = if failure.status() == Status::Malformed { "is malformed" } else { "was not loaded" };
        failure.about(format_args!("{} {verb}", program.path.display()))
    })
}

fn set_up(request: &Request, engine: &Engine, module: &Module) -> Result<Instance, Failure> {
    if !module.may_start_at(request.entry) {
        return Err(Failure::usage(format_args!(
            "--entry {}: no instruction starts there, which Gray Paper {} demands",
            request.entry, request.program.gp
        )));
    }
    let mut instance = match module.layout() {
        Some(_) => Instance::standard(engine, module, &request.arguments)?,
        None => Instance::bare(engine, module)?,
    };
    let state = instance.state_mut();
    (state.pc, state.gas) = (request.entry, request.gas);
    Ok(instance)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}
