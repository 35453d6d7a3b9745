//! Running a standard program with arguments (GP A.8, Ψ_M).

use tvm_isa::layout::ARGUMENTS_START;
use tvm_isa::{Container, Gas, Pc, split_metadata};

use super::InvocationEnd;
use crate::engine::Engine;
use crate::error::{Error, LoadError};
use crate::exit::GuestExit;
use crate::host_call::HostCalls;
use crate::instance::Instance;
use crate::jam::dispatch::{Dispatcher, Host};
use crate::jam::general::GrowingHeap;
use crate::jam::observer::{End, Observer, Phase, Start};
use crate::jam::types::{Bytes, Hash, ServiceId};
use crate::jam::version::JamRules;
use crate::module::Module;

/// Code to run.
pub(super) struct Program<'a> {
    pub engine: &'a Engine,
    pub rules: &'static JamRules,
    /// The service that has the code.
    pub service: ServiceId,
    /// Hash of the preimage.
    pub code_hash: Hash,
    /// The preimage: metadata, then the standard program.
    pub preimage: Bytes,
    pub entry: Pc,
    pub gas: Gas,
    pub arguments: Vec<u8>,
    /// The longest output that is wanted; see [`Output::TooLong`].
    pub max_output: u64,
}

/// What came of a run.
pub(super) struct Ended {
    /// GP: u.
    pub gas_used: Gas,
    pub end: InvocationEnd,
    /// Only after a halt.
    pub output: Output,
}

/// What a guest that halted points at with φ7 and φ8.
pub(super) enum Output {
    /// Bytes; none when what it points at is not readable.
    Bytes(Vec<u8>),
    /// More than anyone wants. It is not copied, as a guest may point at all of its memory.
    TooLong,
}

/// The octets of a code preimage after its metadata (GP 9.2, a_c). `None` when the metadata's length runs past the end: the
/// Gray Paper knows no code then.
pub(super) fn code_of(preimage: &[u8]) -> Option<&[u8]> {
    split_metadata(preimage).ok().map(|(_, code)| code)
}

/// Runs the program with the host that `host` makes, and gives the host back. A program that is malformed panics without
/// using gas, and its host is made for a heap that cannot grow.
pub(super) fn run<H: Host>(
    program: Program<'_>,
    host: impl FnOnce(GrowingHeap) -> H,
    mut observer: Option<&mut dyn Observer>,
) -> Result<(Ended, H), Error> {
    if let Some(observer) = &mut observer {
        observer.phase(Phase::Load);
    }
    let Program { engine, rules, preimage, code_hash, entry, .. } = &program;
    let code = || Ok(preimage.clone());
    let module = match engine.load(rules.version, Container::Jam, code_hash.0, code) {
        Ok(module) if module.may_start_at(*entry) => module,
        Ok(_) | Err(LoadError::Malformed(_)) => {
            let ended = Ended { gas_used: Gas(0), end: InvocationEnd::Panic, output: Output::Bytes(Vec::new()) };
            return Ok((ended, host(GrowingHeap::default())));
        }
        Err(LoadError::TooLarge(error)) => return Err(Error::Internal(error.to_string())),
        Err(LoadError::Machine(error)) => return Err(error),
    };
    let heap = module.layout().map(GrowingHeap::of).unwrap_or_default();
    let mut dispatcher = Dispatcher { rules, host: host(heap), observer };
    dispatcher.enter(Phase::Instantiate);
    let ended = run_module(&program, &module, &mut dispatcher)?;
    dispatcher.enter(Phase::Finish);
    Ok((ended, dispatcher.host))
}

fn run_module<H: Host>(
    program: &Program<'_>,
    module: &Module,
    dispatcher: &mut Dispatcher<'_, H>,
) -> Result<Ended, Error> {
    let Program { engine, service, code_hash, entry, gas, arguments, max_output, .. } = program;
    let mut instance = Instance::standard(engine, module, arguments)?;
    let state = instance.state_mut();
    (state.pc, state.gas) = (*entry, *gas);
    if let Some(observer) = &mut dispatcher.observer {
        observer.start(&Start {
            service: *service,
            code_hash: *code_hash,
            arguments,
            arguments_start: ARGUMENTS_START.0.into(),
            state: instance.state(),
        });
    }
    dispatcher.enter(Phase::Guest);
    let calls: &mut dyn HostCalls = dispatcher;
    let exit = instance.run(calls)?;
    dispatcher.enter(Phase::Release);
    if let Some(observer) = &mut dispatcher.observer {
        observer.end(&End { exit, state: instance.state() });
    }
    let end = match exit {
        GuestExit::Halt => InvocationEnd::Halt,
        GuestExit::OutOfGas => InvocationEnd::OutOfGas,
        GuestExit::Panic | GuestExit::PageFault(_) => InvocationEnd::Panic,
        GuestExit::HostCall(id) => return Err(Error::Internal(format!("host call {id} was left unserved"))),
    };
    let gas_used = Gas(gas.0.saturating_sub(instance.state().gas.0));
    let output = if end == InvocationEnd::Halt { output(&instance, *max_output) } else { Output::Bytes(Vec::new()) };
    Ok(Ended { gas_used, end, output })
}

fn output(instance: &Instance, max_output: u64) -> Output {
    let [start, len] = [7, 8].map(|reg| instance.state().regs[reg]);
    let memory = instance.memory();
    if !memory.is_readable(start, len) {
        return Output::Bytes(Vec::new());
    }
    if len > max_output {
        return Output::TooLong;
    }
    Output::Bytes(memory.read(start, len).unwrap_or_default())
}
