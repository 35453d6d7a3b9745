//! Inner machines and their memory: machine, peek, poke, pages, expunge.

use tvm_isa::{GpVersion, Program};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{FULL, HUH, OK, OOB, WHO};
use tvm_runtime::jam::types::WorkError;

use crate::support::commands::{Commands, at, n};
use crate::support::inner::{ADDRESS, Inner, PAGE, PROGRAM, outcome, run};
use crate::support::world::{VERSIONS, World};

#[test]
fn programs_that_are_none() {
    for version in VERSIONS {
        let checks_start = version == GpVersion::V0_8_0;
        let sums = Inner::sums(version);
        let mut malformed = Inner::sums(version);
        malformed.blob.pop();
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
