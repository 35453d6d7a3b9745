//! The `polkavm` crate: its recompiler in both sandboxes, and its interpreter.
//!
//! It is given the programs as `tests/crosscheck` gives them, where both engines were compared at every stop. Pinning of
//! threads is off: it would pin this thread, and with it everything else that is measured.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use polkavm::program::InstructionSetKind;
use polkavm::{
    BackendKind, CacheModel, Config, CorePinning, CostModelKind, GasMeteringKind, InterruptKind, Module, ModuleConfig,
    ProgramBlob, ProgramCounter, ProgramParts, RawInstance, SandboxKind,
};
use tvm_isa::layout::{HALT_ADDRESS, MAX_ARGUMENT_BYTES, pages};
use tvm_isa::{GuestAddr, StandardProgram, split_metadata};

use crate::clock::CpuClock;
use crate::guests::{Guest, PLENTY};
use crate::runner::{Contender, Runner};

/// Where the crate runs programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sandbox {
    /// A process of its own, watched over a second core.
    Process,
    /// This process.
    InProcess,
    /// Its interpreter.
    Interpreter,
}

/// How blocks are charged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Costs {
    /// One for each instruction, as the Gray Paper's 0.7.2.
    Naive,
    /// The pipeline of 0.8.0.
    Full,
}

/// The crate's engine. There is one for each sandbox: it keeps worker processes.
#[derive(Clone)]
pub struct Polkavm {
    engine: Rc<polkavm::Engine>,
    sandbox: Sandbox,
}

/// The engine with gas metering on or off.
pub struct Metered {
    name: String,
    engine: Polkavm,
    gas: Option<Costs>,
}

struct PolkavmRunner {
    instance: RawInstance,
    arguments: u64,
    metered: bool,
    clock: CpuClock,
}

/// The crate's errors can hold other things than errors do elsewhere; only their text is needed.
fn text(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("polkavm: {error}")
}

impl Polkavm {
    pub fn new(sandbox: Sandbox) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config.set_core_pinning(CorePinning::Disabled);
        // The sandbox in the process is not offered otherwise.
        config.set_allow_experimental(true);
        match sandbox {
            Sandbox::Process => config.set_sandbox(Some(SandboxKind::Linux)).set_backend(Some(BackendKind::Compiler)),
            Sandbox::InProcess => {
                config.set_sandbox(Some(SandboxKind::Generic)).set_backend(Some(BackendKind::Compiler))
            }
            Sandbox::Interpreter => config.set_backend(Some(BackendKind::Interpreter)),
        };
        Ok(Self { engine: Rc::new(polkavm::Engine::new(&config).map_err(text)?), sandbox })
    }

    /// This engine with synchronous gas, or without gas.
    pub fn metered(&self, gas: Option<Costs>) -> Metered {
        let sandbox = match self.sandbox {
            Sandbox::Process => "process",
            Sandbox::InProcess => "in-process",
            Sandbox::Interpreter => "interpreter",
        };
        let metering = if gas.is_some() { "sync" } else { "off" };
        Metered { name: format!("polkavm {sandbox}, {metering}"), engine: self.clone(), gas }
    }

    /// Compiles a program, or whatever the interpreter does at this point.
    ///
    /// `jam` is a service's code; its container is read here as well. There is room for `arguments` bytes of arguments,
    /// which costs time in each instance.
    pub fn compile(&self, jam: &[u8], gas: Option<Costs>, arguments: u64) -> anyhow::Result<Module> {
        let StandardProgram { ro, rw, heap_pages, stack_size, program } =
            StandardProgram::parse(split_metadata(jam)?.1)?;
        let mut parts = ProgramParts::empty(InstructionSetKind::JamV1);
        parts.ro_data_size = ro.len() as u32;
        // The heap's pages begin behind the page in which the data ends (GP A.7).
        parts.rw_data_size = pages(rw.len() as u64) as u32 + u32::from(heap_pages) * GuestAddr::PAGE_SIZE;
        parts.stack_size = stack_size;
        parts.ro_data = ro.to_vec().into();
        parts.rw_data = rw.to_vec().into();
        parts.code_and_jump_table = program.to_vec().into();
        let blob = ProgramBlob::from_parts(parts).map_err(text)?;
        let mut config = ModuleConfig::new();
        config.set_aux_data_size(arguments as u32);
        config.set_gas_metering(gas.map(|_| GasMeteringKind::Sync));
        // The Gray Paper's constant latency of loads is this crate's L2 hit. Nothing set means the naive model.
        config.set_cost_model((gas == Some(Costs::Full)).then_some(CostModelKind::Full(CacheModel::L2Hit)));
        Module::from_blob(&self.engine, &config, blob).map_err(text)
    }
}

