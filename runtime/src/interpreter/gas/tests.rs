//! Charging under [`GasModel::PipelineBlocks`]; per-instruction gas is tested with the interpreter.

use tvm_isa::GpVersion;

use super::*;
use crate::interpreter::Step;
use crate::interpreter::testing::{Machine, program};
use crate::memory::Access;

const V8: GpVersion = GpVersion::V0_8_0;

/// 0: load_imm r0, 1; 3: ecalli 7; 5: fallthrough; 6: load_u8 r1, [0x10000]; 11: trap. Blocks at 0 and 6.
fn two_blocks() -> Vec<u8> {
    program(&[&[51, 0, 1], &[10, 7], &[1], &[52, 1, 0, 0, 1], &[0]], &[])
}

/// The costs of the two blocks.
fn costs(blob: &[u8]) -> (u64, u64) {
    let program = Program::parse(blob).unwrap();
    let cost = |start| tvm_isa::gas::block_cost(&program, V8.rules(), Pc(start)).0;
    (cost(0), cost(6))
}

#[test]
fn a_block_is_paid_for_once_also_across_a_host_call() {
    let blob = two_blocks();
    let (first, second) = costs(&blob);
    let mut machine = Machine::new(V8, &blob);
    machine.state.gas = Gas(first + second);
    assert_eq!(machine.run(), GuestExit::HostCall(7));
    assert_eq!((machine.state.gas.0, machine.state.charged), (second, true));
    machine.interpreter.after_host_call(&mut machine.state);
    assert_eq!(machine.step(), Step::Continue);
    assert_eq!((machine.state.pc.0, machine.state.gas.0, machine.state.charged), (6, second, false));
    assert!(matches!(machine.run(), GuestExit::PageFault(_)));
    assert_eq!((machine.state.pc.0, machine.state.gas.0, machine.state.charged), (6, 0, true));
    // Tried again, the block is paid for already.
    machine.memory.set_access(16, 1, Access::Read).unwrap();
    assert_eq!(machine.run(), GuestExit::Panic);
    assert_eq!((machine.state.pc.0, machine.state.gas.0, machine.state.charged), (11, 0, true));
}

#[test]
fn gas_that_does_not_cover_the_block_stays() {
    let blob = two_blocks();
    let (first, _) = costs(&blob);
    for short in 1..=first {
        let mut machine = Machine::new(V8, &blob);
        machine.state.gas = Gas(first - short);
        let before = machine.state.clone();
        assert_eq!(machine.run(), GuestExit::OutOfGas);
        assert_eq!(machine.state, before);
    }
}

#[test]
fn entering_a_block_in_its_middle_costs_all_of_it() {
    let blob = two_blocks();
    let (first, second) = costs(&blob);
    for (pc, cost) in [(0, first), (3, first), (5, first), (6, second), (11, second), (12, second), (1000, second)] {
        let mut machine = Machine::new(V8, &blob);
        machine.state.pc = Pc(pc);
        machine.step();
        assert_eq!(machine.state.gas.0, 1_000_000 - cost, "from {pc}");
    }
}

#[test]
fn programs_without_any_block_still_cost_something() {
    let mut blob = vec![0, 1, 0];
    let mut machine = Machine::new(V8, &blob);
    assert_eq!(machine.run(), GuestExit::Panic);
    assert!(machine.state.gas.0 < 1_000_000);
    // Nothing is marked.
    blob = vec![0, 1, 1, 0, 0];
    let mut machine = Machine::new(V8, &blob);
    assert_eq!(machine.run(), GuestExit::Panic);
    assert!(machine.state.gas.0 < 1_000_000);
}

#[test]
fn remembered_costs_are_bounded() {
    let blob = two_blocks();
    let program = Program::parse(&blob).unwrap();
    let mut costs = BlockCosts::default();
    let expected = costs.cost(&program, V8.rules(), Pc(0));
    for start in 1..MAX_REMEMBERED_BLOCKS as u32 {
        costs.cost(&program, V8.rules(), Pc(start));
    }
    assert_eq!(costs.by_start.as_ref().map_or(0, HashMap::len), MAX_REMEMBERED_BLOCKS);
    costs.cost(&program, V8.rules(), Pc(MAX_REMEMBERED_BLOCKS as u32));
    assert_eq!(costs.by_start.as_ref().map_or(0, HashMap::len), 1);
    assert_eq!(costs.cost(&program, V8.rules(), Pc(0)), expected);
}
