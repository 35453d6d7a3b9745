//! Gas, exact wherever a host can see it.

mod programs;

use programs::{PAGE, Sample};
use tvm_isa::GpVersion::{self, V0_7_2, V0_8_0};
use tvm_isa::{Container, Gas, Op, Pc};
use tvm_runtime::memory::Access;
use tvm_runtime::{Engine, Guest, GuestExit, GuestState, HostAction, Instance, Module, StopAtHostCalls};
use tvm_tests::assemble::{Assembler, Inst};
use tvm_tests::engines::{self, Calls};

const VERSIONS: [GpVersion; 2] = [V0_7_2, V0_8_0];

/// Every stop of a run up to its end: host calls are skipped, missing pages supplied.
fn stops(engine: &Engine, module: &Module, gas: u64) -> Vec<(GuestExit, GuestState)> {
    let mut instance = Instance::bare(engine, module).expect("an instance");
    instance.state_mut().gas = Gas(gas);
    let mut stops = Vec::new();
    loop {
        let exit = instance.run(&mut StopAtHostCalls).expect("TVM runs");
        stops.push((exit, instance.state().clone()));
        match exit {
            GuestExit::HostCall(_) => instance.skip_host_call(),
            GuestExit::PageFault(address) => {
                instance.memory_mut().set_access(address.0 >> 12, 1, Access::Write).expect("rights can be given");
            }
            GuestExit::Halt | GuestExit::Panic | GuestExit::OutOfGas => return stops,
        }
    }
}

/// The gas that a run with enough of it takes.
fn cost(engine: &Engine, module: &Module) -> u64 {
    let stops = stops(engine, module, u64::MAX);
    u64::MAX - stops.last().expect("at least one stop").1.gas.0
}

/// With every limit from nothing to one more than is needed, so that the gas runs out at every instruction once.
#[test]
fn every_limit_up_to_the_cost() {
    for version in VERSIONS {
        for Sample { name, blob } in programs::all(version) {
            let engines = engines::all();
            let [reference, fast, best] =
                engines.each_ref().map(|engine| (engine, engines::load(engine, version, Container::Raw, &blob)));
            let cost = cost(reference.0, &reference.1);
            for gas in 0..=cost + 1 {
                let expected = stops(reference.0, &reference.1, gas);
                for (tier, (engine, module)) in [("fast", &fast), ("best", &best)] {
                    let found = stops(engine, module, gas);
                    assert_eq!(found, expected, "{version} {name} with {gas} of {cost} gas, {tier}");
                }
                let ends_early = expected.last().is_some_and(|(exit, _)| *exit == GuestExit::OutOfGas);
                assert_eq!(ends_early, gas < cost, "{version} {name} with {gas} of {cost} gas");
            }
        }
    }
}

/// Per instruction: with n gas, n instructions execute, and nothing is left.
#[test]
fn per_instruction_the_gas_runs_out_at_the_very_instruction() {
    let mut asm = Assembler::new(V0_7_2);
    let mut pcs: Vec<u32> = (0..30).map(|at| asm.push(Inst::two(Op::AddImm64, 7, 7, at))).collect();
    pcs.push(asm.ecalli(9));
    pcs.extend((0..5).map(|_| asm.push(Inst::two(Op::AddImm64, 8, 8, 1))));
    pcs.push(asm.op(Op::Trap));
    for engine in engines::all() {
        let module = engines::load(&engine, V0_7_2, Container::Raw, &asm.blob());
        for (gas, pc) in pcs.iter().enumerate() {
            let stops = stops(&engine, &module, gas as u64);
            let (exit, state) = stops.last().expect("at least one stop");
            assert_eq!((*exit, state.pc, state.gas), (GuestExit::OutOfGas, Pc(*pc), Gas(0)));
            // The instructions before it have executed, this one and those behind it have not.
            assert_eq!(state.regs[7], (0..gas.min(30) as u64).sum::<u64>());
            assert_eq!(state.regs[8], gas.saturating_sub(31) as u64);
        }
    }
}

