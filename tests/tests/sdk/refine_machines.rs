//! Inner machines: machine, peek, poke, pages, invoke, expunge.

use tvm_isa::{GpVersion, Op, Pc, Program};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{FULL, HUH, OK, OOB, WHO};
use tvm_runtime::jam::results::{INNER_FAULT, INNER_HALT, INNER_HOST, INNER_OOG, INNER_PANIC};
use tvm_runtime::jam::types::WorkError;
use tvm_tests::assemble::{Assembler, Inst};

use crate::support::commands::{Answers, Commands, at, n, stored};
use crate::support::world::{VERSIONS, World};

/// Where programs are put in the scratch area.
const PROGRAM: u32 = 0x1000;
/// Where gas and registers are exchanged.
const EXCHANGE: u32 = 0x100;
/// A page of the inner machine, and its first address.
const PAGE: u64 = 32;
const ADDRESS: u64 = PAGE << 12;

/// A program for an inner machine, and where its blocks start.
struct Inner {
    version: GpVersion,
    blob: Vec<u8>,
    /// Program counters that the test wants to know.
    marks: Vec<u64>,
}

impl Inner {
    /// Adds up the numbers from φ7 down to 1 in φ8, stores the sum where φ9 points, calls host function 42 with it, loads
    /// what is behind the sum to φ10, and halts.
    fn sums(version: GpVersion) -> Self {
        let mut asm = Assembler::new(version);
        let start = asm.here();
        asm.push(Inst::three(Op::Add64, 8, 8, 7));
        asm.push(Inst::two(Op::AddImm64, 7, 7, -1));
        asm.push(Inst::imm(Op::BranchNeImm, 7, 0).to(start));
        let store = asm.push(Inst::two(Op::StoreIndU64, 8, 9, 0));
        let call = asm.ecalli(42);
        let load = asm.push(Inst::two(Op::LoadIndU64, 10, 9, 8));
        asm.halt();
        Self { version, blob: asm.blob(), marks: [store, call, load].map(u64::from).to_vec() }
    }

    fn of(version: GpVersion, build: impl FnOnce(&mut Assembler)) -> Self {
        let mut asm = Assembler::new(version);
        build(&mut asm);
        Self { version, blob: asm.blob(), marks: Vec::new() }
    }

    /// What the block at `pc` costs where gas is charged by the block.
    fn block(&self, pc: u64) -> u64 {
        let program = Program::parse(&self.blob).expect("a program");
        tvm_isa::gas::block_cost(&program, self.version.rules(), Pc(pc as u32)).0
    }

    /// Makes a machine of it.
    fn machine(&self, commands: Commands, pc: u64) -> Commands {
        let len = self.blob.len() as u64;
        commands.put(PROGRAM, &self.blob).call("machine", &[at(PROGRAM.into()), n(len), n(pc)])
    }
}

/// Sets gas and registers, runs machine `index`, and shows what came of it.
fn run(commands: Commands, index: u64, gas: u64, regs: [u64; 13]) -> Commands {
    resume(commands.put(EXCHANGE + 8, &words(&regs)), index, gas)
}

/// Runs machine `index` with the registers there are.
fn resume(commands: Commands, index: u64, gas: u64) -> Commands {
    let commands = commands.put(EXCHANGE, &gas.to_le_bytes());
    commands.call("invoke", &[n(index), at(EXCHANGE.into())]).show(EXCHANGE, 112)
}

