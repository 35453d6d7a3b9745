//! Refine's other host functions, but for inner machines: gas, historical_lookup, export, log, calls that are unknown.

use tvm_isa::Gas;
use tvm_runtime::GuestExit;
use tvm_runtime::jam::observer::LogMessage;
use tvm_runtime::jam::results::{FULL, NONE, WHAT};
use tvm_runtime::jam::types::{Hash, TimeSlot, Timeline, WorkError};

use crate::support::commands::{Commands, at, n};
use crate::support::world::{NOBODY, OTHER, SELF, VERSIONS, World};

#[test]
fn without_commands_there_is_an_output() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let accumulate = Commands::new().call("gas", &[]);
        world.package.items[1].payload = Commands::new().show(0, 3).payload(&accumulate);
        let ran = world.refine();
        let expected = [&3_u32.to_le_bytes()[..], &[0; 3], &accumulate.0].concat();
        assert_eq!(ran.result.result.as_deref(), Ok(&expected[..]));
        // The SDK asks for the constants before it does anything.
        assert_eq!(ran.seen.calls[0].name, Some("fetch"));
        assert_eq!(ran.seen.calls[0].before[10], 0);
        let (exit, state) = ran.seen.end.expect("the end");
        assert_eq!(exit, GuestExit::Halt);
        assert_eq!(ran.result.gas_used, Gas(world.gas.0 - state.gas.0));
    }
}

#[test]
fn gas_is_what_is_left_behind_the_call() {
    for version in VERSIONS {
        let commands = Commands::new().call("gas", &[]).burn(1000).call("gas", &[]);
        let ran = World::new(version).refine_commands(&commands);
        let told = ran.codes();
        let left: Vec<u64> = ran.calls("gas").iter().map(|call| call.gas_after).collect();
        assert_eq!(told, left);
        assert!(told[0] - told[1] > 1000, "{version}: a thousand rounds take more than a thousand gas");
    }
}

/// A run with exactly the gas it needs ends as one with more; with one less it is out of gas.
#[test]
fn gas_to_the_last_unit() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let commands = Commands::new().burn(20).call("export", &[at(0), n(9)]).call("unknown", &[]);
        let plenty = world.refine_commands(&commands);
        assert_eq!(plenty.codes(), [0, WHAT]);
        world.gas = plenty.result.gas_used;
        // The limit of this item is also in the package, so only the outcome is compared.
        assert_eq!(world.refine_commands(&commands).result, plenty.result);
        world.gas = Gas(world.gas.0 - 1);
        let short = world.refine_commands(&commands);
        assert_eq!(short.result.result, Err(WorkError::OutOfGas));
        assert!(short.result.exports.is_empty(), "exports are lost");
        assert_eq!(short.seen.end.expect("the end").0, GuestExit::OutOfGas);
    }
}

#[test]
fn historical_lookup() {
    for version in VERSIONS {
        let mut world = World::new(version);
        // The lookup anchor is in slot 980.
        let slot = TimeSlot;
        let timelines = [
            (Timeline::Requested, false),
            (Timeline::Available(slot(980)), true),
            (Timeline::Available(slot(981)), false),
            (Timeline::Forgotten(slot(5), slot(981)), true),
            (Timeline::Forgotten(slot(5), slot(980)), false),
            (Timeline::AvailableAgain(slot(5), slot(6), slot(980)), true),
            (Timeline::AvailableAgain(slot(5), slot(6), slot(981)), false),
            (Timeline::AvailableAgain(slot(980), slot(981), slot(990)), true),
        ];
        let preimage = |number: usize| format!("preimage {number}").into_bytes();
        let mut commands = Commands::new();
        for (number, (timeline, _)) in timelines.iter().enumerate() {
            let hash = world.accounts.provide(SELF, &preimage(number), *timeline);
            let arguments = [n(u64::MAX), at(0), at(32), n(0), n(100)];
            commands = commands.put(0, &hash.0).fill(32, 16, 0).call("historical_lookup", &arguments).show(32, 10);
        }
        let foreign = world.accounts.provide(OTHER, b"of the other", Timeline::Available(slot(1)));
        let lookup = |commands: Commands, service: u64| {
            commands.call("historical_lookup", &[n(service), at(0), at(32), n(7), n(3)]).show(32, 4)
        };
        commands = commands.put(0, &foreign.0).fill(32, 16, 0);
        let services = [OTHER.0.into(), SELF.0.into(), u64::MAX, NOBODY.0.into(), (1 << 32) | u64::from(OTHER.0)];
        commands = services.iter().fold(commands, |commands, &service| lookup(commands, service));

        let mut answers = world.refine_commands(&commands).answers();
        for (number, (timeline, available)) in timelines.into_iter().enumerate() {
            let (len, shown) = (answers.first(), answers.bytes(10));
            if available {
                assert_eq!((len, shown), (10, preimage(number)), "{version}: {timeline:?}");
            } else {
                assert_eq!((len, shown), (NONE, vec![0; 10]), "{version}: {timeline:?}");
            }
        }
        assert_eq!((answers.first(), answers.bytes(4)), (12, b"oth\0".to_vec()));
        for service in &services[1..] {
            assert_eq!((answers.first(), answers.bytes(4)), (NONE, b"oth\0".to_vec()), "{version}: of {service}");
        }
        answers.end();

        for (hash, to) in [(n(0), at(32)), (n((1 << 32) - 31), at(32)), (at(0), n(0x1_0000))] {
            let arguments = [n(OTHER.0.into()), hash, to, n(0), n(1)];
            let commands = Commands::new().put(0, &foreign.0).call("historical_lookup", &arguments);
            assert_eq!(world.refine_commands(&commands).result.result, Err(WorkError::Panic), "{version}");
        }
    }
}

