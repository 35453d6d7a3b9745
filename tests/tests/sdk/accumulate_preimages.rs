//! Preimages in accumulate: query, solicit, forget, provide.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{FULL, HUH, NONE, OK, WHO};
use tvm_runtime::jam::types::{Bytes, Hash, ServiceId, TimeSlot, Timeline};

use crate::support::commands::{Arg, Commands, at, n};
use crate::support::world::{NOBODY, OTHER, SELF, VERSIONS, World};

/// The present slot, and the one from which on a forgotten preimage is kept: 32 slots have to be over.
const NOW: u32 = 1000;
const TOO_RECENT: u32 = NOW - 32;

/// Timelines of all kinds.
fn timelines() -> [Timeline; 7] {
    let slot = TimeSlot;
    [
        Timeline::Requested,
        Timeline::Available(slot(5)),
        Timeline::Forgotten(slot(5), slot(TOO_RECENT - 1)),
        Timeline::Forgotten(slot(5), slot(TOO_RECENT)),
        Timeline::AvailableAgain(slot(5), slot(TOO_RECENT - 1), slot(980)),
        Timeline::AvailableAgain(slot(5), slot(TOO_RECENT), slot(981)),
        Timeline::AvailableAgain(slot(u32::MAX), slot(u32::MAX), slot(u32::MAX)),
    ]
}

/// A world in which SELF has a preimage for each timeline, and the hashes.
fn world(version: GpVersion) -> (World, Vec<Hash>) {
    let mut world = World::new(version);
    assert_eq!(world.slot, TimeSlot(NOW));
    let preimage = |number: usize| vec![number as u8; LEN as usize];
    let provide = |(number, timeline)| world.accounts.provide(SELF, &preimage(number), timeline);
    let hashes = timelines().into_iter().enumerate().map(provide).collect();
    (world, hashes)
}

/// The length of those preimages.
const LEN: u64 = 30;

/// Calls `name` for each of the hashes.
fn for_each(hashes: &[Hash], name: &str) -> Commands {
    hashes.iter().fold(Commands::new(), |commands, hash| commands.put(0, &hash.0).call(name, &[at(0), n(LEN)]))
}

#[test]
fn query() {
    for version in VERSIONS {
        let (world, hashes) = world(version);
        let commands = for_each(&hashes, "query");
        // Another length, another hash, and a length that is none.
        let commands = commands.call("query", &[at(0), n(LEN + 1)]).call("query", &[at(1), n(LEN)]);
        let commands = commands.call("query", &[at(0), n(LEN | 1 << 32)]);
        let ran = world.accumulate_commands(&commands);
        let mut answers = ran.answers();
        let high = |slot: u32| u64::from(slot) << 32;
        let (recent, last) = (u64::from(TOO_RECENT), u64::from(u32::MAX));
        let expected = [
            (0, 0),
            (1 | high(5), 0),
            (2 | high(5), recent - 1),
            (2 | high(5), recent),
            (3 | high(5), (recent - 1) | high(980)),
            (3 | high(5), recent | high(981)),
            (3 | high(u32::MAX), last | high(u32::MAX)),
            (NONE, 0),
            (NONE, 0),
        ];
        for expected in expected {
            assert_eq!(answers.both(), expected, "{version}");
        }
        // GP 0.8.0 leaves φ8, the length, as it was.
        let too_long = if version == GpVersion::V0_8_0 { (HUH, LEN | 1 << 32) } else { (NONE, 0) };
        assert_eq!(answers.both(), too_long, "{version}");
        answers.end();
        assert_eq!(ran.changes().account, world.own(), "looking changes nothing");
    }
}