/// Per block: what does not cover a block is left as it is, and nothing of the block executes.
#[test]
fn per_block_the_counter_stays_where_it_is() {
    let mut asm = Assembler::new(V0_8_0);
    asm.set(7, 1);
    asm.op(Op::Fallthrough);
    let second = asm.set(8, 2);
    asm.ecalli(3);
    asm.set(9, 3);
    asm.op(Op::Trap);
    let blob = asm.blob();
    let program = tvm_isa::Program::parse(&blob).unwrap();
    let costs = [0, second].map(|pc| tvm_isa::gas::block_cost(&program, V0_8_0.rules(), Pc(pc)).0);
    // load_imm and fallthrough; then ecalli takes 100 cycles.
    assert_eq!(costs[0], 2);
    assert!(costs[1] >= 100);
    for engine in engines::all() {
        let module = engines::load(&engine, V0_8_0, Container::Raw, &blob);
        for (gas, pc, registers) in [
            (0, 0, [0, 0]),
            (costs[0] - 1, 0, [0, 0]),
            (costs[0], second, [1, 0]),
            (costs[0] + costs[1] - 1, second, [1, 0]),
        ] {
            let stops = stops(&engine, &module, gas);
            let [(exit, state)] = stops.as_slice() else { panic!("one stop expected with {gas} gas: {stops:?}") };
            let left = if pc == 0 { gas } else { gas - costs[0] };
            assert_eq!((*exit, state.pc, state.gas, state.charged), (GuestExit::OutOfGas, Pc(pc), Gas(left), false));
            assert_eq!(state.regs[7..9], registers);
        }
        let stops = stops(&engine, &module, costs[0] + costs[1]);
        let [(call, at_call), (end, at_end)] = stops.as_slice() else { panic!("two stops expected: {stops:?}") };
        assert_eq!((*call, at_call.gas, at_call.charged), (GuestExit::HostCall(3), Gas(0), true));
        assert_eq!((*end, at_end.gas, at_end.charged, at_end.regs[9]), (GuestExit::Panic, Gas(0), true, 3));
    }
}

/// The counter is an unsigned number of 64 bits, all of them.
#[test]
fn huge_limits_are_counted_exactly() {
    for version in VERSIONS {
        for Sample { name, blob } in programs::all(version) {
            let engines = engines::all();
            let modules = engines.each_ref().map(|engine| engines::load(engine, version, Container::Raw, &blob));
            let cost = cost(&engines[0], &modules[0]);
            for gas in
                [(1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 63) + cost / 2, u64::MAX - 1, u64::MAX, 1 << 32, 1 << 31]
            {
                for (engine, module) in engines.iter().zip(&modules) {
                    let stops = stops(engine, module, gas);
                    let (exit, state) = stops.last().expect("at least one stop");
                    assert_ne!(*exit, GuestExit::OutOfGas, "{version} {name} with {gas}");
                    assert_eq!(state.gas, Gas(gas - cost), "{version} {name} with {gas}");
                }
            }
        }
    }
}

/// What a host call sees and what it leaves: each sees the start less the instructions up to it, itself included.
#[test]
fn a_host_call_sees_and_sets_the_exact_gas() {
    let mut asm = Assembler::new(V0_7_2);
    let mut instructions = 0;
    let mut expected = Vec::new();
    for call in 0..40 {
        for _ in 0..call % 7 {
            asm.push(Inst::two(Op::AddImm64, 7, 7, 1));
            instructions += 1;
        }
        asm.ecalli(call);
        instructions += 1;
        expected.push((call as u64, instructions));
        if call % 5 == 4 {
            asm.op(Op::Fallthrough);
            instructions += 1;
        }
    }
    asm.op(Op::Trap);
    for engine in engines::all() {
        let module = engines::load(&engine, V0_7_2, Container::Raw, &asm.blob());
        for start in [1000, 1 << 63, u64::MAX] {
            let mut seen = Vec::new();
            let mut taken = 0;
            let mut instance = Instance::bare(&engine, &module).expect("an instance");
            instance.state_mut().gas = Gas(start);
            let mut calls = Calls(|id, guest: Guest<'_>| {
                seen.push((id, start - taken - guest.state.gas.0));
                guest.state.gas.0 -= 10;
                taken += 10;
                HostAction::Resume
            });
            assert_eq!(instance.run(&mut calls).expect("TVM runs"), GuestExit::Panic);
            assert_eq!(seen, expected);
            assert_eq!(instance.state().gas, Gas(start - taken - instructions - 1));
        }
    }
}

