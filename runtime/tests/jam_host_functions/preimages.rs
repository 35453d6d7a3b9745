//! query, solicit, forget, provide: every result code and panic.

use tvm_isa::GpVersion;
use tvm_runtime::jam::results::{FULL, HUH, NONE, OK, SELF as CALLER, WHO};
use tvm_runtime::jam::types::{Hash, RequestKey, TimeSlot, Timeline};

use crate::services::changed;
use crate::support::{ALL, Expect, GuestCode, NOWHERE, OTHER, RO, RW, SELF, World};

const PAST_32_BITS: u64 = 1 << 32;
const KEY: RequestKey = (Hash([6; 32]), 10);

/// A guest with KEY's hash at RO.
fn guest() -> GuestCode {
    GuestCode::new().with(RO, &[6; 32])
}

/// A world where SELF has requested KEY, with this timeline. Slot 100, expunge period 32.
fn requested(version: GpVersion, timeline: Timeline) -> World {
    let mut world = World::new(version);
    world.accounts.request(SELF, KEY, timeline);
    world.accounts.preimages.insert((SELF, KEY.0), [1; 10][..].into());
    world
}

fn timelines() -> [Timeline; 4] {
    let [a, b, c] = [3, 4, 5].map(TimeSlot);
    [Timeline::Requested, Timeline::Available(a), Timeline::Forgotten(a, b), Timeline::AvailableAgain(a, b, c)]
}

/// What a length past 32 bits comes to: HUH before anything else since 0.8.0.
fn long(version: GpVersion, before: Expect) -> Expect {
    if version == GpVersion::V0_8_0 { Expect::Answer(HUH) } else { before }
}

#[test]
fn query_tells_the_timeline() {
    let high = |slot: u64| slot << 32;
    let expected = [(0, 0), (1 + high(3), 0), (2 + high(3), 4), (3 + high(3), 4 + high(5))];
    for version in ALL {
        for (timeline, (first, second)) in timelines().into_iter().zip(expected) {
            let world = requested(version, timeline);
            world.check(&guest(), "query", &[RO, 10], Expect::Answers(first, second));
            world.check(&guest(), "query", &[RO, 11], Expect::Answers(NONE, 0));
            world.check(&guest(), "query", &[RO + 1, 10], Expect::Answers(NONE, 0));
            world.check(&guest(), "query", &[NOWHERE, 10], Expect::Panic);
        }
    }
}

#[test]
fn query_of_a_length_past_32_bits() {
    for version in ALL {
        let world = requested(version, Timeline::Requested);
        for len in [PAST_32_BITS, PAST_32_BITS + 10, u64::MAX] {
            // φ8, which is the length, stays in 0.8.0.
            let expect =
                if version == GpVersion::V0_8_0 { Expect::Answers(HUH, len) } else { Expect::Answers(NONE, 0) };
            world.check(&guest(), "query", &[RO, len], expect);
            world.check(&guest(), "query", &[NOWHERE, len], long(version, Expect::Panic));
        }
    }
}

#[test]
fn solicit_requests_and_requests_again() {
    for version in ALL {
        let ran = World::new(version).check(&guest(), "solicit", &[RO, 10], Expect::Answer(OK));
        let own = changed(&ran, SELF);
        assert_eq!(own.requests, [(KEY, Some(Timeline::Requested))].into());
        assert_eq!((own.account.items, own.account.octets), (2, 91));

        let ran = requested(version, timelines()[2]).check(&guest(), "solicit", &[RO, 10], Expect::Answer(OK));
        let own = changed(&ran, SELF);
        let again = Timeline::AvailableAgain(TimeSlot(3), TimeSlot(4), TimeSlot(100));
        assert_eq!(own.requests, [(KEY, Some(again))].into());
        assert_eq!((own.account.items, own.account.octets), (2, 91));
    }
}

