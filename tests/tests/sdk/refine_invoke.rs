//! Running inner machines: invoke, and what the other calls have to do with it.

use tvm_isa::{GpVersion, Op};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{INNER_FAULT, INNER_HALT, INNER_HOST, INNER_OOG, INNER_PANIC};
use tvm_runtime::jam::results::{OK, WHO};
use tvm_runtime::jam::types::WorkError;
use tvm_tests::assemble::Inst;

use crate::support::commands::{Commands, at, n, stored};
use crate::support::inner::{ADDRESS, EXCHANGE, Inner, PAGE, count_to, outcome, resume, run, words};
use crate::support::world::{VERSIONS, World};

/// A machine computes, faults, is given memory, calls the host, reads what the host poked, and halts.
#[test]
fn a_machine_from_start_to_end() {
    for version in VERSIONS {
        let inner = Inner::sums(version);
        let commands = inner.machine(Commands::new(), 0);
        let commands = run(commands, 0, 10_000, count_to(10));
        let commands = commands.call("pages", &[n(0), n(PAGE), n(1), n(2)]);
        let commands = resume(commands, 0, 10_000);
        let commands = commands.call("peek", &[n(0), at(0), n(ADDRESS), n(16)]).show(0, 16);
        let commands = commands.put(0, &words(&[0xfeed])).call("poke", &[n(0), at(0), n(ADDRESS + 8), n(8)]);
        let commands = resume(commands, 0, 10_000).call("expunge", &[n(0)]).call("expunge", &[n(0)]);
        let ran = World::new(version).refine_commands(&commands);
        let mut answers = ran.answers();
        assert_eq!(answers.first(), 0, "the first machine's index");

        let per_block = version == GpVersion::V0_8_0;
        let after_loop = inner.marks[0];
        // Ten rounds of the loop, and the instruction that faults or its block.
        let used = if per_block { 10 * inner.block(0) + inner.block(after_loop) } else { 3 * 10 + 1 };
        let mut regs = count_to(10);
        (regs[7], regs[8]) = (0, 55);
        assert_eq!(outcome(&mut answers), ((INNER_FAULT, ADDRESS), 10_000 - used, regs), "{version}");

        assert_eq!(answers.first(), OK, "pages");
        // The store and the call. Per block, both are paid for already.
        let used = if per_block { 0 } else { 2 };
        assert_eq!(outcome(&mut answers), ((INNER_HOST, 42), 10_000 - used, regs), "{version}");

        assert_eq!((answers.first(), answers.bytes(16)), (OK, words(&[55, 0])), "peek");
        assert_eq!(answers.first(), OK, "poke");
        // load, load_imm_64 or load_imm, jump_ind. `ecalli` ends no block.
        let used = if per_block { 0 } else { 3 };
        (regs[0], regs[10]) = (0xffff_0000, 0xfeed);
        let (results, gas, found) = outcome(&mut answers);
        assert_eq!((results.0, gas, found), (INNER_HALT, 10_000 - used, regs), "{version}");

        // The program counter is 0 after a halt.
        assert_eq!((answers.first(), answers.first()), (0, WHO));
        answers.end();

        // GP 0.8.0 takes the machine's gas from the caller; costs::check has the sums.
        let costs: Vec<u64> = ran.calls("invoke").iter().map(|call| call.gas_before - call.gas_after).collect();
        let used = 10 * inner.block(0) + inner.block(after_loop);
        assert_eq!(costs, if per_block { [968 + used, 968, 968] } else { [10; 3] });
    }
}

/// Where a machine stopped shows when it is expunged.
#[test]
fn program_counters() {
    for version in VERSIONS {
        let inner = Inner::sums(version);
        let mut commands = Commands::new();
        for pages in [false, true] {
            commands = inner.machine(commands, 0);
            if pages {
                commands = commands.call("pages", &[n(0), n(PAGE), n(1), n(2)]);
            }
            commands = run(commands, 0, 1000, count_to(1)).call("expunge", &[n(0)]);
        }
        // Not run at all.
        commands = inner.machine(commands, inner.marks[0]).call("expunge", &[n(0)]);
        let mut answers = World::new(version).refine_commands(&commands).answers();
        let [store, _, load] = inner.marks[..] else { unreachable!() };
        answers.first();
        assert_eq!(outcome(&mut answers).0, (INNER_FAULT, ADDRESS));
        assert_eq!(answers.first(), store, "{version}: a fault stays where it is");
        assert_eq!((answers.first(), answers.first()), (0, OK));
        assert_eq!(outcome(&mut answers).0, (INNER_HOST, 42));
        assert_eq!(answers.first(), load, "{version}: behind the host call");
        assert_eq!((answers.first(), answers.first()), (0, store), "{version}: where it was to start");
        answers.end();
    }
}

