use tvm_isa::codec::encode_natural;
use tvm_isa::layout::{Layout, Sizes};
use tvm_isa::{Gas, GpVersion, OPERATIONS};

use super::testing::{Machine, blob, program};
use super::*;
use crate::memory::Access;

const TRAP: &[u8] = &[0];
const FALLTHROUGH: &[u8] = &[1];
const V7: GpVersion = GpVersion::V0_7_2;
const V8: GpVersion = GpVersion::V0_8_0;

#[test]
fn every_operation_of_every_version_is_executed() {
    for version in GpVersion::ALL {
        for number in 0..=255 {
            let blob = program(&[&[number, 0, 0, 0], TRAP], &[]);
            let mut machine = Machine::new(version, &blob);
            let step = machine.step();
            if version.rules().opcodes[usize::from(number)].is_none() {
                assert_eq!(step, Step::Exit(GuestExit::Panic), "{version} opcode {number} is undefined");
            }
        }
    }
    assert_eq!(OPERATIONS.len(), 140);
}

#[test]
fn running_off_the_end_traps_there() {
    // load_imm r0, 1 and nothing after it.
    let blob = program(&[&[51, 0, 1]], &[]);
    let mut machine = Machine::new(V7, &blob);
    assert_eq!(machine.trace(), (vec![0, 3], GuestExit::Panic));
    assert_eq!(machine.state.gas, Gas(1_000_000 - 2), "the trap is paid for");
}

#[test]
fn an_empty_program_traps_at_0_and_anywhere() {
    let mut empty = vec![0, 1];
    encode_natural(0, &mut empty);
    for pc in [0, 1, u32::MAX] {
        let mut machine = Machine::new(V7, &empty);
        machine.state.pc = Pc(pc);
        assert_eq!((machine.run(), machine.state.pc), (GuestExit::Panic, Pc(pc)));
    }
}

