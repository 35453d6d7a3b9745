//! machine, peek, poke, pages, invoke, expunge: every result code and panic, on both engines.

use tvm_isa::GpVersion;
use tvm_runtime::jam::results::{FULL, HUH, INNER_FAULT, INNER_HALT, INNER_HOST, INNER_OOG, INNER_PANIC, OK, OOB, WHO};
use tvm_runtime::{Backend, Engine, EngineConfig, GuestExit, Tier};

use crate::support::{ALL, CallSeen, Expect, GuestCode, NOWHERE, RO, RW, RW_END, World};

/// Where the guest keeps the inner program, and what `invoke` exchanges.
const PROGRAM: u64 = RW;
const EXCHANGE: u64 = RW + 0x2000;

/// Instructions of inner programs.
const TRAP: &[u8] = &[0];
const ECALLI_7: &[u8] = &[10, 7];
/// φ0 ← 2^32 − 2^16, and a jump there.
const HALT: [&[u8]; 2] = [&[20, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0], &[50, 0]];
/// Stores φ7's lowest octet at 0x20003.
const STORE: &[u8] = &[59, 7, 3, 0, 2, 0];
/// Loads φ9 from 0x10000, below which nothing faults.
const LOAD_LOW: &[u8] = &[52, 9, 0xff, 0xff, 0, 0];
const JUMP_TO_ITSELF: &[u8] = &[40, 0];
/// φ1 ← φ1 − 1, and back to it unless φ1 = 0.
const COUNT_DOWN: [&[u8]; 2] = [&[149, 0x11, 0xff], &[82, 0x01, 0xfd]];

/// A guest with this program at PROGRAM, and gas and register φ1 = `count`, φ7 = 0x55 at EXCHANGE.
fn guest(program: &[u8], gas: u64, count: u64) -> GuestCode {
    let mut exchange = gas.to_le_bytes().to_vec();
    exchange.extend((0..13_u64).flat_map(|reg| match reg {
        1 => count.to_le_bytes(),
        7 => 0x55_u64.to_le_bytes(),
        _ => [0; 8],
    }));
    GuestCode::new().with(PROGRAM, program).with(EXCHANGE, &exchange)
}

/// A guest that has made machine 0 of this program.
fn with_machine(world: &World, program: &[u8], gas: u64, count: u64) -> GuestCode {
    guest(program, gas, count).call(world.id("machine"), &[PROGRAM, program.len() as u64, 0])
}

/// Worlds of each version that [`worlds`] makes.
const ENGINES: usize = 3;

/// Worlds of all versions, interpreted and compiled on both tiers.
fn worlds() -> Vec<World> {
    let engines: [_; ENGINES] =
        [(Backend::Interpreter, Tier::Fast), (Backend::Compiled, Tier::Fast), (Backend::Compiled, Tier::Best)].map(
            |(backend, tier)| {
                Engine::new(EngineConfig { backend, tiers: tier.into(), ..EngineConfig::default() }).unwrap()
            },
        );
    let world = |version, engine: &Engine| World { engine: engine.clone(), ..World::new(version) };
    ALL.iter().flat_map(|version| engines.each_ref().map(|engine| world(*version, engine))).collect()
}

fn is_0_8(world: &World) -> bool {
    world.version == GpVersion::V0_8_0
}

#[test]
fn machine_gives_the_lowest_free_index() {
    for world in worlds() {
        let program = GuestCode::raw(&[TRAP]);
        let [machine, expunge] = ["machine", "expunge"].map(|name| world.id(name));
        let make = [PROGRAM, program.len() as u64, 0];
        let mut code = guest(&program, 0, 0);
        for _ in 0..3 {
            code = code.call(machine, &make);
        }
        let code = code.call(expunge, &[1]).call(expunge, &[0]);
        let code = code.call(machine, &make).call(machine, &make).call(machine, &make);
        let answers: Vec<u64> = world.refine(&code.halt(0, 0)).calls.iter().map(|call| call.after[7]).collect();
        assert_eq!(answers, [0, 1, 2, 0, 0, 0, 1, 3]);
    }
}