/// Both results, gas and registers.
fn outcome(answers: &mut Answers) -> ((u64, u64), u64, [u64; 13]) {
    let results = answers.both();
    let gas = answers.number();
    (results, gas, std::array::from_fn(|_| answers.number()))
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The registers of [`Inner::sums`] for the sum up to `count`.
fn count_to(count: u64) -> [u64; 13] {
    let mut regs = [0; 13];
    (regs[7], regs[9], regs[12]) = (count, ADDRESS, u64::MAX);
    regs
}

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

#[test]
fn programs_that_are_none() {
    for version in VERSIONS {
        let checks_start = version == GpVersion::V0_8_0;
        let sums = Inner::sums(version);
        let malformed = Inner { version, blob: sums.blob[..sums.blob.len() - 1].to_vec(), marks: Vec::new() };
        let commands = malformed.machine(Commands::new(), 0).call("machine", &[at(0), n(0), n(0)]);
        // In the middle of an instruction, at the end, and far behind it.
        let starts = [1, u64::from(Program::parse(&sums.blob).expect("a program").code_len()), u64::MAX];
        let commands = starts.iter().fold(commands, |commands, &pc| sums.machine(commands, pc));
        let expected = if checks_start { [HUH; 3] } else { [0, 1, 2] };
        let codes = World::new(version).refine_commands(&commands).codes();
        assert_eq!(codes, [[HUH; 2].as_slice(), &expected].concat(), "{version}");
        // A program that is not readable.
        for (start, len) in [(n(0), n(1)), (at(0), n(1 << 32)), (n((1 << 32) - 1), n(2))] {
            let commands = Commands::new().call("machine", &[start, len, n(0)]);
            assert_eq!(World::new(version).refine_commands(&commands).result.result, Err(WorkError::Panic));
        }
    }
}

/// GP 0.8.0 has room for 63 machines, GP 0.7.2 for any number. The lowest free index is given out.
#[test]
fn indices_and_their_limit() {
    for version in VERSIONS {
        let inner = Inner::sums(version);
        let len = inner.blob.len() as u64;
        let machine = Commands::new().call("machine", &[at(PROGRAM.into()), n(len), n(0)]);
        let mut commands = Commands::new().put(PROGRAM, &inner.blob).repeat(63, &machine);
        let limited = version == GpVersion::V0_8_0;
        // The limit comes before the program is looked at, which is not even readable here.
        commands = if limited { commands.call("machine", &[n(0), n(1), n(0)]) } else { commands.then(&machine) };
        for index in [40, 3, 17] {
            commands = commands.call("expunge", &[n(index)]);
        }
        let commands = commands.repeat(3, &machine);
        let codes = World::new(version).refine_commands(&commands).codes();
        let expected: Vec<u64> = (0..63).collect();
        assert_eq!(codes[..63], expected);
        let after = [if limited { FULL } else { 63 }, 0, 0, 0, 3, 17, 40];
        assert_eq!(codes[63..], after, "{version}");
    }
}

#[test]
fn machines_that_do_not_exist() {
    for version in VERSIONS {
        let mut commands = Inner::sums(version).machine(Commands::new(), 0);
        for index in [1, 63, 1 << 32, u64::MAX] {
            commands = commands
                .call("peek", &[n(index), at(0), n(0), n(0)])
                .call("poke", &[n(index), at(0), n(0), n(0)])
                .call("pages", &[n(index), n(0), n(0), n(9)])
                .call("expunge", &[n(index)]);
        }
        let codes = World::new(version).refine_commands(&commands).codes();
        assert_eq!(codes[1..], [WHO; 16], "{version}");

        // The gas that is lent to nobody is lost since GP 0.8.0; costs::check has the sum.
        let ran = World::new(version).refine_commands(&run(Commands::new(), 5, 1000, [3; 13]));
        let mut answers = ran.answers();
        // φ8 is the exchange's address, and nothing is written there.
        let ((code, _), gas, regs) = outcome(&mut answers);
        assert_eq!((code, gas, regs), (WHO, 1000, [3; 13]));
        let call = ran.calls("invoke")[0];
        let cost = if version == GpVersion::V0_8_0 { 968 + 1000 } else { 10 };
        assert_eq!(call.gas_before - call.gas_after, cost);
        assert_eq!(call.after[8], call.before[8]);
    }
}

#[test]
fn peek_and_poke() {
    for version in VERSIONS {
        let world = World::new(version);
        let inner = Inner::sums(version).machine(Commands::new(), 0);
        // Two pages to write, one to read; nothing before and behind.
        let inner = inner.call("pages", &[n(0), n(PAGE), n(2), n(2)]).call("pages", &[n(0), n(PAGE + 2), n(1), n(1)]);
        let (end_of_writable, end) = (ADDRESS + 0x2000, ADDRESS + 0x3000);
        let cases = [
            ("poke", ADDRESS, 0x2000, OK),
            ("poke", ADDRESS + 1, 0x2000, OOB),
            ("poke", end_of_writable - 1, 1, OK),
            ("poke", end_of_writable, 1, OOB),
            ("poke", ADDRESS - 1, 1, OOB),
            ("poke", ADDRESS - 1, 0, OK),
            ("poke", u64::MAX, 0, OK),
            ("poke", u64::MAX, 1, OOB),
            ("poke", (1 << 32) + ADDRESS, 1, OOB),
            ("peek", ADDRESS, 0x3000, OK),
            ("peek", ADDRESS, 0x3001, OOB),
            ("peek", end - 1, 1, OK),
            ("peek", end, 1, OOB),
            ("peek", 0, 0, OK),
            ("peek", 0, 1, OOB),
            ("peek", u64::MAX, 2, OOB),
        ];
        let commands = cases.iter().fold(inner.clone(), |commands, &(name, address, len, _)| {
            commands.call(name, &[n(0), at(0x4000), n(address), n(len)])
        });
        let codes = world.refine_commands(&commands).codes();
        for ((name, address, len, expected), code) in cases.into_iter().zip(&codes[3..]) {
            assert_eq!(*code, expected, "{version}: {name} {len} at {address:#x}");
        }
        // What cannot be reached in the caller panics, before the machine is looked for.
        for (name, address, len) in [("peek", 0, 1), ("peek", 0x1_0000, 1), ("poke", 0, 1), ("poke", u64::MAX, 1)] {
            for index in [0, 9] {
                let ran = world.refine_commands(&inner.clone().call(name, &[n(index), n(address), n(ADDRESS), n(len)]));
                assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}: {name} with {address:#x}");
            }
        }
        // Data goes through unchanged, over a page's end too.
        let data: Vec<u8> = (0..200).collect();
        let commands = inner
            .put(0, &data)
            .call("poke", &[n(0), at(0), n(ADDRESS + 0x1000 - 77), n(200)])
            .call("peek", &[n(0), at(1000), n(ADDRESS + 0x1000 - 77 + 50), n(150)])
            .show(1000, 151);
        let mut answers = world.refine_commands(&commands).answers();
        assert_eq!(std::array::from_fn(|_| answers.first()), [0, OK, OK, OK, OK]);
        assert_eq!(answers.bytes(151), [&data[50..], &[0]].concat());
    }
}

#[test]
fn pages() {
    for version in VERSIONS {
        const LAST: u64 = (1 << 20) - 1;
        let cases = [
            (16, 1, 2, OK),
            (15, 1, 2, HUH),
            (0, 0, 2, HUH),
            (16, 0, 0, OK),
            (PAGE, 1, 5, HUH),
            (PAGE, 1, u64::MAX, HUH),
            // The last page is never to be had: p + c has to be below 2^20.
            (LAST - 1, 1, 1, OK),
            (LAST - 1, 2, 1, HUH),
            (LAST, 0, 1, OK),
            (LAST, 1, 1, HUH),
            (1 << 32, 1, 2, HUH),
            (16, 1 << 20, 2, HUH),
            (u64::MAX, 2, 2, HUH),
            // Contents are only kept of pages that have some.
            (PAGE, 1, 3, HUH),
            (PAGE, 1, 4, HUH),
            (PAGE, 2, 2, OK),
            (PAGE, 2, 3, OK),
            (PAGE, 3, 4, HUH),
            (PAGE, 2, 4, OK),
            (PAGE, 0, 3, OK),
            (PAGE, 1, 0, OK),
            (PAGE, 2, 4, HUH),
            (PAGE + 1, 1, 3, OK),
        ];
        let inner = Inner::sums(version).machine(Commands::new(), 0);
        let commands = cases.iter().fold(inner.clone(), |commands, &(page, count, mode, _)| {
            commands.call("pages", &[n(0), n(page), n(count), n(mode)])
        });
        let codes = World::new(version).refine_commands(&commands).codes();
        for ((page, count, mode, expected), code) in cases.into_iter().zip(&codes[1..]) {
            assert_eq!(*code, expected, "{version}: {count} pages from {page}, mode {mode}");
        }

        // What modes do to contents and rights: write, then change the mode, then look and write again.
        let effects = [
            (0, OOB, OOB, None),
            (1, OK, OOB, Some(0)),
            (2, OK, OK, Some(0)),
            (3, OK, OOB, Some(9)),
            (4, OK, OK, Some(9)),
        ];
        for (mode, peeked, poked, byte) in effects {
            let commands = inner
                .clone()
                .call("pages", &[n(0), n(PAGE), n(1), n(2)])
                .put(0, &[9])
                .call("poke", &[n(0), at(0), n(ADDRESS + 5), n(1)])
                .call("pages", &[n(0), n(PAGE), n(1), n(mode)])
                .put(0, &[0xaa])
                .call("peek", &[n(0), at(0), n(ADDRESS + 5), n(1)])
                .call("poke", &[n(0), at(1), n(ADDRESS + 5), n(1)])
                .show(0, 1);
            let mut answers = World::new(version).refine_commands(&commands).answers();
            let codes: Vec<u64> = (0..6).map(|_| answers.first()).collect();
            assert_eq!(codes, [0, OK, OK, OK, peeked, poked], "{version}: mode {mode}");
            assert_eq!(answers.bytes(1), [byte.unwrap_or(0xaa)], "{version}: mode {mode}");
        }
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
            (answers.first(), answers.first());
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
