//! Accumulate's host functions that look at accounts and storage: gas, lookup, read, write, info; and unknown calls.

use tvm_isa::Gas;
use tvm_runtime::GuestExit;
use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::results::{FULL, NONE, WHAT};
use tvm_runtime::jam::types::{Bytes, Hash, TimeSlot, Timeline};

use crate::support::commands::{Answers, Commands, at, n};
use crate::support::encoding;
use crate::support::world::{NOBODY, OTHER, SELF, VERSIONS, World};

/// The calling service as an argument.
const CALLER: u64 = u64::MAX;

#[test]
fn gas() {
    for version in VERSIONS {
        let world = World::new(version);
        let ran = world.accumulate_commands(&Commands::new().call("gas", &[]).burn(100).call("gas", &[]));
        let left: Vec<u64> = ran.calls("gas").iter().map(|call| call.gas_after).collect();
        assert_eq!(ran.codes(), left, "{version}");
        let (exit, state) = ran.seen.end.clone().expect("the end");
        assert_eq!((exit, ran.result.gas_used), (GuestExit::Halt, Gas(world.gas.0 - state.gas.0)));
    }
}

#[test]
fn gas_to_the_last_unit() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let commands = Commands::new().call("yield", &[at(0)]).burn(50).call("transfer", &[n(9), n(9), n(9), at(0)]);
        let plenty = world.accumulate_commands(&commands);
        world.gas = plenty.result.gas_used;
        assert_eq!(world.accumulate_commands(&commands).result, plenty.result);
        world.gas = Gas(world.gas.0 - 1);
        let short = world.accumulate_commands(&commands);
        assert_eq!(short.result.end, InvocationEnd::OutOfGas);
        assert_eq!(short.own().account, world.own());
        short.check_nothing_else();
    }
}

#[test]
fn lookup() {
    for version in VERSIONS {
        let mut world = World::new(version);
        // Whether it is available does not matter here.
        let own = world.accounts.provide(SELF, b"own preimage", Timeline::Forgotten(TimeSlot(1), TimeSlot(2)));
        let foreign = world.accounts.provide(OTHER, b"foreign", Timeline::Available(TimeSlot(1)));
        let put = Commands::new().put(0, &own.0).put(32, &foreign.0);
        let cases = [
            (CALLER, 0, 0, 99, 12, b"own preimage".as_slice()),
            (SELF.0.into(), 0, 4, 3, 12, b"pre"),
            (CALLER, 0, 13, 3, 12, b""),
            (CALLER, 32, 0, 99, NONE, b""),
            (OTHER.0.into(), 32, 0, 99, 7, b"foreign"),
            (OTHER.0.into(), 0, 0, 99, NONE, b""),
            (NOBODY.0.into(), 32, 0, 99, NONE, b""),
            (1 << 32 | u64::from(OTHER.0), 32, 0, 99, NONE, b""),
        ];
        let commands = cases.iter().fold(put, |commands, &(service, hash, offset, len, ..)| {
            let commands = commands.fill(64, 16, 0xaa);
            commands.call("lookup", &[n(service), at(hash), at(64), n(offset), n(len)]).show(64, 16)
        });
        let ran = world.accumulate_commands(&commands);
        let mut answers = ran.answers();
        for (service, hash, _, _, expected, part) in cases {
            assert_eq!(answers.first(), expected, "{version}: {hash} of {service}");
            assert_eq!(answers.bytes(16), [part, &vec![0xaa; 16 - part.len()]].concat());
        }
        answers.end();
        assert_eq!(ran.changes().account, world.own(), "looking changes nothing");
        for (hash, to) in [(n(0), at(64)), (n((1 << 32) - 1), at(64)), (at(0), n(0))] {
            let panicking = Commands::new().put(0, &own.0).call("lookup", &[n(CALLER), hash, to, n(0), n(1)]);
            assert_eq!(world.accumulate_commands(&panicking).result.end, InvocationEnd::Panic, "{version}");
        }
    }
}

