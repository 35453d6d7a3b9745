//! The guest's own memory: heap, stack, what it may touch, and `grow_heap`.

use tvm_isa::layout::{ARGUMENTS_START, STACK_TOP, Sizes};
use tvm_isa::{Gas, GpVersion, StandardProgram, split_metadata};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::types::WorkError;

use crate::support::commands::{Commands, n};
use crate::support::heap;
use crate::support::world::{Ran, VERSIONS, World};

const V0_8_0: GpVersion = GpVersion::V0_8_0;

/// What the probe of 0.7.2, which has no such call, shows for `grow_heap`.
const NOT_OFFERED: u64 = u64::MAX - 99;

fn sizes(world: &World) -> Sizes {
    let (_, program) = split_metadata(&world.code).expect("metadata");
    StandardProgram::parse(program).expect("a standard program").sizes()
}

/// The allocator's memory comes from `sbrk` or from `grow_heap`, whichever the version has.
#[test]
fn allocation() {
    for version in VERSIONS {
        let world = World::new(version);
        let commands = Commands::new().alloc(1 << 20).alloc(5 << 20).alloc(1);
        let ran = world.refine_commands(&commands);
        let mut answers = ran.answers();
        assert_eq!((answers.number(), answers.number(), answers.number()), (256, 1280, 1), "{version}");
        answers.end();
        assert_eq!(ran.calls("grow_heap").is_empty(), version != V0_8_0);
        let ran = world.accumulate_commands(&commands);
        assert_eq!(ran.answers().number(), 256, "{version}: in accumulate too");
        // More than the allocator has.
        let ran = world.refine_commands(&Commands::new().alloc(u32::MAX));
        assert_eq!(ran.result.result, Err(WorkError::Panic), "{version}");
    }
}

#[test]
fn stack() {
    for version in VERSIONS {
        let world = World::new(version);
        let mut answers = world.refine_commands(&Commands::new().recurse(300)).answers();
        assert_eq!(answers.number(), 300, "{version}");
        // Past the end of the stack, where nothing is mapped.
        let ran = world.refine_commands(&Commands::new().recurse(100_000));
        assert_eq!(ran.result.result, Err(WorkError::Panic));
        let (exit, state) = ran.seen.end.expect("the end");
        assert!(matches!(exit, GuestExit::PageFault(_)), "{version}: {exit:?}");
        let bottom = u64::from(STACK_TOP.0) - u64::from(sizes(&world).stack);
        assert!(state.regs[1] < bottom, "{version}: the stack pointer is below the stack");
    }
}

/// What can be read, what can be written, and what neither.
#[test]
fn access_rights() {
    for version in VERSIONS {
        let world = World::new(version);
        let Sizes { stack, .. } = sizes(&world);
        let end_of_heap = heap::end_page(sizes(&world)) << 12;
        let arguments = u64::from(ARGUMENTS_START.0);
        let top = u64::from(STACK_TOP.0);
        let bottom = top - u64::from(stack).next_multiple_of(4096);
        let cases = [
            (0, false, false),
            (0xffff, false, false),
            (0x1_0000, true, false),
            (arguments, true, false),
            (arguments + 4095, true, false),
            (arguments + 4096, false, false),
            (bottom - 1, false, false),
            (bottom, true, true),
            (top, false, false),
            (end_of_heap - 1, true, true),
            (u64::from(u32::MAX), false, false),
        ];
        for (address, readable, writable) in cases {
            for (commands, allowed) in
                [(Commands::new().load(address), readable), (Commands::new().save(address, 0), writable)]
            {
                let ran = world.refine_commands(&commands);
                assert_eq!(ran.result.result.is_ok(), allowed, "{version}: {commands:?} at {address:#x}");
                let fault = matches!(ran.seen.end.clone().expect("the end").0, GuestExit::PageFault(_));
                assert_eq!(fault, !allowed && address >= 0x1_0000, "{version}: {address:#x}");
            }
        }
    }
}

/// φ7 of each `grow_heap` that the commands made, without the allocator's own: those come first.
fn grown<T>(ran: &Ran<T>, count: usize) -> Vec<u64> {
    let calls = ran.calls("grow_heap");
    calls[calls.len() - count..].iter().map(|call| call.after[7]).collect()
}

#[test]
fn grow_heap() {
    let world = World::new(V0_8_0);
    let start = heap::end_page(sizes(&world));
    let limit = heap::limit_page(sizes(&world));
    // The allocator grows the heap by itself before commands run, so the end is asked for.
    let query = Commands::new().call("grow_heap", &[n(0)]);
    let ran = world.refine_commands(&query);
    let end = grown(&ran, 1)[0];
    assert!(end >= start, "{end} is behind {start}");
    assert_eq!(ran.codes(), [end]);

    let wanted = [end, end - 1, end + 3, end + 1, limit + 1, u64::MAX, 1 << 32, end + 4];
    let commands = wanted.iter().fold(Commands::new(), |commands, &wanted| commands.call("grow_heap", &[n(wanted)]));
    let last = (end + 4) << 12;
    let fresh = commands.clone().load(end << 12).save(last - 1, 5).load(last - 1);
    for ran in [world.refine_commands(&fresh).answers(), world.accumulate_commands(&fresh).answers()] {
        let mut answers = ran;
        // In accumulate the allocator may have taken other steps, but the probe asks for the same pages.
        let found: Vec<u64> = wanted.iter().map(|_| answers.first()).collect();
        assert_eq!(found[2..], [end + 3; 5].into_iter().chain([end + 4]).collect::<Vec<_>>());
        assert_eq!((answers.number(), answers.number()), (0, 5), "new pages are zero, and can be written");
        answers.end();
    }
    let ran = world.refine_commands(&commands.load(last));
    assert_eq!(ran.result.result, Err(WorkError::Panic), "there is nothing behind the end");
}

/// Growth that cannot be paid ends the run, but leaves the gas as it was: all that the call's own rule says.
#[test]
fn growth_that_cannot_be_paid() {
    let mut world = World::new(V0_8_0);
    world.gas = Gas(1_000_000);
    let ran = world.refine_commands(&Commands::new().call("grow_heap", &[n(heap::limit_page(sizes(&world)))]));
    assert_eq!(ran.result.result, Err(WorkError::OutOfGas));
    let call = ran.last_call();
    assert_eq!((call.exit, call.gas_before), (Some(GuestExit::OutOfGas), call.gas_after));
    assert_eq!(ran.result.gas_used, Gas(world.gas.0 - call.gas_after));
    let ran = world.accumulate_commands(&Commands::new().call("grow_heap", &[n(heap::limit_page(sizes(&world)))]));
    assert_eq!(ran.result.end, InvocationEnd::OutOfGas);
    assert!(ran.result.gas_used < world.gas);
}

#[test]
fn grow_heap_is_not_offered_before_0_8_0() {
    let ran = World::new(GpVersion::V0_7_2).refine_commands(&Commands::new().call("grow_heap", &[n(0)]));
    assert_eq!(ran.codes(), [NOT_OFFERED]);
}

/// Nothing of a run is seen in the next one: memory starts as the program has it.
#[test]
fn memory_starts_afresh() {
    for version in VERSIONS {
        let world = World::new(version);
        let commands = Commands::new().show(0, 64).fill(0, 64, 0xee).show(0, 64).whereabouts();
        for _ in 0..3 {
            let mut answers = world.refine_commands(&commands).answers();
            assert_eq!((answers.bytes(64), answers.bytes(64)), (vec![0; 64], vec![0xee; 64]), "{version}");
            assert!(answers.number() >= 2 << 16);
            answers.end();
        }
    }
}