/// Every way to end: trap, page fault on a page that is read-only, out of gas, and on from there.
#[test]
fn ends() {
    for version in VERSIONS {
        let per_block = version == GpVersion::V0_8_0;
        let trap = Inner::of(version, |asm| {
            asm.op(Op::Trap);
        });
        let commands = trap.machine(Commands::new(), 0);
        let commands = run(commands, 0, 100, [5; 13]);
        let sums = Inner::sums(version);
        let commands = sums.machine(commands, 0).call("pages", &[n(1), n(PAGE), n(1), n(1)]);
        let commands = run(commands, 1, 1000, count_to(1)).call("expunge", &[n(1)]);
        // Enough for three rounds of the loop, then for the rest.
        let three = if per_block { 3 * sums.block(0) + sums.block(0) - 1 } else { 3 * 3 };
        let commands = sums.machine(commands, 0);
        let commands = run(commands, 1, three, count_to(5));
        let commands = resume(commands, 1, 1000);
        // A jump to address 0 panics; the sum's address below 2^16 too.
        let low = Inner::of(version, |asm| {
            asm.push(Inst::two(Op::LoadIndU8, 7, 8, 0));
            asm.op(Op::Trap);
        });
        let commands = low.machine(commands, 0);
        let mut regs = [0; 13];
        regs[8] = 0xffff;
        let commands = run(commands, 2, 1000, regs);
        let mut answers = World::new(version).refine_commands(&commands).answers();

        assert_eq!(answers.first(), 0);
        // A trap costs 1, or 2 as a block of its own.
        let left = if per_block { 98 } else { 99 };
        let ((code, _), gas, found) = outcome(&mut answers);
        assert_eq!((code, gas, found), (INNER_PANIC, left, [5; 13]), "{version}");

        assert_eq!((answers.first(), answers.first()), (1, OK));
        assert_eq!(outcome(&mut answers).0, (INNER_FAULT, ADDRESS), "{version}: a store to a read-only page");
        assert_eq!(answers.first(), sums.marks[0]);

        assert_eq!(answers.first(), 1, "the index is free again");
        let ((code, _), gas, found) = outcome(&mut answers);
        // Per instruction the counter is −1. Per block what does not suffice is left.
        let left = if per_block { sums.block(0) - 1 } else { u64::MAX };
        assert_eq!((code, gas, found[7], found[8]), (INNER_OOG, left, 2, 5 + 4 + 3), "{version}");
        let ((code, address), _, found) = outcome(&mut answers);
        assert_eq!((code, address, found[7], found[8]), (INNER_FAULT, ADDRESS, 0, 15), "{version}");

        assert_eq!(answers.first(), 2);
        assert_eq!(outcome(&mut answers).0.0, INNER_PANIC, "{version}: below 2^16 there are no page faults");
        answers.end();
    }
}