/// Entries that are written, overwritten, removed and read back, and what that does to the footprint.
#[test]
fn read_and_write() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.accounts.store(SELF, b"old", b"twelve bytes");
        world.accounts.store(OTHER, b"key", b"foreign");
        let put = Commands::new().put(0, b"oldnewkey").put(16, b"0123456789");
        let write =
            |commands: Commands, key, key_len, len| commands.call("write", &[at(key), n(key_len), at(16), n(len)]);
        let read = |commands: Commands, service, key, key_len, offset, len| {
            let commands = commands.fill(64, 16, 0xaa);
            commands.call("read", &[n(service), at(key), n(key_len), at(64), n(offset), n(len)]).show(64, 16)
        };
        let mut commands = read(put, CALLER, 0, 3, 0, 16);
        commands = write(commands, 0, 3, 5); // "old" gets shorter
        commands = write(commands, 3, 3, 10); // "new" is new
        commands = write(commands, 3, 0, 7); // the empty key is one like any other
        commands = read(commands, CALLER, 0, 3, 0, 16);
        commands = read(commands, SELF.0.into(), 3, 3, 8, 16);
        commands = read(commands, CALLER, 3, 0, 2, 3);
        commands = write(commands, 0, 3, 0); // "old" goes
        commands = read(commands, CALLER, 0, 3, 0, 16);
        commands = write(commands, 0, 3, 0); // and is not there any more
        commands = read(commands, OTHER.0.into(), 6, 3, 0, 16);
        commands = read(commands, CALLER, 6, 3, 0, 16);
        commands = read(commands, NOBODY.0.into(), 6, 3, 0, 16);
        commands = read(commands, 1 << 32, 6, 3, 0, 16);
        let ran = world.accumulate_commands(&commands);
        let mut answers = ran.answers();
        let expect_read = |answers: &mut Answers, len, part: &[u8]| {
            assert_eq!(answers.first(), len, "{version}");
            assert_eq!(answers.bytes(16), [part, &vec![0xaa; 16 - part.len()]].concat(), "{version}");
        };
        expect_read(&mut answers, 12, b"twelve bytes");
        assert_eq!([(); 3].map(|()| answers.first()), [12, NONE, NONE]);
        expect_read(&mut answers, 5, b"01234");
        expect_read(&mut answers, 10, b"89");
        expect_read(&mut answers, 7, b"234");
        assert_eq!(answers.first(), 5);
        expect_read(&mut answers, NONE, b"");
        assert_eq!(answers.first(), NONE);
        expect_read(&mut answers, 7, b"foreign");
        (0..3).for_each(|_| expect_read(&mut answers, NONE, b""));
        answers.end();

        let changes = ran.changes();
        let value = |bytes: &[u8]| Some(Bytes::from(bytes));
        let expected =
            [(b"".to_vec(), value(b"0123456")), (b"new".to_vec(), value(b"0123456789")), (b"old".to_vec(), None)];
        assert_eq!(changes.storage.into_iter().collect::<Vec<_>>(), expected, "{version}");
        let mut own = world.own();
        own.items += 1;
        own.octets += (34 + 3 + 10) + (34 + 7);
        own.octets -= 34 + 3 + 12;
        assert_eq!(changes.account, own, "{version}");
        ran.check_nothing_else();
    }
}

/// The balance has to cover what is stored, to the last octet.
#[test]
fn writing_what_cannot_be_paid() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.accounts.store(SELF, b"k", b"0123456789");
        let own = world.own();
        // Room for one more entry with a key of 1 and a value of 20 octets.
        world.accounts.of(SELF).balance = 100 + 10 * u64::from(own.items) + own.octets + 10 + 34 + 1 + 20;
        let put = Commands::new().put(0, b"kn");
        let write = |commands: Commands, key, len| commands.call("write", &[at(key), n(1), at(0x1000), n(len)]);
        let commands = write(write(write(write(put, 1, 21), 1, 20), 1, 21), 0, 11);
        // Shorter is fine, and makes room.
        let commands = write(write(write(commands, 0, 9), 1, 21), 1, 22);
        // There is no room for the results, so they are not stored but seen.
        let ran = world.accumulate_without_results(&commands);
        let codes: Vec<u64> = ran.calls("write").iter().map(|call| call.after[7]).collect();
        assert_eq!(codes, [FULL, NONE, FULL, FULL, 10, 20, FULL], "{version}");
        let mut expected = world.own();
        expected.items += 1;
        expected.octets += 34 + 1 + 20;
        assert_eq!(ran.own().account, expected, "{version}");
        let lengths: Vec<_> = ran.own().storage.values().flatten().map(|value| value.len()).collect();
        assert_eq!(lengths, [9, 21]);

        // Below the threshold already, even removing is refused if the rest is not covered.
        world.accounts.store(SELF, b"n", &[1; 100]);
        world.accounts.of(SELF).balance -= 60;
        let ran = world.accumulate_without_results(&write(Commands::new().put(0, b"kn"), 0, 0));
        assert_eq!(ran.last_call().after[7], FULL, "{version}");
        assert_eq!(ran.own().account, world.own());
    }
}

#[test]
fn reading_and_writing_what_is_not_there() {
    for version in VERSIONS {
        let world = World::new(version);
        let panicking = [
            ("write", [n(0), n(1), at(0), n(1), n(0), n(0)]),
            ("write", [at(0), n(1), n(0), n(1), n(0), n(0)]),
            ("write", [at(0), n(1 << 17), n((1 << 32) - 1), n(2), n(0), n(0)]),
            ("read", [n(CALLER), n(0), n(1), at(0), n(0), n(0)]),
            ("read", [n(CALLER), n(u64::MAX), n(1), at(0), n(0), n(0)]),
            ("read", [n(CALLER), at(0), n(3), n(0x1_0000), n(0), n(1)]),
        ];
        for (name, arguments) in panicking {
            let mut world = world.clone();
            world.accounts.store(SELF, b"key", b"value");
            let ran = world.accumulate_commands(&Commands::new().put(0, b"key").call(name, &arguments));
            assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}: {name} {arguments:?}");
            assert_eq!(ran.own().account, world.own());
        }
        // The value's address does not matter when there is no value.
        let commands = Commands::new().call("write", &[at(0), n(1), n(0), n(0)]);
        let commands = commands.call("read", &[n(CALLER), at(0), n(1), n(0), n(0), n(99)]);
        assert_eq!(world.accumulate_commands(&commands).codes(), [NONE, NONE], "{version}");
    }
}

