//! Runs a JAM blob under the argument-invocation rules (Gray Paper A.8) in the `polkavm` crate's interpreter.

use crate::host::Host;
use crate::jam;
use polkavm::program::InstructionSetKind;
use polkavm::{
    BackendKind, Config, Engine, GasMeteringKind, InterruptKind, Module, ModuleConfig, ProgramBlob, ProgramCounter,
    ProgramParts, Reg,
};

/// Where the argument data lies (2^32 − ZZ − ZI), and its room.
const ARGUMENTS: u32 = 0xfeff_0000;
const ARGUMENTS_ROOM: u32 = 1 << 24;
const STACK_TOP: u64 = 0xfefe_0000;
const GAS: i64 = 1 << 50;

/// Enters `blob` at `pc` with `arguments`; gives back the output of a halting run.
pub fn run(blob: &[u8], pc: u32, arguments: &[u8], host: &Host) -> Result<Vec<u8>, String> {
    let module = load(blob).map_err(|e| format!("cannot load the blob: {e}"))?;
    let mut instance = module.instantiate().map_err(|e| format!("cannot instantiate: {e}"))?;
    let text = |e: &dyn std::fmt::Display| e.to_string();
    instance.set_gas(GAS);
    instance.set_accessible_aux_size(arguments.len() as u32).map_err(|e| text(&e))?;
    if !arguments.is_empty() {
        instance.write_memory(ARGUMENTS, arguments).map_err(|e| text(&e))?;
    }
    instance.prepare_call_untyped(ProgramCounter(pc), &[u64::from(ARGUMENTS), arguments.len() as u64]);
    instance.set_reg(Reg::SP, STACK_TOP);
    loop {
        match instance.run().map_err(|e| text(&e))? {
            InterruptKind::Finished => break,
            InterruptKind::Ecalli(number) => host.serve(&mut instance, number)?,
            other => return Err(format!("stopped with {other:?} at pc {:?}", instance.program_counter())),
        }
    }
    eprintln!("gas {}", GAS - instance.gas());
    let (address, length) = (instance.reg(Reg::A0), instance.reg(Reg::A1));
    match (u32::try_from(address), u32::try_from(length)) {
        (_, Ok(0)) => Ok(Vec::new()),
        (Ok(address), Ok(length)) => Ok(instance.read_memory(address, length).unwrap_or_default()),
        _ => Ok(Vec::new()),
    }
}

fn load(blob: &[u8]) -> Result<Module, String> {
    let jam = jam::decode(blob).ok_or("not a JAM blob: its lengths do not add up")?;
    let mut parts = ProgramParts::empty(InstructionSetKind::JamV1);
    parts.ro_data_size = jam.read_only.len() as u32;
    parts.rw_data_size = (jam.read_write.len() as u32).next_multiple_of(4096) + jam.heap_pages * 4096;
    parts.stack_size = jam.stack_size;
    parts.ro_data = jam.read_only.to_vec().into();
    parts.rw_data = jam.read_write.to_vec().into();
    parts.code_and_jump_table = jam.code.to_vec().into();
    let program = ProgramBlob::from_parts(parts).map_err(|e| format!("{e:?}"))?;

    let mut config = Config::new();
    config.set_backend(Some(BackendKind::Interpreter));
    let engine = Engine::new(&config).map_err(|e| e.to_string())?;
    let mut module_config = ModuleConfig::new();
    module_config.set_gas_metering(Some(GasMeteringKind::Sync));
    module_config.set_aux_data_size(ARGUMENTS_ROOM);
    Module::from_blob(&engine, &module_config, program).map_err(|e| e.to_string())
}