/// A new instance with its arguments in place.
pub fn instantiate(module: &Module, arguments: &[u8]) -> anyhow::Result<RawInstance> {
    let mut instance = module.instantiate().map_err(text)?;
    place_arguments(&mut instance, arguments)?;
    Ok(instance)
}

/// Puts arguments in place.
pub fn place_arguments(instance: &mut RawInstance, arguments: &[u8]) -> anyhow::Result<()> {
    instance.set_accessible_aux_size(arguments.len() as u32).map_err(text)?;
    let address = instance.module().memory_map().aux_data_address();
    Ok(instance.write_memory(address, arguments)?)
}

/// Sets the registers and the program counter to where invocations begin.
pub fn start(instance: &mut RawInstance, arguments: u64) {
    use polkavm::Reg::{A0, A1, RA, SP};
    // With all the room for arguments that the Gray Paper allows, these are its addresses.
    let (stack, address) = (instance.module().default_sp(), instance.module().memory_map().aux_data_address());
    let values = [(RA, HALT_ADDRESS.into()), (SP, stack), (A0, address.into()), (A1, arguments)];
    for (register, value) in values {
        instance.set_reg(register, value);
    }
    instance.set_gas(PLENTY.0 as i64);
    instance.set_next_program_counter(ProgramCounter(0));
}

/// Runs to the next stop.
pub fn run(instance: &mut RawInstance) -> anyhow::Result<InterruptKind> {
    instance.run().map_err(text)
}

impl Contender for Metered {
    fn name(&self) -> &str {
        &self.name
    }

    fn interprets(&self) -> bool {
        self.engine.sandbox == Sandbox::Interpreter
    }

    fn set_up(&self, guest: &Guest) -> anyhow::Result<Box<dyn Runner>> {
        let module = self.engine.compile(&guest.blob, self.gas, MAX_ARGUMENT_BYTES)?;
        let instance = instantiate(&module, &guest.args)?;
        let clock = match (self.engine.sandbox, instance.pid()) {
            (Sandbox::Process, Some(worker)) => CpuClock::of_process(worker)?,
            (Sandbox::Process, None) => bail!("the sandbox has no process"),
            (Sandbox::InProcess | Sandbox::Interpreter, _) => CpuClock::this_thread(),
        };
        Ok(Box::new(PolkavmRunner {
            clock,
            instance,
            arguments: guest.args.len() as u64,
            metered: self.gas == Some(Costs::Full),
        }))
    }
}

impl Runner for PolkavmRunner {
    fn run(&mut self) -> anyhow::Result<Duration> {
        start(&mut self.instance, self.arguments);
        let begin = self.clock.now()?;
        let stop = run(&mut self.instance)?;
        let took = self.clock.since(begin)?;
        match stop {
            InterruptKind::Finished => Ok(took),
            other => bail!("expected a halt, found {other:?}"),
        }
    }

    fn output(&mut self) -> anyhow::Result<Vec<u8>> {
        use polkavm::Reg::{A0, A1};
        let (address, len) = (self.instance.reg(A0), self.instance.reg(A1));
        Ok(self.instance.read_memory(u32::try_from(address)?, u32::try_from(len)?)?)
    }

    fn gas(&self) -> Option<u64> {
        self.metered.then(|| PLENTY.0 - self.instance.gas() as u64)
    }
}