#[test]
fn solicit_refuses_and_panics() {
    for version in ALL {
        for timeline in [timelines()[0], timelines()[1], timelines()[3]] {
            let world = requested(version, timeline);
            world.check(&guest(), "solicit", &[RO, 10], Expect::Answer(HUH));
            world.check(&guest(), "solicit", &[NOWHERE, 10], Expect::Panic);
        }
        // One token less than the footprint of a new request asks for, and exactly as much.
        let mut world = World::new(version);
        world.accounts.set_free_balance(SELF, 20 + 81 + 10 - 1);
        let ran = world.check(&guest(), "solicit", &[RO, 10], Expect::Answer(FULL));
        assert!(changed(&ran, SELF).requests.is_empty());
        world.accounts.set_free_balance(SELF, 20 + 81 + 10);
        world.check(&guest(), "solicit", &[RO, 10], Expect::Answer(OK));
        // Requesting again costs nothing, but what is there has to be covered.
        let mut world = requested(version, timelines()[2]);
        world.accounts.set_free_balance(SELF, 0);
        world.check(&guest(), "solicit", &[RO, 10], Expect::Answer(OK));
        world.accounts.accounts.get_mut(&SELF).unwrap().balance -= 1;
        world.check(&guest(), "solicit", &[RO, 10], Expect::Answer(FULL));
        // HUH comes before FULL.
        let mut world = requested(version, timelines()[0]);
        world.accounts.accounts.get_mut(&SELF).unwrap().balance = 0;
        world.check(&guest(), "solicit", &[RO, 10], Expect::Answer(HUH));
        // Lengths past 32 bits, also of the rich.
        world.accounts.accounts.get_mut(&SELF).unwrap().balance = u64::MAX;
        for len in [PAST_32_BITS, PAST_32_BITS + 10, u64::MAX] {
            world.check(&guest(), "solicit", &[RO, len], long(version, Expect::Answer(FULL)));
            world.check(&guest(), "solicit", &[NOWHERE, len], long(version, Expect::Panic));
        }
        world.check(&guest(), "solicit", &[RO, PAST_32_BITS - 1], Expect::Answer(OK));
    }
}

#[test]
fn forget_follows_the_timeline() {
    let [x, y, z] = [3, 67, 70].map(TimeSlot);
    let recent = TimeSlot(68);
    let now = TimeSlot(100);
    let rows = [
        (Timeline::Requested, Some(None)),
        (Timeline::Available(x), Some(Some(Timeline::Forgotten(x, now)))),
        (Timeline::Forgotten(x, y), Some(None)),
        (Timeline::Forgotten(x, recent), None),
        (Timeline::AvailableAgain(x, y, z), Some(Some(Timeline::Forgotten(z, now)))),
        (Timeline::AvailableAgain(x, recent, z), None),
    ];
    for version in ALL {
        for (timeline, after) in rows {
            let expect = Expect::Answer(if after.is_some() { OK } else { HUH });
            let ran = requested(version, timeline).check(&guest(), "forget", &[RO, 10], expect);
            let own = changed(&ran, SELF);
            assert_eq!(own.requests, after.map(|after| (KEY, after)).into_iter().collect());
            let removed = after == Some(None);
            assert_eq!(own.preimages, removed.then_some((KEY.0, None)).into_iter().collect());
            let footprint = if removed { (0, 0) } else { (2, 91) };
            assert_eq!((own.account.items, own.account.octets), footprint);
        }
    }
}

#[test]
fn forget_refuses_and_panics() {
    for version in ALL {
        let world = requested(version, Timeline::Requested);
        world.check(&guest(), "forget", &[RO, 11], Expect::Answer(HUH));
        world.check(&guest(), "forget", &[RO + 1, 10], Expect::Answer(HUH));
        world.check(&guest(), "forget", &[NOWHERE, 10], Expect::Panic);
        for len in [PAST_32_BITS, PAST_32_BITS + 10, u64::MAX] {
            world.check(&guest(), "forget", &[RO, len], Expect::Answer(HUH));
            world.check(&guest(), "forget", &[NOWHERE, len], long(version, Expect::Panic));
        }
        // Nothing was forgotten before the first expunge period was over.
        let mut early = requested(version, Timeline::Forgotten(TimeSlot(0), TimeSlot(0)));
        early.slot = TimeSlot(32);
        early.check(&guest(), "forget", &[RO, 10], Expect::Answer(HUH));
        early.slot = TimeSlot(33);
        early.check(&guest(), "forget", &[RO, 10], Expect::Answer(OK));
    }
}

