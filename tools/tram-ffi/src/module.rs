//! Modules: programs that are ready to run.

use std::cell::Cell;
use std::ffi::c_void;

use tvm_isa::{Container, Pc};
use tvm_runtime::{HostError, Module, Origin, Tier};

use crate::arguments::{Out, bytes, hash, shared};
use crate::engine::TvmEngine;
use crate::status::{Failure, Status, TvmError, entry};
use crate::version::{gp_number, gp_version};

/// `TVM_ORIGIN_CACHE_HIT`: nothing was compiled.
pub const ORIGIN_CACHE_HIT: u32 = 1;
/// `TVM_ORIGIN_COMPILED`: compiled, and stored in the cache if there is one.
pub const ORIGIN_COMPILED: u32 = 2;
/// `TVM_ORIGIN_INTERPRETED`: interpreted.
pub const ORIGIN_INTERPRETED: u32 = 3;

/// `TVM_TIER_NONE`: no code, it is interpreted.
pub const TIER_NONE: u32 = 0;
/// `TVM_TIER_FAST`: fast code.
pub const TIER_FAST: u32 = 1;
/// `TVM_TIER_BEST`: best code.
pub const TIER_BEST: u32 = 2;

/// `TVM_CONTAINER_RAW`: a bare program blob (GP A.1).
pub const CONTAINER_RAW: u32 = 1;
/// `TVM_CONTAINER_STANDARD`: a standard program (GP A.7).
pub const CONTAINER_STANDARD: u32 = 2;
/// `TVM_CONTAINER_JAM`: a standard program behind metadata.
pub const CONTAINER_JAM: u32 = 3;

/// A module. All functions may be called on it from any number of threads at once.
#[derive(Debug)]
pub struct TvmModule(pub(crate) Module);

const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<TvmModule>();
};

/// Supplies a program when it has to be compiled. Returns 0, or another number when it cannot.
pub type TvmCodeSource = unsafe extern "C" fn(data: *mut c_void, code: *mut *const u8, code_len: *mut usize) -> i32;

pub(crate) fn origin_number(origin: Origin) -> u32 {
    match origin {
        Origin::CacheHit => ORIGIN_CACHE_HIT,
        Origin::Compiled => ORIGIN_COMPILED,
        Origin::Interpreted => ORIGIN_INTERPRETED,
    }
}

fn tier_number(tier: Option<Tier>) -> u32 {
    match tier {
        None => TIER_NONE,
        Some(Tier::Fast) => TIER_FAST,
        Some(Tier::Best) => TIER_BEST,
    }
}

fn container_number(container: Container) -> u32 {
    match container {
        Container::Raw => CONTAINER_RAW,
        Container::Standard => CONTAINER_STANDARD,
        Container::Jam => CONTAINER_JAM,
    }
}

/// The container that a number of the header stands for. Zero is none, so that a forgotten one is noticed.
pub(crate) fn container(number: u32) -> Result<Container, Failure> {
    let all = [Container::Raw, Container::Standard, Container::Jam];
    all.into_iter().find(|container| container_number(*container) == number).ok_or_else(|| {
        Failure::argument(format_args!("unknown container {number}: expected one of TVM_CONTAINER_*, 1 to 3"))
    })
}

thread_local! {
    /// Whether this thread is in a code source, and so has a program's turn to be loaded.
    static IN_SOURCE: Cell<bool> = const { Cell::new(false) };
}

/// Refuses to load within a code source: loading the same program would wait for itself.
pub(crate) fn refuse_inside_source() -> Result<(), Failure> {
    if IN_SOURCE.get() {
        return Err(Failure::new(Status::Busy, "programs cannot be loaded from within a tvm_code_source"));
    }
    Ok(())
}

/// Asks the caller for the program's bytes.
///
/// # Safety
/// The function does what the header asks of it, and the bytes stay until loading ends.
unsafe fn ask<'a>(source: TvmCodeSource, data: *mut c_void) -> Result<&'a [u8], HostError> {
    let (mut code, mut code_len) = (std::ptr::null(), 0);
    let before = IN_SOURCE.replace(true);
    // SAFETY: the caller vouches for the function; the pointers are to local variables.
    let result = unsafe { source(data, &raw mut code, &raw mut code_len) };
    IN_SOURCE.set(before);
    if result != 0 {
        return Err(format!("the code source returned {result}").into());
    }
    // SAFETY: the caller vouches for what the function supplied.
    unsafe { bytes(code, code_len, "the code source's *code") }.map_err(|failure| failure.message.into())
}

