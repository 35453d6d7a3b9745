//! The engines that TVM is measured beside.
//!
//! * [`polkavm`]: the `polkavm` crate, in its two sandboxes and interpreted;
//! * [`wasmtime`]: Cranelift, with and without fuel;
//! * [`native`]: the machine itself;
//! * [`polkavm_start`], [`wasmtime_start`]: what they need before a guest runs, and what calls cost;
//! * [`wasm`]: wasm modules made for that;
//! * [`sources`]: builds the same C sources for the last two.

pub mod native;
pub mod polkavm;
mod polkavm_start;
pub mod sources;
mod wasm;
pub mod wasmtime;
mod wasmtime_start;

use std::path::Path;
use std::rc::Rc;

use crate::goals::Figure;
use crate::programs::Pool;
use crate::runner::{Contender, Entry};
use crate::start::Calls;
use crate::start::warm::Loader;
use native::Native;
use polkavm::{Costs, Polkavm, Sandbox};
use sources::{Cpu, Sources};
use wasmtime::Wasmtime;
pub use wasmtime_start::in_new_process;

/// The peers whose calls are timed, the one first that the goals speak of.
pub fn calls(guests: &Path, build: &Path, pool: &Pool) -> anyhow::Result<Vec<Box<dyn Calls>>> {
    let sources = Sources::new(guests, build)?;
    let mut all: Vec<Box<dyn Calls>> = Vec::new();
    for kept in [false, true] {
        all.push(Box::new(wasmtime_start::calls(&sources, kept)?));
    }
    for sandbox in [Sandbox::InProcess, Sandbox::Process] {
        all.push(Box::new(polkavm_start::calls(sandbox, guests, pool)?));
    }
    Ok(all)
}

/// The peer that loads what it compiled before; `folder` is where it may keep files.
pub fn loader(folder: &Path) -> anyhow::Result<Box<dyn Loader>> {
    Ok(Box::new(wasmtime_start::loader(folder)?))
}

/// All peers that run guests, and what the native compiler is.
pub fn all(guests: &Path, build: &Path) -> anyhow::Result<(Vec<Entry>, String)> {
    let sources = Rc::new(Sources::new(guests, build)?);
    let compiler = sources.compiler().to_owned();
    let [process, in_process, interpreter] =
        [Sandbox::Process, Sandbox::InProcess, Sandbox::Interpreter].map(Polkavm::new);
    let (process, in_process) = (process?, in_process?);
    let mut peers = Vec::new();
    let mut add = |contender: Box<dyn Contender>, goal| peers.push(Entry { contender, goal });
    add(Box::new(process.metered(Some(Costs::Full))), Some(Figure::RunPolkavmProcess));
    add(Box::new(in_process.metered(Some(Costs::Full))), Some(Figure::RunPolkavmInProcess));
    add(Box::new(process.metered(None)), Some(Figure::RunPolkavmGasOff));
    add(Box::new(in_process.metered(None)), None);
    add(Box::new(Native::new(Cpu::Plain, Rc::clone(&sources))), Some(Figure::RunNative));
    add(Box::new(Native::new(Cpu::V3, Rc::clone(&sources))), None);
    add(Box::new(Wasmtime::new(true, Rc::clone(&sources))?), Some(Figure::RunWasmtime));
    add(Box::new(Wasmtime::new(false, sources)?), None);
    add(Box::new(interpreter?.metered(Some(Costs::Full))), None);
    Ok((peers, compiler))
}