#[test]
fn machine_refuses_and_panics() {
    for version in ALL {
        let world = World::new(version);
        let program = GuestCode::raw(&[TRAP]);
        let len = program.len() as u64;
        let code = guest(&program, 0, 0);
        let rows = [
            ([PROGRAM, len, 0], Expect::Answer(0)),
            ([PROGRAM, len + 1, 0], Expect::Answer(HUH)),
            ([PROGRAM, len - 1, 0], Expect::Answer(HUH)),
            ([NOWHERE, 0, 0], Expect::Answer(HUH)),
            ([NOWHERE, len, 0], Expect::Panic),
            ([RW_END - 1, 2, 0], Expect::Panic),
        ];
        for (arguments, expect) in rows {
            world.check_refine(&code, "machine", &arguments, expect);
        }
        // Since 0.8.0 an instruction has to start there.
        for pc in [1, 1 << 32, u64::MAX] {
            let expect = Expect::Answer(if is_0_8(&world) { HUH } else { 0 });
            world.check_refine(&code, "machine", &[PROGRAM, len, pc], expect);
        }
        // And the program has to be valid: this one has no terminator at its end.
        let open = GuestCode::raw(&[ECALLI_7]);
        let expect = Expect::Answer(if is_0_8(&world) { HUH } else { 0 });
        world.check_refine(&guest(&open, 0, 0), "machine", &[PROGRAM, open.len() as u64, 0], expect);
    }
}

#[test]
fn there_are_at_most_63_machines_since_0_8() {
    for version in ALL {
        let world = World::new(version);
        let program = GuestCode::raw(&[TRAP]);
        let make = [PROGRAM, program.len() as u64, 0];
        let mut code = guest(&program, 0, 0);
        for _ in 0..63 {
            code = code.call(world.id("machine"), &make);
        }
        let answer = |code: &GuestCode, arguments: &[u64]| {
            let ran = world.refine(&code.clone().call(world.id("machine"), arguments).halt(0, 0));
            (ran.last().after[7], ran.last().exit)
        };
        let limited = is_0_8(&world);
        assert_eq!(answer(&code, &make), (if limited { FULL } else { 63 }, None));
        // FULL comes before memory.
        let unreadable = answer(&code, &[NOWHERE, 1, 0]);
        assert_eq!(unreadable.1, if limited { None } else { Some(GuestExit::Panic) });
        let code = code.call(world.id("expunge"), &[30]);
        assert_eq!(answer(&code, &make), (30, None));
    }
}

#[test]
fn pages_sets_rights_and_zeroes() {
    for world in worlds() {
        let program = GuestCode::raw(&[TRAP]);
        let code = with_machine(&world, &program, 0, 0);
        let [pages, poke] = ["pages", "poke"].map(|name| world.id(name));
        let answer = |code: &GuestCode, name, arguments: &[u64]| {
            let ran = world.refine(&code.clone().call(world.id(name), arguments).halt(0, 0));
            (ran.last().after[7], ran.last().written())
        };
        let readable = |code: &GuestCode| answer(code, "peek", &[0, RW, 0x2_0000, 1]).0 == OK;
        let writable = |code: &GuestCode| answer(code, "poke", &[0, RW, 0x2_0000, 1]).0 == OK;
        for (mode, rights) in [(0, [false, false]), (1, [true, false]), (2, [true, true])] {
            let code = code.clone().call(pages, &[0, 0x20, 1, mode]);
            assert_eq!([readable(&code), writable(&code)], rights, "mode {mode}");
        }
        // Contents stay with modes 3 and 4, and are zeroed by the others.
        let filled = code.call(pages, &[0, 0x20, 2, 2]).call(poke, &[0, PROGRAM, 0x2_0ffe, 4]);
        let there = program[..4].to_vec();
        for (mode, octets, rights) in [
            (1, vec![0; 4], [true, false]),
            (2, vec![0; 4], [true; 2]),
            (3, there.clone(), [true, false]),
            (4, there.clone(), [true; 2]),
        ] {
            let code = filled.clone().call(pages, &[0, 0x20, 2, mode]);
            assert_eq!(answer(&code, "peek", &[0, EXCHANGE, 0x2_0ffe, 4]), (OK, octets), "mode {mode}");
            assert_eq!([readable(&code), writable(&code)], rights, "mode {mode}");
        }
        let gone = filled.clone().call(pages, &[0, 0x20, 2, 0]);
        assert!(!readable(&gone));
        let back = gone.call(pages, &[0, 0x20, 2, 1]);
        assert_eq!(answer(&back, "peek", &[0, EXCHANGE, 0x2_0ffe, 4]), (OK, vec![0; 4]));
    }
}