#[test]
fn starting_inside_an_instruction_traps() {
    // The immediate of load_imm_64 holds fallthrough opcodes, which are not marked.
    let blob = program(&[&[20, 0, 1, 1, 1, 1, 1, 1, 1, 1], TRAP], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.pc = Pc(4);
    assert_eq!(machine.trace(), (vec![4], GuestExit::Panic));
}

#[test]
fn a_gap_of_more_than_24_bytes_ends_in_a_trap() {
    // A fallthrough, then 24 or 25 unmarked bytes, then a fallthrough that ends the code.
    for (gap, expected) in [(24, vec![0, 25, 26]), (25, vec![0, 25])] {
        let code = [vec![1; 1 + gap], vec![1]].concat();
        let blob = blob(&code, &[0, 1 + gap], &[]);
        let mut machine = Machine::new(V7, &blob);
        assert_eq!(machine.trace(), (expected, GuestExit::Panic), "gap of {gap}");
    }
}

#[test]
fn operands_may_run_past_the_end_of_the_code() {
    // add_64 cut to its opcode: A, B and D are register 0. load_imm_64 cut after its register: the immediate is 0.
    let blob = program(&[&[200]], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.regs[0] = 21;
    machine.run();
    assert_eq!(machine.state.regs[0], 42);
    let blob = program(&[&[20, 3, 0xff]], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.run();
    assert_eq!(machine.state.regs[3], 0xff);
}

#[test]
fn one_gas_for_every_instruction_attempted() {
    // Two instructions, then a trap.
    let blob = program(&[&[51, 0, 1], FALLTHROUGH, TRAP], &[]);
    let cases = [
        (0, GuestExit::OutOfGas, 0, 0),
        (1, GuestExit::OutOfGas, 3, 0),
        (2, GuestExit::OutOfGas, 4, 0),
        (3, GuestExit::Panic, 4, 0),
        (4, GuestExit::Panic, 4, 1),
        (u64::MAX, GuestExit::Panic, 4, u64::MAX - 3),
    ];
    for (gas, exit, pc, left) in cases {
        let mut machine = Machine::new(V7, &blob);
        machine.state.gas = Gas(gas);
        assert_eq!((machine.run(), machine.state.pc.0, machine.state.gas.0), (exit, pc, left), "with {gas} gas");
        assert!(!machine.state.charged);
    }
}

#[test]
fn out_of_gas_changes_nothing() {
    // store_imm_u8 [0x10000] = 1
    let blob = program(&[&[30, 3, 0, 0, 1, 1]], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.memory.set_access(16, 1, Access::Write).unwrap();
    machine.state.gas = Gas(0);
    let before = machine.state.clone();
    assert_eq!(machine.run(), GuestExit::OutOfGas);
    assert_eq!(machine.state, before);
    assert_eq!(machine.memory.read(0x1_0000, 1).unwrap(), [0]);
    machine.state.gas = Gas(1);
    assert_eq!(machine.step(), Step::Continue);
    assert_eq!(machine.memory.read(0x1_0000, 1).unwrap(), [1]);
}

#[test]
fn a_fault_is_paid_for_and_can_be_tried_again() {
    // load_u8 r1, [0x10000]
    let blob = program(&[&[52, 1, 0, 0, 1], TRAP], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.regs[1] = 99;
    let fault = GuestExit::PageFault(tvm_isa::GuestAddr(0x1_0000));
    assert_eq!((machine.run(), machine.state.pc.0, machine.state.regs[1]), (fault, 0, 99));
    assert_eq!(machine.state.gas, Gas(999_999));
    machine.memory.set_access(16, 1, Access::Read).unwrap();
    assert_eq!((machine.run(), machine.state.pc.0, machine.state.regs[1]), (GuestExit::Panic, 5, 0));
    assert_eq!(machine.state.gas, Gas(999_997));
}

#[test]
fn host_calls_stop_at_the_ecalli_and_go_on_after_it() {
    // ecalli −1, two bytes long; then ecalli without immediate.
    let blob = program(&[&[10, 0xff], &[10], TRAP], &[]);
    for version in [V7, V8] {
        let mut machine = Machine::new(version, &blob);
        assert_eq!((machine.run(), machine.state.pc.0), (GuestExit::HostCall(u64::MAX), 0));
        machine.interpreter.after_host_call(&mut machine.state);
        assert_eq!((machine.run(), machine.state.pc.0), (GuestExit::HostCall(0), 2));
        machine.interpreter.after_host_call(&mut machine.state);
        assert_eq!((machine.run(), machine.state.pc.0), (GuestExit::Panic, 3));
    }
}

#[test]
fn limits_and_stops_end_a_run_between_instructions() {
    // 0: fallthrough; 1: jump −1
    let blob = program(&[FALLTHROUGH, &[40, 0xff]], &[]);
    let mut machine = Machine::new(V7, &blob);
    let Machine { interpreter, state, memory } = &mut machine;
    assert_eq!(interpreter.run(state, memory, Some(0)).unwrap(), None);
    assert_eq!((state.pc.0, state.gas.0), (0, 1_000_000));
    assert_eq!(interpreter.run(state, memory, Some(5)).unwrap(), None);
    assert_eq!((state.pc.0, state.gas.0), (1, 999_995));
    // The stop is not asked before the first instruction.
    let mut asked = Vec::new();
    let stopped = interpreter.run_until(state, memory, |pc| {
        asked.push(pc.0);
        pc.0 == 1
    });
    assert_eq!((stopped.unwrap(), asked, state.gas.0), (None, vec![0, 1], 999_993));
}

#[test]
fn sbrk_grows_the_heap_up_to_its_limit() {
    // sbrk r1, r2
    let blob = program(&[&[101, 0x21], TRAP], &[]);
    let layout = Layout::new(Sizes { ro: 0, rw: 5, heap_pages: 1, stack: 4096 }).unwrap();
    let mut machine = Machine::new(V7, &blob);
    machine.interpreter.heap = Heap::of_layout(&layout);
    assert_eq!(machine.interpreter.heap, Heap { pointer: 0x2_2000, limit: 0xfefd_f000 });
    let mut grow = |amount: u64| {
        machine.state.pc = Pc(0);
        machine.state.regs[2] = amount;
        assert_eq!(machine.step(), Step::Continue);
        let end = machine.interpreter.heap.pointer;
        (machine.state.regs[1], machine.memory.is_writable(0x2_2000, u64::from(end - 0x2_2000)), end)
    };
    assert_eq!(grow(0), (0x2_2000, true, 0x2_2000));
    assert_eq!(grow(1), (0x2_2000, true, 0x2_2001));
    assert_eq!(grow(0xfff), (0x2_2001, true, 0x2_3000));
    assert_eq!(grow(0x1001), (0x2_3000, true, 0x2_4001));
    assert_eq!(grow(0), (0x2_4001, true, 0x2_4001));
    let room = u64::from(0xfefd_f000_u32 - 0x2_4001);
    for too_much in [room + 1, 1 << 32, u64::MAX] {
        assert_eq!(grow(too_much), (0, true, 0x2_4001), "{too_much:#x}");
    }
    assert_eq!(grow(room), (0x2_4001, true, 0xfefd_f000));
    assert_eq!(grow(1), (0, true, 0xfefd_f000));
    assert!(machine.memory.is_writable(0x2_4000, 0x1000));
    assert!(!machine.memory.is_readable(0xfefd_f000, 1), "the stack is not the heap's to map");
}

#[test]
fn sbrk_maps_zeroed_pages_only_past_the_old_end() {
    let blob = program(&[&[101, 0x21], TRAP], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.interpreter.heap = Heap { pointer: 0x2_0800, limit: 0x10_0000 };
    // What is left in the pages from before, on both sides of the end.
    machine.memory.set_access(0x20, 2, Access::Write).unwrap();
    machine.memory.write(0x2_0000, &[7; 0x2000]).unwrap();
    machine.memory.set_access(0x21, 1, Access::None).unwrap();
    machine.state.regs[2] = 0x1000;
    machine.step();
    assert_eq!((machine.state.regs[1], machine.interpreter.heap.pointer), (0x2_0800, 0x2_1800));
    assert_eq!(machine.memory.read(0x2_0fff, 2).unwrap(), [7, 0]);
}

#[test]
fn machines_without_a_heap_cannot_grow_it() {
    let blob = program(&[&[101, 0x21], TRAP], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.regs[2] = 1;
    machine.state.regs[1] = 5;
    assert_eq!((machine.step(), machine.state.regs[1]), (Step::Continue, 0));
    assert!(!machine.memory.is_readable(0, 1));
}

#[test]
fn unlikely_does_nothing_and_ends_no_block() {
    // 0: unlikely; 1: load_imm r0, 3; 4: trap. A jump to 1 would panic.
    let blob = program(&[&[2], &[51, 0, 3], TRAP], &[]);
    let mut machine = Machine::new(V8, &blob);
    assert_eq!(machine.trace(), (vec![0, 1, 4], GuestExit::Panic));
    assert!(!machine.interpreter.program().is_block_start(V8.rules(), 1));
    let mut machine = Machine::new(V7, &blob);
    assert_eq!(machine.trace(), (vec![0], GuestExit::Panic));
}
