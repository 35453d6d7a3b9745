//! Execution started and resumed at every program counter, compiled against interpreted.
//!
//! Compiled code has entry points at its regions only; anywhere else, in the middle of an instruction too, the interpreter
//! begins and hands over.

use tvm_isa::{Container, Gas, GpVersion, Pc};
use tvm_runtime::memory::Access;
use tvm_runtime::{Engine, GuestExit, GuestState, Instance, Module, StopAtHostCalls};
use tvm_tests::assemble::{Assembler, Inst, Memory, standard};
use tvm_tests::differential::Generator;
use tvm_tests::engines;

/// Gas of a run: some instructions under 0.7.2, some blocks under 0.8.0.
const GAS: [u64; 2] = [40, 700];

/// How far past the end of the code starts are tried.
const PAST_END: u32 = 30;

/// Stops after which a run is given up.
const MAX_STOPS: usize = 12;

/// One instance of a program, used again and again.
struct Runner {
    instance: Instance,
}

/// A stop, and a hash of the memory that can be written.
type Stop = (GuestExit, GuestState, String);

impl Runner {
    fn new(engine: &Engine, module: &Module) -> Self {
        Self { instance: Instance::bare(engine, module).expect("an instance") }
    }

    /// Every stop of a run from `pc`, in a state that only depends on the arguments.
    fn stops(&mut self, pc: u32, gas: u64, charged: bool) -> Vec<Stop> {
        let instance = &mut self.instance;
        instance.reset(&[]).expect("a reset");
        instance.memory_mut().set_access(0x20, 2, Access::Write).expect("rights can be given");
        instance.memory_mut().set_access(0x22, 1, Access::Read).expect("rights can be given");
        let regs = std::array::from_fn(|index| [0x2_0000 + 8 * index as u64, 2 * index as u64, !0][index % 3]);
        *instance.state_mut() = GuestState { pc: Pc(pc), gas: Gas(gas), regs, charged };
        let mut stops = Vec::new();
        while stops.len() < MAX_STOPS {
            let exit = instance.run(&mut StopAtHostCalls).expect("TVM runs");
            let memory = instance.memory().read(0x2_0000, 0x2000).expect("given above");
            stops.push((exit, instance.state().clone(), hex::encode(&tvm_cache::hash(&memory)[..8])));
            match exit {
                GuestExit::HostCall(_) => instance.skip_host_call(),
                GuestExit::PageFault(page) => {
                    instance.memory_mut().set_access(page.0 >> 12, 1, Access::Write).expect("rights can be given");
                }
                GuestExit::Halt | GuestExit::Panic | GuestExit::OutOfGas => break,
            }
        }
        stops
    }
}

fn check_every_start(version: GpVersion, blob: &[u8]) {
    let engines = engines::all();
    let [mut reference, mut fast, mut best] =
        engines.each_ref().map(|engine| Runner::new(engine, &engines::load(engine, version, Container::Raw, blob)));
    let end = reference.instance.module().program().code_len();
    let flags: &[bool] = if version == GpVersion::V0_8_0 { &[false, true] } else { &[false] };
    for pc in (0..end + PAST_END).chain([u32::MAX - 1, u32::MAX]) {
        for &charged in flags {
            for gas in [GAS[usize::from(version == GpVersion::V0_8_0)], 3] {
                let expected = reference.stops(pc, gas, charged);
                for (tier, found) in [("fast", &mut fast), ("best", &mut best)] {
                    assert_eq!(
                        found.stops(pc, gas, charged),
                        expected,
                        "{version} {tier}: from {pc} with {gas} gas, charged {charged}, of {}",
                        hex::encode(blob)
                    );
                }
            }
        }
    }
}

fn check_generated(version: GpVersion, seed: u64, programs: usize) {
    let mut generator = Generator::new(seed, version, Vec::new());
    let mut accepted = 0;
    while accepted < programs {
        let (_, case) = generator.case();
        let valid = tvm_isa::Program::parse(&case.blob).is_ok_and(|program| program.validate(version.rules()).is_ok());
        if valid {
            accepted += 1;
            check_every_start(version, &case.blob);
        }
    }
}

#[test]
fn every_start_of_generated_programs_under_0_7_2() {
    check_generated(GpVersion::V0_7_2, 7, 40);
}

#[test]
fn every_start_of_generated_programs_under_0_8_0() {
    check_generated(GpVersion::V0_8_0, 8, 30);
}

#[test]
fn every_start_of_a_program_with_everything() {
    for version in [GpVersion::V0_7_2, GpVersion::V0_8_0] {
        check_every_start(version, &everything(version));
    }
}

/// Every operation once, in the order of the table; jumps go to the next instruction, some after a long region.
fn everything(version: GpVersion) -> Vec<u8> {
    let mut asm = Assembler::new(version);
    let operations = version.rules().opcodes.iter().flatten().copied();
    for op in operations {
        let next = asm.label();
        let inst = Inst { a: 3, b: 4, d: 5, x: 0x2_0000, y: 9, ..Inst::new(op) };
        asm.push(if op.terminates_block() { inst.to(next) } else { inst });
        asm.bind(next);
    }
    asm.op(tvm_isa::Op::Trap);
    asm.blob()
}

/// Two starts of the same instance without a reset: what one run left is what the next one finds.
#[test]
fn a_run_may_be_continued_from_any_state() {
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    asm.push(Inst::two(tvm_isa::Op::AddImm64, 7, 7, 1));
    let second = asm.push(Inst::two(tvm_isa::Op::StoreIndU64, 7, 1, -8));
    asm.halt();
    let bytes = standard(Memory { stack: 4096, ..Memory::default() }, &asm.blob());
    for engine in engines::all() {
        let module = engines::load(&engine, GpVersion::V0_7_2, Container::Standard, &bytes);
        let mut instance = Instance::standard(&engine, &module, &[1, 2, 3]).expect("an instance");
        let start = instance.state().regs[7];
        for round in 1..=5 {
            instance.state_mut().pc = Pc(0);
            instance.state_mut().gas = Gas(100);
            assert_eq!(engines::run(&mut instance), GuestExit::Halt);
            assert_eq!((instance.state().regs[7], instance.state().gas), (start + round, Gas(96)));
        }
        instance.state_mut().pc = Pc(second);
        assert_eq!(engines::run(&mut instance), GuestExit::Halt);
        let stack_top = u64::from(tvm_isa::layout::STACK_TOP.0);
        assert_eq!(instance.memory().read(stack_top - 8, 8).unwrap(), (start + 5).to_le_bytes());
    }
}
