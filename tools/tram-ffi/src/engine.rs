//! Engines, and compiling for later.

use std::ffi::c_char;

use tvm_abi::CpuFeatures;
use tvm_runtime::{Backend, BackgroundLimits, Engine, EngineConfig, EngineStats, Origin, Tiers, Verification};

use crate::arguments::{Out, bytes, hash, path, shared};
use crate::module::{container, origin_number, refuse_inside_source};
use crate::status::{Failure, Status, TvmError, entry};
use crate::version::gp_version;

/// `TVM_BACKEND_COMPILED`: programs are compiled to machine code.
pub const BACKEND_COMPILED: u32 = 0;
/// `TVM_BACKEND_INTERPRETER`: programs are interpreted.
pub const BACKEND_INTERPRETER: u32 = 1;

/// `TVM_CPU_HOST`: all features that this machine has.
pub const CPU_HOST: u64 = 0;
/// `TVM_CPU_ONLY`: the features whose bits are set besides this one, and no others.
pub const CPU_ONLY: u64 = 1 << 63;

/// `TVM_TIERS_BACKGROUND`: fast code at once, best code from the background.
pub const TIERS_BACKGROUND: u32 = 0;
/// `TVM_TIERS_CACHED`: best code that is in the cache, else fast code.
pub const TIERS_CACHED: u32 = 1;
/// `TVM_TIERS_FAST`: fast code only.
pub const TIERS_FAST: u32 = 2;
/// `TVM_TIERS_BEST`: best code only.
pub const TIERS_BEST: u32 = 3;

/// `TVM_VERIFY_BEST`: best code is verified.
pub const VERIFY_BEST: u32 = 0;
/// `TVM_VERIFY_NEVER`: no code is.
pub const VERIFY_NEVER: u32 = 1;
/// `TVM_VERIFY_ALWAYS`: all code is.
pub const VERIFY_ALWAYS: u32 = 2;

/// What an engine is made with. All zero but for the size is a good choice.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TvmEngineConfig {
    /// The size of this structure: it may grow in a later version of the ABI.
    pub size: u32,
    /// One of the `BACKEND_*` constants.
    pub backend: u32,
    /// The cache directory, or null to compile anew in every process.
    pub cache_dir: *const c_char,
    /// [`CPU_HOST`], or [`CPU_ONLY`] with features.
    pub cpu: u64,
    /// One of the `TIERS_*` constants.
    pub tiers: u32,
    /// Most threads that compile in the background, or 0 for the usual number.
    pub background_threads: u32,
    /// One of the `VERIFY_*` constants.
    pub verification: u32,
}

/// Events since an engine was made, and what is going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct TvmEngineStats {
    /// Programs compiled on the fast tier.
    pub compiled_fast: u64,
    /// Programs compiled on the best tier.
    pub compiled_best: u64,
    /// Loaded programs whose fast code was replaced by best code.
    pub swapped: u64,
    /// Requests for best code that were dropped.
    pub dropped: u64,
    /// Jobs in the background that failed.
    pub failed: u64,
    /// Code that did not pass verification.
    pub refused: u64,
    /// Programs that wait.
    pub queued: u64,
    /// Programs that are being compiled in the background.
    pub running: u64,
}

/// An engine. All functions may be called on it from any number of threads at once.
#[derive(Debug)]
pub struct TvmEngine(pub(crate) Engine);

// C may share these between threads; that must not depend on an accident.
const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<TvmEngine>();
};