#[test]
fn pages_refuses() {
    for world in worlds() {
        let last = (1 << 20) - 1;
        let rows: [([u64; 4], u64); 17] = [
            ([1, 16, 1, 2], WHO),
            ([u64::MAX, 0, u64::MAX, 9], WHO),
            ([0, 15, 1, 2], HUH),
            ([0, 0, 0, 0], HUH),
            ([0, 16, 1, 5], HUH),
            ([0, 16, 1, u64::MAX], HUH),
            ([0, 16, 0, 2], OK),
            ([0, last - 1, 1, 2], OK),
            ([0, last - 1, 2, 2], HUH),
            ([0, last, 1, 2], HUH),
            ([0, last, 0, 2], OK),
            ([0, last + 1, 0, 2], HUH),
            ([0, 16, last - 16, 0], OK),
            ([0, 16, last - 15, 0], HUH),
            ([0, u64::MAX, 1, 0], HUH),
            ([0, 16, 1, 3], HUH),
            ([0, 16, 0, 4], OK),
        ];
        let program = GuestCode::raw(&[TRAP]);
        let world = World { gas: u64::MAX, ..world };
        for (arguments, answer) in rows {
            // Gas goes with the number of pages since 0.8.0; a call that cannot be paid is another test's.
            if is_0_8(&world) && arguments[2] == u64::MAX {
                continue;
            }
            let code = with_machine(&world, &program, 0, 0);
            world.check_refine(&code, "pages", &arguments, Expect::Answer(answer));
        }
        // One inaccessible page is enough to refuse modes 3 and 4.
        let code = with_machine(&world, &program, 0, 0).call(world.id("pages"), &[0, 16, 2, 1]);
        world.check_refine(&code, "pages", &[0, 16, 2, 4], Expect::Answer(OK));
        world.check_refine(&code, "pages", &[0, 16, 3, 4], Expect::Answer(HUH));
    }
}

#[test]
fn all_of_an_inner_memory_can_be_accessible() {
    for mut world in worlds() {
        world.gas = u64::MAX;
        let program = GuestCode::raw(&[TRAP]);
        let code = with_machine(&world, &program, 0, 0).call(world.id("pages"), &[0, 16, (1 << 20) - 17, 2]);
        let end = 0xffff_f000;
        world.check_refine(&code, "poke", &[0, PROGRAM, end - 4, 4], Expect::Answer(OK));
        world.check_refine(&code, "poke", &[0, PROGRAM, end - 3, 4], Expect::Answer(OOB));
        world.check_refine(&code, "peek", &[0, RW, end - 0x8000, 0x8000], Expect::Answer(OK));
        world.check_refine(&code, "peek", &[0, RW, 0x1_0000, 1 << 32], Expect::Panic);
    }
}

#[test]
fn peek_and_poke_refuse_and_panic() {
    for version in ALL {
        let world = World::new(version);
        let program = GuestCode::raw(&[TRAP]);
        let code = with_machine(&world, &program, 0, 0)
            .call(world.id("pages"), &[0, 0x20, 1, 2])
            .call(world.id("pages"), &[0, 0x21, 1, 1]);
        let rows: [(&str, [u64; 4], Expect); 20] = [
            ("peek", [0, RW, 0x2_0000, 0x2000], Expect::Answer(OK)),
            ("peek", [0, RW, 0x2_0001, 0x2000], Expect::Answer(OOB)),
            ("peek", [0, RW, 0x1_ffff, 1], Expect::Answer(OOB)),
            ("peek", [0, RW, (1 << 32) + 0x2_0000, 1], Expect::Answer(OOB)),
            ("peek", [1, RW, 0x2_0000, 1], Expect::Answer(WHO)),
            ("peek", [u64::MAX, RW, 0, 1], Expect::Answer(WHO)),
            ("peek", [1, RO, 0x2_0000, 1], Expect::Panic),
            ("peek", [0, NOWHERE, 0x2_0000, 1], Expect::Panic),
            ("peek", [0, RW_END - 1, 0x2_0000, 2], Expect::Panic),
            ("peek", [0, NOWHERE, u64::MAX, 0], Expect::Answer(OK)),
            ("poke", [0, RO, 0x2_0000, 0x1000], Expect::Answer(OK)),
            ("poke", [0, RO, 0x2_0001, 0x1000], Expect::Answer(OOB)),
            ("poke", [0, RO, 0x2_1000, 1], Expect::Answer(OOB)),
            ("poke", [0, RO, (1 << 32) + 0x2_0000, 1], Expect::Answer(OOB)),
            ("poke", [1, RO, 0x2_0000, 1], Expect::Answer(WHO)),
            ("poke", [1 << 32, RO, 0x2_0000, 1], Expect::Answer(WHO)),
            ("poke", [1, NOWHERE, 0x2_0000, 1], Expect::Panic),
            ("poke", [0, RO + 4095, 0x2_0000, 2], Expect::Panic),
            ("poke", [0, u64::MAX, 0x2_0000, 1], Expect::Panic),
            ("poke", [0, NOWHERE, u64::MAX, 0], Expect::Answer(OK)),
        ];
        for (name, arguments, expect) in rows {
            world.check_refine(&code, name, &arguments, expect);
        }
        // What is poked is peeked.
        let code = code.call(world.id("poke"), &[0, PROGRAM, 0x2_0010, 5]);
        let ran = world.check_refine(&code, "peek", &[0, EXCHANGE, 0x2_0010, 5], Expect::Answer(OK));
        assert_eq!(ran.last().written(), program[..5]);
    }
}