#[test]
fn info() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let own = world.accounts.of(SELF);
        (own.gratis, own.min_item_gas, own.min_memo_gas) = (17, Gas(1 << 40), Gas(1 << 41));
        let info = |commands: Commands, service, offset, len| {
            let commands = commands.fill(0, 100, 0xaa);
            commands.call("info", &[n(service), at(0), n(offset), n(len)]).show(0, 100)
        };
        let mut commands = info(Commands::new(), CALLER, 0, 100);
        commands = info(commands, OTHER.0.into(), 0, 100);
        commands = info(commands, OTHER.0.into(), 32, 8);
        commands = info(commands, SELF.0.into(), 97, 8);
        commands = info(info(commands, NOBODY.0.into(), 0, 100), 1 << 32, 0, 100);
        commands = commands.typed(7);
        // The record is the present one: a transfer has left, an entry has come.
        commands = commands.call("transfer", &[n(OTHER.0.into()), n(1000), n(200), at(0)]);
        commands = info(commands.call("write", &[at(0), n(10), at(0), n(20)]), CALLER, 0, 100);
        let mut answers = world.accumulate_commands(&commands).answers();
        let expect = |answers: &mut Answers, total, part: &[u8]| {
            assert_eq!(answers.first(), total, "{version}");
            let shown = answers.bytes(100);
            assert_eq!(hex::encode(shown), hex::encode([part, &vec![0xaa; 100 - part.len()]].concat()), "{version}");
        };
        let mut own = world.own();
        let other = world.accounts.of(OTHER).clone();
        assert_eq!(encoding::info(&own).len(), 96);
        expect(&mut answers, 96, &encoding::info(&own));
        expect(&mut answers, 96, &encoding::info(&other));
        expect(&mut answers, 96, &50_000_u64.to_le_bytes());
        expect(&mut answers, 96, b"");
        (0..2).for_each(|_| expect(&mut answers, NONE, b""));
        assert_eq!(answers.typed(), encoding::info(&own), "{version}: as the SDK reads it");
        assert_eq!((answers.first(), answers.first()), (0, NONE));
        own.balance -= 1000;
        own.items += 1;
        own.octets += 34 + 10 + 20;
        expect(&mut answers, 96, &encoding::info(&own));
        answers.end();

        let panicking = Commands::new().call("info", &[n(CALLER), n(0), n(0), n(1)]);
        assert_eq!(world.accumulate_commands(&panicking).result.end, InvocationEnd::Panic);
    }
}

/// What accumulate does not have: refine's functions, calls that nobody has, and `log`.
#[test]
fn unknown_calls() {
    for version in VERSIONS {
        let names = ["unknown", "historical_lookup", "export", "machine", "peek", "poke", "pages", "expunge"];
        let commands =
            names.iter().fold(Commands::new(), |commands, name| commands.call(name, &[n(1), n(1), n(1), n(1)]));
        let commands =
            commands.call("invoke", &[n(1), n(2)]).put(0, b"hello").call("log", &[n(1), n(0), n(0), at(0), n(5)]);
        let ran = World::new(version).accumulate_commands(&commands);
        let mut answers = ran.answers();
        names.iter().for_each(|name| assert_eq!(answers.first(), WHAT, "{version}: {name}"));
        assert_eq!((answers.both(), answers.first()), ((WHAT, 2), 0));
        answers.end();
        assert_eq!((ran.seen.logs[0].text.as_str(), ran.seen.logs[0].service, ran.seen.logs.len()), ("hello", SELF, 1));
    }
}

#[test]
fn yields() {
    for version in VERSIONS {
        let world = World::new(version);
        let put = Commands::new().put(0, &[1; 32]).put(32, &[2; 32]);
        let commands = put.call("yield", &[at(0)]).call("yield", &[at(32)]);
        let ran = world.accumulate_commands(&commands);
        assert_eq!(
            (ran.codes(), ran.result.yielded),
            (vec![0, 0], Some(Hash([2; 32]))),
            "{version}: the last one counts"
        );
        let ran = world.accumulate_commands(&commands.hash([3; 32]));
        assert_eq!(ran.result.yielded, Some(Hash([3; 32])), "{version}: unless there is an output");
        let ran = world.accumulate_commands(&Commands::new().call("yield", &[n((1 << 32) - 31)]));
        assert_eq!((ran.result.end, ran.result.yielded), (InvocationEnd::Panic, None));
    }
}