/// A host call may take all gas or give any: the instruction behind it is the first to notice.
#[test]
fn a_host_call_may_leave_any_gas() {
    let mut asm = Assembler::new(V0_7_2);
    asm.set(7, 1);
    asm.ecalli(1);
    let pcs: Vec<u32> = (0..4).map(|_| asm.push(Inst::two(Op::AddImm64, 7, 7, 1))).collect();
    let trap = asm.op(Op::Trap);
    for engine in engines::all() {
        let module = engines::load(&engine, V0_7_2, Container::Raw, &asm.blob());
        for gas in [0, 1, 3, 4, 5, 6, 1 << 63, u64::MAX] {
            let mut instance = Instance::bare(&engine, &module).expect("an instance");
            instance.state_mut().gas = Gas(100);
            let mut calls = Calls(|_, guest: Guest<'_>| {
                assert_eq!(guest.state.gas, Gas(98));
                guest.state.gas = Gas(gas);
                HostAction::Resume
            });
            let exit = instance.run(&mut calls).expect("TVM runs");
            let state = instance.state();
            match usize::try_from(gas).ok().and_then(|gas| pcs.iter().chain([&trap]).nth(gas)) {
                Some(pc) => assert_eq!((exit, state.pc, state.gas), (GuestExit::OutOfGas, Pc(*pc), Gas(0))),
                None => assert_eq!((exit, state.pc, state.gas), (GuestExit::Panic, Pc(trap), Gas(gas - 5))),
            }
        }
    }
}

/// Under 0.8.0 a block is paid for once, however often it is left and entered again; unless the host says that it is not.
#[test]
fn a_block_is_charged_once() {
    let mut asm = Assembler::new(V0_8_0);
    asm.set(7, u64::from(PAGE) << 12);
    asm.ecalli(1);
    asm.push(Inst::two(Op::StoreIndU64, 7, 7, 0));
    asm.ecalli(2);
    asm.push(Inst::two(Op::LoadIndU64, 8, 7, 4096));
    asm.op(Op::Fallthrough);
    asm.op(Op::Trap);
    let blob = asm.blob();
    let program = tvm_isa::Program::parse(&blob).unwrap();
    let cost = tvm_isa::gas::block_cost(&program, V0_8_0.rules(), Pc(0)).0;
    let last = tvm_isa::gas::block_cost(&program, V0_8_0.rules(), Pc(program.code_len() - 1)).0;
    for engine in engines::all() {
        let module = engines::load(&engine, V0_8_0, Container::Raw, &blob);
        // Exactly enough: any charge too many would be noticed.
        let stops = stops(&engine, &module, cost + last);
        let exits: Vec<_> = stops.iter().map(|(exit, state)| (*exit, state.gas.0, state.charged)).collect();
        let fault = |page| GuestExit::PageFault(tvm_isa::GuestAddr(page << 12));
        assert_eq!(
            exits,
            [
                (GuestExit::HostCall(1), last, true),
                (fault(PAGE), last, true),
                (GuestExit::HostCall(2), last, true),
                (fault(PAGE + 1), last, true),
                (GuestExit::Panic, 0, true),
            ]
        );
        // The charged flag is the host's to set: cleared in the middle of a block, all of the block is charged again.
        let mut instance = Instance::bare(&engine, &module).expect("an instance");
        instance.state_mut().gas = Gas(2 * cost + last);
        assert_eq!(instance.run(&mut StopAtHostCalls).unwrap(), GuestExit::HostCall(1));
        instance.skip_host_call();
        instance.state_mut().charged = false;
        instance.memory_mut().set_access(PAGE, 2, Access::Write).unwrap();
        assert_eq!(instance.run(&mut StopAtHostCalls).unwrap(), GuestExit::HostCall(2));
        assert_eq!(instance.state().gas, Gas(last));
        instance.skip_host_call();
        assert_eq!(instance.run(&mut StopAtHostCalls).unwrap(), GuestExit::Panic);
        assert_eq!(instance.state().gas, Gas(0));
    }
}
