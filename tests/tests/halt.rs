//! Halting: compiled code ends a run by itself there, and everything is as the interpreter has it.

use tvm_isa::{Container, Gas, GpVersion, Op, Pc};
use tvm_runtime::{Engine, GuestExit, GuestState, Instance};
use tvm_tests::assemble::{Assembler, Inst};
use tvm_tests::engines;

const VERSIONS: [GpVersion; 2] = [GpVersion::V0_7_2, GpVersion::V0_8_0];

/// Addresses that halt, and some that nearly do: in the jump register, whose upper half does not count.
const ADDRESSES: [u64; 12] = [
    0xffff_0000,
    0xdead_beef_ffff_0000,
    u64::MAX << 16,
    0x7fff_0000,
    0xfffe_0000,
    0xffff_0001,
    0xffff_0002,
    0xfffe_ffff,
    0x7fff_8000,
    0,
    2,
    4,
];

/// The kinds of dynamic jump, by what is added to the address.
fn jumps() -> Vec<Inst> {
    let mut all = Vec::new();
    for x in [0, 2, -2, 0x1_0000, i64::from(i32::MIN)] {
        all.push(Inst { a: 3, x, ..Inst::new(Op::JumpInd) });
        for a in [3, 4] {
            all.push(Inst { a, b: 3, x: 77, y: x, ..Inst::new(Op::LoadImmJumpInd) });
        }
    }
    all
}

/// Some instructions and the jump; with a table of two entries, one of which is no block, or with none.
fn program(version: GpVersion, jump: Inst, with_table: bool) -> Vec<u8> {
    let mut asm = Assembler::new(version);
    let start = asm.here();
    asm.push(Inst::two(Op::AddImm64, 7, 7, 1));
    let no_block = asm.here();
    asm.push(Inst::two(Op::AddImm64, 8, 7, 1));
    asm.push(jump);
    asm.op(Op::Trap);
    if with_table {
        asm.jump_table(&[no_block, start]);
    }
    asm.blob()
}

/// How a run ends that starts here. Jumps to the table's second entry make loops, which end when gas does.
fn end(engine: &Engine, version: GpVersion, blob: &[u8], state: &GuestState) -> (GuestExit, GuestState) {
    let module = engines::load(engine, version, Container::Raw, blob);
    let mut instance = Instance::bare(engine, &module).expect("an instance");
    *instance.state_mut() = state.clone();
    (engines::run(&mut instance), instance.state().clone())
}

#[test]
fn halting_is_exact() {
    let [reference, compiled @ ..] = engines::all();
    let mut halts = 0;
    for version in VERSIONS {
        for jump in jumps() {
            for with_table in [true, false] {
                let blob = program(version, jump, with_table);
                for (address, gas) in ADDRESSES.into_iter().flat_map(|at| [2, 3, 4, 100].map(|gas| (at, gas))) {
                    let offset = if jump.y != 0 || jump.op == Op::LoadImmJumpInd { jump.y } else { jump.x };
                    let mut state = GuestState::new(Pc(0), Gas(gas));
                    state.regs = std::array::from_fn(|index| 0x1111_1111_1111_1111 * index as u64);
                    state.regs[3] = address.wrapping_sub(offset as u64);
                    let expected = end(&reference, version, &blob, &state);
                    for engine in &compiled {
                        let found = end(engine, version, &blob, &state);
                        assert_eq!(found, expected, "{version}: {jump:?} to {address:#x} with {gas} gas");
                    }
                    halts += u32::from(expected.0 == GuestExit::Halt);
                }
            }
        }
    }
    assert!(halts > 300, "{halts} runs halted");
}

/// An instance goes on from a halt wherever its host wants.
#[test]
fn a_run_goes_on_after_a_halt() {
    let jump = Inst { a: 3, ..Inst::new(Op::JumpInd) };
    for version in VERSIONS {
        for engine in engines::all() {
            let module = engines::load(&engine, version, Container::Raw, &program(version, jump, true));
            let mut instance = Instance::bare(&engine, &module).expect("an instance");
            instance.state_mut().gas = Gas(1000);
            for round in 1..10 {
                let state = instance.state_mut();
                (state.pc, state.regs[3], state.charged) = (Pc(0), 0xffff_0000, false);
                assert_eq!(engines::run(&mut instance), GuestExit::Halt);
                assert_eq!(instance.state().regs[7], round);
            }
            // From the jump itself, paid or not.
            assert_eq!(engines::run(&mut instance), GuestExit::Halt);
            instance.state_mut().regs[3] = 1;
            assert_eq!(engines::run(&mut instance), GuestExit::Panic);
        }
    }
}