/// Long enough that the compiled engine compiles the inner program: nothing changes by that.
#[test]
fn a_machine_that_is_worth_compiling() {
    const ROUNDS: u64 = 200_000;
    for version in VERSIONS {
        let inner = Inner::sums(version);
        let commands = inner.machine(Commands::new(), 0);
        // Stops in the middle, with a page whose contents must survive.
        let commands = commands.call("pages", &[n(0), n(PAGE), n(1), n(2)]).put(0, &words(&[7, 8]));
        let commands = commands.call("poke", &[n(0), at(0), n(ADDRESS), n(16)]);
        let round = if version == GpVersion::V0_8_0 { inner.block(0) } else { 3 };
        let commands = run(commands, 0, round * ROUNDS / 2, count_to(ROUNDS));
        let commands = resume(commands, 0, round * ROUNDS);
        let commands = commands.call("peek", &[n(0), at(0), n(ADDRESS), n(16)]).show(0, 16);
        let mut answers = World::new(version).refine_commands(&commands).answers();
        assert_eq!((answers.first(), answers.first(), answers.first()), (0, OK, OK));
        let ((code, _), _, found) = outcome(&mut answers);
        let half = ROUNDS / 2;
        assert_eq!((code, found[7]), (INNER_OOG, half), "{version}");
        assert_eq!(found[8], (half + 1 + ROUNDS) * half / 2);
        let (results, _, found) = outcome(&mut answers);
        assert_eq!((results, found[8]), ((INNER_HOST, 42), (1 + ROUNDS) * ROUNDS / 2), "{version}");
        assert_eq!((answers.first(), answers.bytes(16)), (OK, words(&[found[8], 8])));
        answers.end();
    }
}

/// The exchange has to be writable, whatever the machine.
#[test]
fn exchanges_that_are_not_writable() {
    for version in VERSIONS {
        let inner = Inner::sums(version).machine(Commands::new(), 0);
        for exchange in [0, 0x1_0000, 0xfeff_0000, (1 << 32) - 8, u64::MAX] {
            for index in [0, 1] {
                let commands = inner.clone().call("invoke", &[n(index), n(exchange)]);
                let ran = World::new(version).refine_commands(&commands);
                assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}: {exchange:#x}");
            }
        }
        // Right before the end of the stack there is no room for all 112 octets.
        let commands = inner.call("invoke", &[n(0), n(0xfefe_0000 - 111)]);
        let ran = World::new(version).refine_commands(&commands);
        assert_eq!(ran.last_call().exit, Some(GuestExit::Panic));
    }
}

/// More gas than the caller has cannot be lent since GP 0.8.0. Before, nobody has to have it.
#[test]
fn lending_more_than_there_is() {
    for version in VERSIONS {
        let inner = Inner::of(version, |asm| {
            asm.ecalli(-1);
            asm.op(Op::Trap);
        });
        let commands = inner.machine(Commands::new(), 0);
        // The gas is whatever is left before the call.
        let commands = commands.call("gas", &[]).keep(EXCHANGE).call("invoke", &[n(0), at(EXCHANGE.into())]);
        let ran = World::new(version).refine_commands(&commands);
        if version == GpVersion::V0_8_0 {
            assert_eq!(ran.result.result, Err(WorkError::OutOfGas));
            // A host call that cannot be paid takes everything.
            assert_eq!(ran.result.gas_used, World::new(version).gas);
        } else {
            let mut answers = ran.answers();
            assert_eq!(answers.first(), 0);
            assert_eq!(answers.first(), ran.calls("gas")[0].gas_after);
            // Identifiers of host calls are sign-extended.
            assert_eq!(answers.both(), (INNER_HOST, u64::MAX));
        }
    }
}

/// One machine's index comes out of a call and goes into the next, through the scratch area.
#[test]
fn many_machines_side_by_side() {
    for version in VERSIONS {
        let inner = Inner::sums(version);
        let mut commands = Commands::new();
        for count in 1..=20 {
            commands = inner.machine(commands, 0).keep(64);
            commands = commands.call("pages", &[stored(64), n(PAGE), n(1), n(2)]);
            commands = run(commands, count - 1, 5000, count_to(count));
        }
        for index in (0..20).rev() {
            commands = commands.call("peek", &[n(index), at(0), n(ADDRESS), n(8)]).show(0, 8);
        }
        let mut answers = World::new(version).refine_commands(&commands).answers();
        for count in 1..=20 {
            assert_eq!((answers.first(), answers.first()), (count - 1, OK));
            let (results, _, regs) = outcome(&mut answers);
            assert_eq!((results, regs[8]), ((INNER_HOST, 42), count * (count + 1) / 2), "{version}");
        }
        for count in (1..=20).rev() {
            assert_eq!(
                (answers.first(), answers.number()),
                (OK, count * (count + 1) / 2),
                "{version}: memories are apart"
            );
        }
        answers.end();
    }
}