/// What `invoke` reported: result, φ8, gas and registers at EXCHANGE.
fn invoked(call: &CallSeen) -> (u64, u64, u64, [u64; 13]) {
    assert_eq!(call.exit, None);
    let words: Vec<u64> = call.written().as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    (call.after[7], call.after[8], words[0], words[1..].try_into().unwrap())
}

#[test]
fn invoke_reports_how_the_run_ended() {
    for world in worlds() {
        let run = |instructions: &[&[u8]]| {
            let code = with_machine(&world, &GuestCode::raw(instructions), 1000, 1);
            let ran = world.refine(&code.call(world.id("invoke"), &[0, EXCHANGE]).halt(0, 0));
            let cost = ran.last().cost();
            let (result, detail, gas, regs) = invoked(ran.last());
            let lent = if is_0_8(&world) { 968 + (1000 - gas) } else { 10 };
            assert_eq!(cost, lent, "GP {} {instructions:?}", world.version);
            // Per-instruction gas is exact; a block's is the model's.
            (result, detail, (!is_0_8(&world)).then_some(1000 - gas), regs)
        };
        let per_instruction = |gas| (!is_0_8(&world)).then_some(gas);
        let mut regs = [0; 13];
        (regs[1], regs[7]) = (1, 0x55);
        assert_eq!(run(&[TRAP]), (INNER_PANIC, EXCHANGE, per_instruction(1), regs));
        assert_eq!(run(&[ECALLI_7, TRAP]), (INNER_HOST, 7, per_instruction(1), regs));
        assert_eq!(run(&[STORE, TRAP]), (INNER_FAULT, 0x2_0000, per_instruction(1), regs));
        assert_eq!(run(&[LOAD_LOW, TRAP]), (INNER_PANIC, EXCHANGE, per_instruction(1), regs));
        regs[0] = 0xffff_0000;
        assert_eq!(run(&HALT), (INNER_HALT, EXCHANGE, per_instruction(2), regs));
    }
}

#[test]
fn invoke_out_of_gas() {
    for world in worlds() {
        for gas in [0, 1, 10_000] {
            let code = with_machine(&world, &GuestCode::raw(&[JUMP_TO_ITSELF]), gas, 1);
            let ran = world.refine(&code.call(world.id("invoke"), &[0, EXCHANGE]).halt(0, 0));
            let (result, detail, left, _) = invoked(ran.last());
            assert_eq!((result, detail), (INNER_OOG, EXCHANGE));
            if is_0_8(&world) {
                // A jump is a block of 15 gas. What does not suffice for one is left.
                assert_eq!((left, ran.last().cost()), (gas % 15, 968 + gas - gas % 15));
            } else {
                assert_eq!((left, ran.last().cost()), (u64::MAX, 10));
            }
        }
    }
}