#[test]
fn solicit() {
    for version in VERSIONS {
        let (world, hashes) = world(version);
        let (old, new) = (for_each(&hashes, "solicit"), Hash([0xcc; 32]));
        let commands = old.put(0, &new.0).call("solicit", &[at(0), n(70_000)]).call("solicit", &[at(0), n(70_000)]);
        let ran = world.accumulate_commands(&commands);
        assert_eq!(ran.codes(), [HUH, HUH, OK, OK, HUH, HUH, HUH, OK, HUH], "{version}");
        let changes = ran.changes();
        let mut own = world.own();
        own.items += 2;
        own.octets += 81 + 70_000;
        assert_eq!(changes.account, own);
        let again = |until| Timeline::AvailableAgain(TimeSlot(5), TimeSlot(until), TimeSlot(NOW));
        let expected = [
            ((hashes[2], LEN as u32), Some(again(TOO_RECENT - 1))),
            ((hashes[3], LEN as u32), Some(again(TOO_RECENT))),
            ((new, 70_000), Some(Timeline::Requested)),
        ];
        assert_eq!(changes.requests, expected.into(), "{version}");
        ran.check_nothing_else();
    }
}

/// A request that the balance does not cover, to the last octet; one that is there already costs nothing.
#[test]
fn soliciting_what_cannot_be_paid() {
    for version in VERSIONS {
        let (mut world, hashes) = world(version);
        let own = world.own();
        world.accounts.of(SELF).balance = 100 + 10 * u64::from(own.items) + own.octets + 20 + 81 + 5;
        let put = Commands::new().put(0, &hashes[2].0);
        let solicit = |commands: Commands, hash, len| commands.call("solicit", &[at(hash), n(len)]);
        let commands = solicit(solicit(solicit(solicit(put, 64, 6), 64, 5), 96, 0), 0, LEN);
        let commands = solicit(commands, 96, u32::MAX.into());
        let ran = world.accumulate_without_results(&commands);
        let codes: Vec<u64> = ran.calls("solicit").iter().map(|call| call.after[7]).collect();
        assert_eq!(codes, [FULL, OK, FULL, OK, FULL], "{version}");
        assert_eq!((ran.own().account.items, ran.own().account.octets), (own.items + 2, own.octets + 81 + 5));
    }
}

#[test]
fn forget() {
    for version in VERSIONS {
        let (world, hashes) = world(version);
        let commands = for_each(&hashes, "forget").call("forget", &[at(1), n(LEN)]);
        let commands = commands.put(0, &hashes[0].0).call("forget", &[at(0), n(LEN)]);
        let ran = world.accumulate_commands(&commands);
        assert_eq!(ran.codes(), [OK, OK, OK, HUH, OK, HUH, HUH, HUH, HUH], "{version}");
        let changes = ran.changes();
        let mut own = world.own();
        // The first and the third are gone.
        own.items -= 2 * 2;
        own.octets -= 2 * (81 + LEN);
        assert_eq!(changes.account, own);
        let forgotten = |since| Some(Timeline::Forgotten(TimeSlot(since), TimeSlot(NOW)));
        let timelines = [None, forgotten(5), None, forgotten(980)];
        let requests = [0, 1, 2, 4].into_iter().zip(timelines);
        let requests = requests.map(|(number, timeline)| ((hashes[number], LEN as u32), timeline));
        assert_eq!(changes.requests, requests.collect(), "{version}");
        assert_eq!(changes.preimages, [(hashes[0], None), (hashes[2], None)].into(), "{version}");
        ran.check_nothing_else();
    }
}

/// What was requested in this very invocation can be queried, forgotten, and requested again.
#[test]
fn back_and_forth() {
    for version in VERSIONS {
        let world = World::new(version);
        let call = |commands: Commands, name| commands.put(0, &[0xcc; 32]).call(name, &[at(0), n(10)]);
        let names = ["query", "solicit", "query", "forget", "query", "forget", "solicit"];
        let ran = world.accumulate_commands(&names.into_iter().fold(Commands::new(), call));
        let mut answers = ran.answers();
        let codes: Vec<u64> = (0..names.len()).map(|_| answers.first()).collect();
        assert_eq!(codes, [NONE, OK, 0, OK, NONE, HUH, OK], "{version}");
        assert_eq!(ran.changes().requests, [((Hash([0xcc; 32]), 10), Some(Timeline::Requested))].into());
        assert_eq!(ran.changes().account.items, world.own().items + 2);
    }
}