#[test]
fn export() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.export_offset = 3072 - 4;
        let put = Commands::new().fill(0, 4104, 0x5a).fill(4104, 1, 0x5b);
        let lengths = [4104, 5, u64::MAX, 0, 1];
        let commands = lengths.iter().fold(put, |commands, &len| commands.call("export", &[at(0), n(len)]));
        let ran = world.refine_commands(&commands);
        assert_eq!(ran.codes(), [3068, 3069, 3070, 3071, FULL], "{version}: a package exports 3072 segments");
        let exported: Vec<Vec<u8>> = ran.result.exports.iter().map(|segment| segment.to_vec()).collect();
        let segment = |len| [vec![0x5a; len], vec![0; 4104 - len]].concat();
        assert_eq!(exported, [segment(4104), segment(5), segment(4104), segment(0)]);

        // Nothing is exported by a run that panics, here because the source is not readable.
        let commands = Commands::new().call("export", &[at(0), n(1)]).call("export", &[n(0x2000), n(1)]);
        let ran = world.refine_commands(&commands);
        assert_eq!((ran.result.result, ran.result.exports.len()), (Err(WorkError::Panic), 0), "{version}");
    }
}

/// `log` is no call that the Gray Paper knows, but the node gets to see the message.
#[test]
fn log() {
    for version in VERSIONS {
        let world = World::new(version);
        let put = Commands::new().put(0, b"target").put(16, "a message \u{2713}".as_bytes());
        let commands = put
            .call("log", &[n(2), at(0), n(6), at(16), n(13)])
            .call("log", &[n(4), n(0), n(0), at(16), n(9)])
            // Not readable: no message, but nothing else happens either.
            .call("log", &[n(0), n(0), n(1), at(16), n(9)])
            .call("log", &[n(0), at(0), n(6), n(1 << 32), n(9)]);
        let ran = world.refine_commands(&commands);
        assert_eq!(ran.codes(), [0; 4], "the SDK's log gives nothing back");
        let message = |level, target: &str, text: &str| LogMessage {
            service: SELF,
            level,
            target: target.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(ran.seen.logs, [message(2, "target", "a message \u{2713}"), message(4, "", "a message")]);
        let calls: Vec<_> = ran.seen.calls.iter().filter(|call| call.id == 100).collect();
        assert_eq!(calls.len(), 4);
        assert!(calls.iter().all(|call| call.name.is_none() && call.after[7] == WHAT), "{version}: an unknown call");
    }
}

/// Calls that no version has, and those that only accumulate has.
#[test]
fn unknown_calls() {
    for version in VERSIONS {
        let names = [
            "unknown",
            "lookup",
            "read",
            "write",
            "info",
            "bless",
            "assign",
            "designate",
            "checkpoint",
            "new",
            "upgrade",
            "transfer",
            "eject",
            "solicit",
            "forget",
            "yield",
            "provide",
        ];
        // None of the arguments is looked at.
        let commands = names.iter().fold(Commands::new(), |commands, name| commands.call(name, &[n(1), n(1), n(1)]));
        let commands = commands.call("query", &[n(1), n(2)]);
        let mut answers = World::new(version).refine_commands(&commands).answers();
        for name in names {
            assert_eq!(answers.first(), WHAT, "{version}: {name}");
        }
        // φ8 stays as it was.
        assert_eq!(answers.both(), (WHAT, 2), "{version}: query");
        answers.end();
    }
}

#[test]
fn code_that_cannot_be_refined() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.package.items[1].code_hash = Hash([9; 32]);
        assert_eq!(world.refine().result.result, Err(WorkError::BadCode));
        // Not available in the slot of the lookup anchor.
        let mut world = World::new(version);
        world.package.context.lookup_anchor_slot = TimeSlot(19);
        assert_eq!(world.refine().result.result, Err(WorkError::BadCode));
        let mut world = World::new(version);
        world.constants.service_code_bytes = world.code.len() as u32 - 1;
        assert_eq!(world.refine().result.result, Err(WorkError::BigCode));
    }
}