/// The runtime's configuration that the caller's stands for.
///
/// # Safety
/// `cache_dir` is null or a string ended by a zero.
unsafe fn configuration(config: &TvmEngineConfig) -> Result<EngineConfig, Failure> {
    let TvmEngineConfig { size, backend, cache_dir, cpu, tiers, background_threads, verification } = *config;
    let expected = size_of::<TvmEngineConfig>() as u32;
    if size != expected {
        return Err(Failure::argument(format_args!(
            "config.size is {size}, expected {expected}: set it to sizeof(tvm_engine_config), and use the header of this \
             library"
        )));
    }
    let backend = match backend {
        BACKEND_COMPILED => Backend::Compiled,
        BACKEND_INTERPRETER => Backend::Interpreter,
        _ => {
            let message = format_args!("config.backend is {backend}, expected one of TVM_BACKEND_*, 0 or 1");
            return Err(Failure::argument(message));
        }
    };
    let tiers = match tiers {
        TIERS_BACKGROUND => Tiers::Background,
        TIERS_CACHED => Tiers::Cached,
        TIERS_FAST => Tiers::Fast,
        TIERS_BEST => Tiers::Best,
        _ => {
            return Err(Failure::argument(format_args!(
                "config.tiers is {tiers}, expected one of TVM_TIERS_*, 0 to 3"
            )));
        }
    };
    let verification = match verification {
        VERIFY_BEST => Verification::Best,
        VERIFY_NEVER => Verification::Never,
        VERIFY_ALWAYS => Verification::Always,
        _ => {
            return Err(Failure::argument(format_args!(
                "config.verification is {verification}, expected one of TVM_VERIFY_*, 0 to 2"
            )));
        }
    };
    let usual = BackgroundLimits::default();
    let background = match background_threads {
        0 => usual,
        threads => BackgroundLimits { threads: threads as usize, ..usual },
    };
    let features = (cpu & CPU_ONLY != 0).then(|| CpuFeatures::from_bits(cpu & !CPU_ONLY)).flatten();
    if cpu != CPU_HOST && features.is_none() {
        return Err(Failure::argument(format_args!(
            "config.cpu is {cpu:#x}, expected TVM_CPU_HOST, or TVM_CPU_ONLY with features"
        )));
    }
    // SAFETY: passed on.
    let cache = unsafe { path(cache_dir, "config.cache_dir")? };
    Ok(EngineConfig { backend, cache, cpu: features, tiers, background, verification })
}

/// Makes an engine.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_new(
    config: *const TvmEngineConfig,
    engine: *mut *mut TvmEngine,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(engine, "engine")?;
            let config = configuration(shared(config, "config")?)?;
            out.set(Box::into_raw(Box::new(TvmEngine(Engine::new(config)?))));
            Ok(())
        })
    }
}

/// Frees an engine. What was made with it stays valid.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_free(engine: *mut TvmEngine, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for an engine that nobody uses any more.
    unsafe {
        entry(error, || {
            if !engine.is_null() {
                shared(engine, "engine")?;
                drop(Box::from_raw(engine));
            }
            Ok(())
        })
    }
}

/// Forgets the modules that no handle or instance uses.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_unload_idle(engine: *const TvmEngine, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            shared(engine, "engine")?.0.unload_idle();
            Ok(())
        })
    }
}

/// Says what was compiled, and what is being compiled.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_get_stats(
    engine: *const TvmEngine,
    stats: *mut TvmEngineStats,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(stats, "stats")?;
            let EngineStats {
                compiled_fast, compiled_best, swapped, dropped, failed, refused, queued, running, ..
            } = shared(engine, "engine")?.0.stats();
            out.set(TvmEngineStats {
                compiled_fast,
                compiled_best,
                swapped,
                dropped,
                failed,
                refused,
                queued,
                running,
            });
            Ok(())
        })
    }
}

/// Holds compiling in the background back, or lets it go on.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_hold_background(
    engine: *const TvmEngine,
    hold: bool,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            shared(engine, "engine")?.0.hold_background(hold);
            Ok(())
        })
    }
}

/// Waits until nothing is compiled in the background.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_wait_for_background(engine: *const TvmEngine, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            shared(engine, "engine")?.0.wait_for_background();
            Ok(())
        })
    }
}

/// Compiles a program into the engine's cache, unless it is there, without loading it.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_engine_prewarm(
    engine: *const TvmEngine,
    gp_version_number: u32,
    container_number: u32,
    code_hash: *const u8,
    code: *const u8,
    code_len: usize,
    origin: *mut u32,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(origin, "origin")?;
            let engine = &shared(engine, "engine")?.0;
            let version = gp_version(gp_version_number)?;
            let container = container(container_number)?;
            let code = bytes(code, code_len, "code")?;
            let code_hash = hash(code_hash, "code_hash")?.unwrap_or_else(|| tvm_cache::hash(code));
            refuse_inside_source()?;
            out.set(origin_number(prewarm(engine, version, container, code_hash, code)?));
            Ok(())
        })
    }
}

fn prewarm(
    engine: &Engine,
    version: tvm_isa::GpVersion,
    container: tvm_isa::Container,
    code_hash: [u8; 32],
    code: &[u8],
) -> Result<Origin, Failure> {
    // A usage error of the C caller, and not one that the runtime would name.
    if engine.cache().is_none() || engine.backend() != Backend::Compiled {
        let message = "this engine keeps no compiled programs: make one that compiles and has a cache_dir";
        return Err(Failure::argument(message));
    }
    Ok(engine.prewarm(version, container, code_hash, code)?)
}