/// A guest whose five octets at RW are a preimage, and a world where both services wait for it.
fn provided(version: GpVersion) -> (GuestCode, World, RequestKey) {
    let key = (Hash::of(&[1, 2, 3, 4, 5]), 5);
    let mut world = World::new(version);
    world.accounts.request(SELF, key, Timeline::Requested);
    world.accounts.request(OTHER, key, Timeline::Requested);
    (GuestCode::new().with(RW, &[1, 2, 3, 4, 5]), world, key)
}

#[test]
fn provide_gives_to_whom_it_says() {
    for version in ALL {
        let (guest, world, (hash, _)) = provided(version);
        for (argument, service) in [(CALLER, SELF), (SELF.0.into(), SELF), (OTHER.0.into(), OTHER)] {
            let ran = world.check(&guest, "provide", &[argument, RW, 5], Expect::Answer(OK));
            let provisions: Vec<_> = ran.result.provisions.iter().map(|(key, blob)| (*key, &blob[..])).collect();
            assert_eq!(provisions, [((service, hash), &[1, 2, 3, 4, 5][..])]);
        }
        // Not twice to one, but to several.
        let guest = guest.call(world.id("provide"), &[CALLER, RW, 5]);
        world.check_after(&guest, "provide", &[SELF.0.into(), RW, 5], Expect::Answer(HUH));
        let ran = world.check_after(&guest, "provide", &[OTHER.0.into(), RW, 5], Expect::Answer(OK));
        assert_eq!(ran.result.provisions.len(), 2);
    }
}

#[test]
fn provide_refuses_and_panics() {
    for version in ALL {
        let (guest, world, key) = provided(version);
        world.check(&guest, "provide", &[CALLER, NOWHERE, 5], Expect::Panic);
        world.check(&guest, "provide", &[999, NOWHERE, 5], Expect::Panic);
        world.check(&guest, "provide", &[999, RW, 5], Expect::Answer(WHO));
        world.check(&guest, "provide", &[PAST_32_BITS + u64::from(OTHER.0), RW, 5], Expect::Answer(WHO));
        // Nobody waits for these.
        world.check(&guest, "provide", &[CALLER, RW, 4], Expect::Answer(HUH));
        world.check(&guest, "provide", &[CALLER, RW + 1, 5], Expect::Answer(HUH));
        world.check(&guest, "provide", &[CALLER, NOWHERE, 0], Expect::Answer(HUH));
        // Or not any more.
        for timeline in &timelines()[1..] {
            let mut world = world.clone();
            world.accounts.requests.insert((SELF, key), *timeline);
            world.check(&guest, "provide", &[CALLER, RW, 5], Expect::Answer(HUH));
        }
    }
}

#[test]
fn provide_of_a_length_past_32_bits() {
    for version in [GpVersion::V0_7_0, GpVersion::V0_7_2] {
        let (guest, world, _) = provided(version);
        for len in [PAST_32_BITS, u64::MAX] {
            world.check(&guest, "provide", &[999, RW, len], Expect::Panic);
        }
    }
    // Its gas goes with the length: 2264 for every 1024 octets, so few can afford 2^32 of them.
    let (guest, mut world, _) = provided(GpVersion::V0_8_0);
    world.gas = 1 << 60;
    world.check(&guest, "provide", &[999, NOWHERE, PAST_32_BITS], Expect::Answer(HUH));
    world.check(&guest, "provide", &[999, NOWHERE, PAST_32_BITS - 1], Expect::Panic);
}

#[test]
fn an_empty_preimage_can_be_provided() {
    for version in ALL {
        let mut world = World::new(version);
        world.accounts.request(SELF, (Hash::of(&[]), 0), Timeline::Requested);
        world.check(&GuestCode::new(), "provide", &[CALLER, u64::MAX, 0], Expect::Answer(OK));
    }
}