#[test]
fn invoke_refuses_and_panics() {
    for version in ALL {
        let world = World::new(version);
        let program = GuestCode::raw(&[TRAP]);
        let lent = if is_0_8(&world) { 5 } else { 0 };
        let code = with_machine(&world, &program, 5, 0);
        for (arguments, expect) in [
            ([0, RO], Expect::Panic),
            ([1, RO], Expect::Panic),
            ([0, NOWHERE], Expect::Panic),
            ([0, RW_END - 111], Expect::Panic),
            ([0, u64::MAX], Expect::Panic),
            ([1, EXCHANGE], Expect::Answers(WHO, EXCHANGE)),
            ([u64::MAX, EXCHANGE], Expect::Answers(WHO, EXCHANGE)),
        ] {
            let ran = world.check_refine(&code, "invoke", &arguments, expect);
            assert!(ran.last().written().is_empty());
            // Gas lent to a machine that does not exist is lost.
            let lost = if expect == Expect::Panic { 0 } else { lent };
            assert_eq!(ran.last().cost(), if is_0_8(&world) { 968 + lost } else { 10 });
        }
        world.check_refine(&code, "invoke", &[0, EXCHANGE], Expect::Answer(INNER_PANIC));
    }
}

#[test]
fn lending_more_gas_than_there_is_is_out_of_gas() {
    let world = World::new(GpVersion::V0_8_0);
    for lent in [world.gas, u64::MAX] {
        let code = with_machine(&world, &GuestCode::raw(&[TRAP]), lent, 0);
        let ran = world.refine(&code.call(world.id("invoke"), &[0, EXCHANGE]).halt(0, 0));
        assert_eq!((ran.last().exit, ran.last().gas_after), (Some(GuestExit::OutOfGas), 0));
        assert_eq!(ran.result.gas_used.0, world.gas);
    }
}

/// The answers of these calls after a machine was made of `instructions`.
fn answers(world: &World, instructions: &[&[u8]], gas: u64, calls: &[(&str, &[u64])]) -> Vec<u64> {
    let mut code = with_machine(world, &GuestCode::raw(instructions), gas, 3);
    for (name, arguments) in calls {
        code = code.call(world.id(name), arguments);
    }
    let ran = world.refine(&code.halt(0, 0));
    assert!(ran.calls.iter().all(|call| call.exit.is_none()));
    ran.calls[1..].iter().map(|call| call.after[7]).collect()
}

#[test]
fn a_machine_goes_on_where_it_stopped() {
    let invoke: (&str, &[u64]) = ("invoke", &[0, EXCHANGE]);
    let expunge: (&str, &[u64]) = ("expunge", &[0]);
    for world in worlds() {
        // Past a host call, whose instruction takes two octets.
        assert_eq!(answers(&world, &[ECALLI_7, TRAP], 1000, &[invoke, expunge]), [INNER_HOST, 2]);
        assert_eq!(answers(&world, &[ECALLI_7, TRAP], 1000, &[invoke, invoke, expunge]), [INNER_HOST, INNER_PANIC, 0]);
        // At a fault, which does not come again once the page is there.
        let map: (&str, &[u64]) = ("pages", &[0, 0x20, 1, 2]);
        let store = [ECALLI_7, STORE, ECALLI_7, TRAP];
        let found = answers(&world, &store, 1000, &[invoke, invoke, map, invoke, expunge]);
        assert_eq!(found, [INNER_HOST, INNER_FAULT, OK, INNER_HOST, 2 + 6 + 2]);
        // At the start after a halt, a panic, or out of gas.
        assert_eq!(answers(&world, &HALT, 1000, &[invoke, expunge]), [INNER_HALT, 0]);
        assert_eq!(answers(&world, &[JUMP_TO_ITSELF], 1000, &[invoke, expunge]), [INNER_OOG, 0]);
        assert_eq!(answers(&world, &[TRAP], 1000, &[("expunge", &[1]), expunge, expunge, invoke]), [WHO, 0, WHO, WHO]);
    }
}

#[test]
fn a_store_reaches_memory_and_a_read_only_page_refuses_it() {
    for world in worlds() {
        for (mode, result) in [(2, INNER_HOST), (1, INNER_FAULT)] {
            let code = with_machine(&world, &GuestCode::raw(&[STORE, ECALLI_7, TRAP]), 1000, 0)
                .call(world.id("pages"), &[0, 0x20, 1, mode])
                .call(world.id("invoke"), &[0, EXCHANGE]);
            let ran = world.refine(&code.call(world.id("peek"), &[0, RW, 0x2_0003, 1]).halt(0, 0));
            let [.., invoked, peeked] = &ran.calls[..] else { panic!("two calls at least") };
            assert_eq!((invoked.after[7], peeked.written()), (result, vec![if mode == 2 { 0x55 } else { 0 }]));
        }
    }
}