#[test]
fn provide() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let (wanted, other) = (b"a wanted preimage".as_slice(), b"another".as_slice());
        let (wanted_len, other_len) = (wanted.len() as u64, other.len() as u64);
        let mut request = |service, bytes: &[u8]| {
            world.accounts.request(service, (Hash::of(bytes), bytes.len() as u32), Timeline::Requested);
        };
        request(OTHER, wanted);
        request(SELF, other);
        request(SELF, b"");
        world.accounts.provide(OTHER, other, Timeline::Available(TimeSlot(5)));
        let provide = |commands: Commands, service: ServiceId, start, len| {
            commands.call("provide", &[n(service.0.into()), at(start), n(len)])
        };
        let put = Commands::new().put(0, wanted).put(100, other);
        let commands = provide(put, OTHER, 0, wanted_len);
        let commands = provide(commands, OTHER, 0, wanted_len); // twice
        let commands = provide(commands, OTHER, 0, wanted_len - 1); // not wanted
        let commands = provide(commands, OTHER, 100, other_len); // there already
        let commands = provide(commands, SELF, 0, wanted_len);
        let commands = provide(commands, NOBODY, 0, wanted_len);
        let commands = commands.call("provide", &[n(1 << 32), at(0), n(1)]);
        let commands = commands.call("provide", &[n(u64::MAX), at(100), n(other_len)]);
        let commands = provide(commands, SELF, 100, other_len); // the same service by its number
        let commands = commands.call("provide", &[n(u64::MAX), n(0), n(0)]);
        let ran = world.accumulate_commands(&commands);
        assert_eq!(ran.codes(), [OK, HUH, HUH, HUH, HUH, WHO, WHO, OK, HUH, OK], "{version}");
        let expected = [
            ((OTHER, Hash::of(wanted)), Bytes::from(wanted)),
            ((SELF, Hash::of(other)), Bytes::from(other)),
            ((SELF, Hash::of(b"")), Bytes::from(&b""[..])),
        ];
        assert_eq!(ran.result.provisions, expected.into(), "{version}");
        // It arrives after the round: nothing changes yet.
        let changes = ran.changes();
        assert_eq!((changes.account, changes.requests.len(), changes.preimages.len()), (world.own(), 0, 0));
        assert_eq!(ran.result.accounts.0.len(), 1);
    }
}

/// Hashes and preimages that are not readable, and lengths that do not fit 32 bits, which GP 0.8.0 refuses first.
#[test]
fn hashes_that_are_not_readable() {
    for version in VERSIONS {
        let mut world = World::new(version);
        // GP 0.8.0 charges `provide` by the length, whatever it is.
        world.gas = Gas(1 << 40);
        for name in ["query", "solicit", "forget", "provide"] {
            let called = |start, len| {
                let arguments = [n(u64::MAX), start, len];
                let skipped = usize::from(name != "provide");
                world.accumulate_commands(&Commands::new().call(name, &arguments[skipped..]))
            };
            for start in [0, 0xffff, (1 << 32) - 1, u64::MAX - 3] {
                let ran = called(n(start), n(4));
                assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}: {name} at {start:#x}");
            }
            for start in [at(0), n(0)] {
                let ran = called(start, n(1 << 32));
                if version == GpVersion::V0_8_0 && name != "provide" {
                    assert_eq!(ran.answers().both().0, HUH, "{version}: {name} with {start:?}");
                } else if version == GpVersion::V0_8_0 {
                    assert_eq!(ran.codes(), [HUH], "{version}: {name} with {start:?}");
                } else if matches!(start, Arg::Number(_)) || name == "provide" {
                    assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}: {name} with {start:?}");
                }
            }
        }
    }
}
