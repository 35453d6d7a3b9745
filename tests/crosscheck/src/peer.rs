//! The polkavm crate's machines.

use anyhow::{Context, anyhow, ensure};
use polkavm::program::InstructionSetKind;
use polkavm::{
    BackendKind, CacheModel, Config, CostModelKind, Engine, GasMeteringKind, InterruptKind, MemoryProtection, Module,
    ModuleConfig, ProgramBlob, ProgramCounter, ProgramParts, RawInstance,
};
use tvm_isa::layout::{ARGUMENTS_START, HALT_ADDRESS, MAX_ARGUMENT_BYTES, STACK_TOP, pages};
use tvm_isa::{GuestAddr, Reg, StandardProgram, split_metadata};
use tvm_runtime::GuestExit;
use tvm_tests::differential::{Case, Pages};

use crate::machine::{Effect, Machine};
use crate::ours::Start;

/// The engine, which charges by the full gas model.
pub struct Peer {
    engine: Engine,
}

/// A machine of the polkavm crate.
pub struct PeerMachine(RawInstance);

impl Peer {
    /// An engine of one of the crate's two kinds.
    pub fn new(backend: BackendKind) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config.set_backend(Some(backend));
        // The recompiler needs userfaultfd for that, which systems withhold from unprivileged processes.
        config.set_allow_dynamic_paging(backend == BackendKind::Interpreter);
        // The Gray Paper's constant latency of loads is this crate's L2 hit.
        config.set_default_cost_model(Some(CostModelKind::Full(CacheModel::L2Hit)));
        Ok(Self { engine: Engine::new(&config).map_err(|error| anyhow!("polkavm: {error}"))? })
    }

    /// The program of a generated case. `Err` says why it is refused.
    pub fn module(&self, blob: &[u8]) -> Result<Module, String> {
        let mut parts = ProgramParts::empty(InstructionSetKind::JamV1);
        parts.code_and_jump_table = blob.to_vec().into();
        // Pages anywhere, and faults that say where.
        let mut config = ModuleConfig::new();
        config.set_dynamic_paging(true);
        self.load(parts, config)
    }

    /// A program about to start as the case says, with this gas.
    pub fn bare(&self, module: &Module, case: &Case, gas: u64) -> anyhow::Result<PeerMachine> {
        let mut machine = PeerMachine(module.instantiate().map_err(|error| anyhow!("polkavm: {error}"))?);
        for Pages { first, count, writable, contents } in &case.pages {
            let (start, len) = (first * GuestAddr::PAGE_SIZE, count * GuestAddr::PAGE_SIZE);
            machine.0.zero_memory_with_memory_protection(start, len, MemoryProtection::ReadWrite)?;
            machine.0.write_memory(start, contents)?;
            if !writable {
                machine.0.protect_memory(start, len)?;
            }
        }
        machine.start(case.entry, &case.regs, gas)?;
        Ok(machine)
    }

    /// A guest about to start.
    pub fn standard(&self, jam: &[u8], start: &Start) -> anyhow::Result<PeerMachine> {
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
        let mut config = ModuleConfig::new();
        config.set_aux_data_size(MAX_ARGUMENT_BYTES as u32);
        let module = self.load(parts, config).map_err(|error| anyhow!("polkavm: {error}"))?;

        let Start { entry, ref arguments, gas } = *start;
        let mut machine = PeerMachine(module.instantiate().map_err(|error| anyhow!("polkavm: {error}"))?);
        machine.0.set_accessible_aux_size(arguments.len() as u32).map_err(|error| anyhow!("polkavm: {error}"))?;
        machine.0.write_memory(ARGUMENTS_START.0, arguments)?;
        let mut regs = [0; Reg::COUNT];
        regs[0] = HALT_ADDRESS.into();
        regs[1] = STACK_TOP.0.into();
        regs[7] = ARGUMENTS_START.0.into();
        regs[8] = arguments.len() as u64;
        machine.start(entry, &regs, gas)?;
        Ok(machine)
    }

    fn load(&self, parts: ProgramParts, mut config: ModuleConfig) -> Result<Module, String> {
        config.set_gas_metering(Some(GasMeteringKind::Sync));
        let blob = ProgramBlob::from_parts(parts).map_err(|error| error.to_string())?;
        Module::from_blob(&self.engine, &config, blob).map_err(|error| error.to_string())
    }
}

impl PeerMachine {
    fn start(&mut self, entry: u32, regs: &[u64; Reg::COUNT], gas: u64) -> anyhow::Result<()> {
        for (index, &value) in regs.iter().enumerate() {
            self.0.set_reg(register(index), value);
        }
        self.0.set_gas(i64::try_from(gas).context("the polkavm crate counts gas in i64")?);
        self.0.set_next_program_counter(ProgramCounter(entry));
        Ok(())
    }
}

fn register(index: usize) -> polkavm::Reg {
    polkavm::Reg::ALL[index]
}

impl Machine for PeerMachine {
    fn run(&mut self) -> anyhow::Result<GuestExit> {
        Ok(match self.0.run().map_err(|error| anyhow!("polkavm: {error}"))? {
            InterruptKind::Finished => GuestExit::Halt,
            InterruptKind::Trap => GuestExit::Panic,
            InterruptKind::NotEnoughGas => GuestExit::OutOfGas,
            InterruptKind::Segfault(fault) => GuestExit::PageFault(GuestAddr(fault.page_address)),
            // The crate gives the immediate's low 32 bits, the Gray Paper all of it.
            InterruptKind::Ecalli(number) => GuestExit::HostCall(i64::from(number as i32) as u64),
            other => return Err(anyhow!("polkavm stopped with {other:?}, which was not asked for")),
        })
    }

    fn pc(&mut self) -> Option<u32> {
        self.0.program_counter().or(self.0.next_program_counter()).map(|pc| pc.0)
    }

    fn gas(&mut self) -> u64 {
        self.0.gas() as u64
    }

    fn regs(&mut self) -> [u64; Reg::COUNT] {
        std::array::from_fn(|index| self.0.reg(register(index)))
    }

    fn read(&mut self, address: u32, len: u32) -> anyhow::Result<Vec<u8>> {
        Ok(self.0.read_memory(address, len)?)
    }

    fn apply(&mut self, effect: &Effect) -> anyhow::Result<()> {
        match *effect {
            Effect::Register(index, value) => self.0.set_reg(register(index), value),
            Effect::Gas(gas) => self.0.set_gas(i64::try_from(gas)?),
            Effect::Write(address, ref bytes) => self.0.write_memory(address, bytes)?,
            Effect::Map { page, readable: true } => self.0.unprotect_memory(page, GuestAddr::PAGE_SIZE)?,
            Effect::Map { page, readable: false } => {
                let len = GuestAddr::PAGE_SIZE;
                self.0.zero_memory_with_memory_protection(page, len, MemoryProtection::ReadWrite)?;
            }
            Effect::GrowHeap { end, count } => {
                let grown = self.0.sbrk(count * GuestAddr::PAGE_SIZE).map_err(|error| anyhow!("polkavm: {error}"))?;
                let expected = (end + count) * GuestAddr::PAGE_SIZE;
                ensure!(grown == Some(expected), "polkavm's heap ends at {grown:x?}, expected {expected:#x}");
            }
        }
        Ok(())
    }
}