/// GP 0.8.0: a block is charged once, however often its execution is interrupted.
#[test]
fn blocks_are_charged_once() {
    let world = World::new(GpVersion::V0_8_0);
    let gas_left = |calls: &[(&str, &[u64])], instructions: &[&[u8]]| {
        let mut code = with_machine(&world, &GuestCode::raw(instructions), 1000, 0);
        for (name, arguments) in calls {
            code = code.call(world.id(name), arguments);
        }
        let ran = world.refine(&code.halt(0, 0));
        let invocations = ran.calls.iter().filter(|call| call.name == Some("invoke"));
        invocations.map(|call| invoked(call).2).collect::<Vec<_>>()
    };
    let invoke: (&str, &[u64]) = ("invoke", &[0, EXCHANGE]);
    let after_host_calls = gas_left(&[invoke, invoke, invoke], &[ECALLI_7, ECALLI_7, TRAP]);
    assert_eq!((after_host_calls[1], after_host_calls[2]), (after_host_calls[0], after_host_calls[0]));
    let around_a_fault = gas_left(&[invoke, ("pages", &[0, 0x20, 1, 2]), invoke], &[STORE, TRAP]);
    assert_eq!(around_a_fault[0], around_a_fault[1]);
    // Taken literally, the text also lets the block at 0 go free after a halt or panic.
    let after_a_panic = gas_left(&[invoke, invoke], &[TRAP]);
    assert_eq!(after_a_panic, [998, 998]);
}

#[test]
fn long_runs_move_to_compiled_code_without_a_trace() {
    // Far more gas than the interpreter is given, which ends in the middle; what is left is lent again.
    let (gas, count) = (150_007, 300_000);
    let program = GuestCode::raw(&[COUNT_DOWN[0], COUNT_DOWN[1], STORE, ECALLI_7, TRAP]);
    let mut by_engine = Vec::new();
    for world in worlds() {
        let invoke = world.id("invoke");
        let code = with_machine(&world, &program, gas, count).call(world.id("pages"), &[0, 0x20, 1, 2]);
        let ran = world.refine(&code.call(invoke, &[0, EXCHANGE]).call(invoke, &[0, EXCHANGE]).halt(0, 0));
        let [first, second] = [2, 3].map(|call| invoked(&ran.calls[call]));
        assert_eq!(first.0, INNER_OOG);
        if is_0_8(&world) {
            assert_eq!((second.0, second.2), (INNER_OOG, first.2));
        } else {
            // The last instruction that could be paid is a decrement. −1 is a lot of gas when it is lent.
            assert_eq!((first.2, first.3[1]), (u64::MAX, count - gas.div_ceil(2)));
            assert_eq!((second.0, second.1, second.2), (INNER_HOST, 7, u64::MAX - (2 * count - gas) - 2));
        }
        by_engine.push((world.version, first, second));
    }
    for of_a_version in by_engine.chunks(ENGINES) {
        assert!(of_a_version.iter().all(|of_an_engine| *of_an_engine == of_a_version[0]), "{of_a_version:?}");
    }
}

/// Programs that a guest makes up get best code only after they have used much gas; the machines that have it cannot be told
/// from others.
#[test]
fn inner_programs_have_to_earn_best_code() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    engine.hold_background(true);
    let world = World { engine: engine.clone(), gas: 1 << 40, ..World::new(GpVersion::V0_7_2) };
    let program = GuestCode::raw(&[JUMP_TO_ITSELF]);
    let invoke = |gas| {
        let code = with_machine(&world, &program, gas, 0).call(world.id("invoke"), &[0, EXCHANGE]);
        let ran = world.refine(&code.halt(0, 0));
        let (result, _, left, _) = invoked(ran.calls.last().unwrap());
        assert_eq!((result, left), (INNER_OOG, u64::MAX));
    };
    let inner_tier = || {
        let unread = || -> Result<Vec<u8>, _> { Err("not needed".into()) };
        engine.load(GpVersion::V0_7_2, tvm_isa::Container::Raw, tvm_cache::hash(&program), unread).unwrap().tier()
    };
    // Compiled, and not asked for: what waits is the guest itself.
    invoke(9_000_000);
    assert_eq!((engine.stats().compiled_fast, engine.stats().queued), (2, 1));
    assert_eq!(inner_tier(), Some(Tier::Fast));
    // Another guest, because the gas is another one; and the program, which has earned it now.
    invoke(11_000_000);
    assert_eq!((engine.stats().compiled_fast, engine.stats().queued), (3, 3));
    engine.hold_background(false);
    engine.wait_for_background();
    assert_eq!((engine.stats().compiled_best, engine.stats().swapped), (3, 3));
    assert_eq!(inner_tier(), Some(Tier::Best));
    invoke(11_000_000);
    engine.wait_for_background();
    assert_eq!((engine.stats().compiled_fast, engine.stats().compiled_best), (3, 3));
}