/// Loads a program from its bytes.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_module_load(
    engine: *const TvmEngine,
    gp_version_number: u32,
    container_number: u32,
    code_hash: *const u8,
    code: *const u8,
    code_len: usize,
    module: *mut *mut TvmModule,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(module, "module")?;
            let engine = &shared(engine, "engine")?.0;
            let code = bytes(code, code_len, "code")?;
            let code_hash = hash(code_hash, "code_hash")?.unwrap_or_else(|| tvm_cache::hash(code));
            let (version, container) = (gp_version(gp_version_number)?, container(container_number)?);
            refuse_inside_source()?;
            out.set(handle(engine.load(version, container, code_hash, || Ok(code))?));
            Ok(())
        })
    }
}

/// Loads a program by its hash, asking for its bytes only if it has to be compiled or interpreted.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_module_load_from(
    engine: *const TvmEngine,
    gp_version_number: u32,
    container_number: u32,
    code_hash: *const u8,
    source: Option<TvmCodeSource>,
    data: *mut c_void,
    module: *mut *mut TvmModule,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers and a function that does what it must.
    unsafe {
        entry(error, || {
            let out = Out::new(module, "module")?;
            let engine = &shared(engine, "engine")?.0;
            let source = source.ok_or_else(|| Failure::argument("source is NULL"))?;
            let code_hash = hash(code_hash, "code_hash")?.ok_or_else(|| Failure::argument("code_hash is NULL"))?;
            let (version, container) = (gp_version(gp_version_number)?, container(container_number)?);
            refuse_inside_source()?;
            out.set(handle(engine.load(version, container, code_hash, || ask(source, data))?));
            Ok(())
        })
    }
}

/// Makes a module that is interpreted and kept by nobody else.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_module_load_interpreted(
    engine: *const TvmEngine,
    gp_version_number: u32,
    container_number: u32,
    code: *const u8,
    code_len: usize,
    module: *mut *mut TvmModule,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(module, "module")?;
            let engine = &shared(engine, "engine")?.0;
            let code = bytes(code, code_len, "code")?;
            let (version, container) = (gp_version(gp_version_number)?, container(container_number)?);
            out.set(handle(engine.load_interpreted(version, container, code)?));
            Ok(())
        })
    }
}

fn handle(module: Module) -> *mut TvmModule {
    Box::into_raw(Box::new(TvmModule(module)))
}

/// Frees a module's handle. Instances of it stay valid.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_module_free(module: *mut TvmModule, error: *mut TvmError) -> Status {
    // SAFETY: the header asks the caller for a module's handle that nobody uses any more.
    unsafe {
        entry(error, || {
            if !module.is_null() {
                shared(module, "module")?;
                drop(Box::from_raw(module));
            }
            Ok(())
        })
    }
}

/// What a module is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct TvmModuleInfo {
    /// Gray Paper version, as `TVM_GP_*`.
    pub gp_version: u32,
    /// One of `TVM_CONTAINER_*`.
    pub container: u32,
    /// Where it came from when it was loaded into this process: one of the `ORIGIN_*` constants.
    pub origin: u32,
    /// Bytes of code.
    pub code_len: u32,
    /// The tier of its machine code: one of the `TIER_*` constants.
    pub tier: u32,
}

/// Describes a module.
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_module_describe(
    module: *const TvmModule,
    info: *mut TvmModuleInfo,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(info, "info")?;
            let module = &shared(module, "module")?.0;
            out.set(TvmModuleInfo {
                gp_version: gp_number(module.rules().version),
                container: container_number(module.container()),
                origin: origin_number(module.origin()),
                code_len: module.program().code_len(),
                tier: tier_number(module.tier()),
            });
            Ok(())
        })
    }
}

/// Whether execution may begin at a program counter (GP 0.8.0, A.1).
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tvm_module_may_start_at(
    module: *const TvmModule,
    pc: u32,
    may_start: *mut bool,
    error: *mut TvmError,
) -> Status {
    // SAFETY: the header asks the caller for valid pointers.
    unsafe {
        entry(error, || {
            let out = Out::new(may_start, "may_start")?;
            out.set(shared(module, "module")?.0.may_start_at(Pc(pc)));
            Ok(())
        })
    }
}