#[test]
fn more_machines_than_may_run_compiled_code() {
    // 64 may; the others go on in the interpreter, and nobody can tell.
    for mut world in worlds() {
        if is_0_8(&world) {
            continue;
        }
        world.gas = 1 << 30;
        let program = GuestCode::raw(&[JUMP_TO_ITSELF]);
        let mut code = guest(&program, 30_000, 0);
        let machines = 66;
        for machine in 0..machines {
            code = code.call(world.id("machine"), &[PROGRAM, program.len() as u64, 0]);
            // The exchange is rewritten by every run, so each gets its own.
            let exchange = RW + 0x100 + machine * 112;
            code = code.with(exchange, &30_000_u64.to_le_bytes()).call(world.id("invoke"), &[machine, exchange]);
        }
        let ran = world.refine(&code.halt(0, 0));
        let invocations: Vec<_> = ran.calls.iter().filter(|call| call.name == Some("invoke")).map(invoked).collect();
        assert_eq!(invocations.len() as u64, machines);
        assert!(invocations.iter().all(|(result, _, gas, _)| (*result, *gas) == (INNER_OOG, u64::MAX)));
    }
}

/// Makes every second page of machine 0 read-only, from `first` on.
fn alternate(world: &World, guest: GuestCode, first: u64, count: u64) -> GuestCode {
    let mut guest = guest.set(5, count).set(7, 0).set(8, first).set(9, 1).set(10, 1);
    // A block ends here, so that the loop can come back. φ7 stays 0, which is OK.
    guest.push(&[1]);
    let start = guest.position();
    guest.push(&[&[10][..], &(world.id("pages") as u32).to_le_bytes()].concat());
    // φ8 ← φ8 + 2, φ5 ← φ5 − 1, and back unless it is 0.
    guest.push(&[149, 0x88, 2]);
    guest.push(&[149, 0x55, 0xff]);
    let offset = start as i32 - guest.position() as i32;
    guest.push(&[&[82, 0x05][..], &offset.to_le_bytes()].concat());
    guest
}

#[test]
fn rights_of_pages_stay_exact_when_the_kernel_refuses_more_mappings() {
    // Linux gives a process 65 530 mappings; every second of 140 000 pages takes more. The machine runs compiled code
    // by then, whose accesses only the processor checks.
    let program = GuestCode::raw(&[COUNT_DOWN[0], COUNT_DOWN[1], STORE, ECALLI_7, TRAP]);
    let mut by_engine = Vec::new();
    for mut world in worlds() {
        world.gas = 1 << 40;
        for (first, store) in [(0x20, INNER_FAULT), (0x21, INNER_HOST)] {
            let code = with_machine(&world, &program, 100_000, 60_000)
                .call(world.id("invoke"), &[0, EXCHANGE])
                .call(world.id("pages"), &[0, 16, 140_100, 2]);
            let fresh = RW + 0x3000;
            let code = alternate(&world, code, first, 70_000)
                .with(fresh, &10_000_000_u64.to_le_bytes())
                .with(fresh + 16, &[9]);
            let code = code.call(world.id("invoke"), &[0, fresh]);
            let ran = world.refine(&code.call(world.id("poke"), &[0, PROGRAM, first << 12, 1]).halt(0, 0));
            assert_eq!(ran.calls[1].after[7], INNER_OOG);
            let [.., invocation, poke] = &ran.calls[..] else { panic!("two calls at least") };
            assert_eq!((invocation.after[7], poke.after[7]), (store, OOB));
            by_engine.push((world.version, first, invoked(invocation)));
        }
    }
    for of_a_version in by_engine.chunks(2 * ENGINES) {
        for of_an_engine in of_a_version.chunks(2) {
            assert_eq!(*of_an_engine, of_a_version[..2]);
        }
    }
}
