//! historical_lookup and export: every result code and panic.

use tvm_isa::GpVersion;
use tvm_runtime::jam::results::{FULL, NONE, SELF as CALLER};
use tvm_runtime::jam::types::{Hash, TimeSlot, Timeline, WorkError};

use crate::support::{ALL, Expect, GuestCode, NOWHERE, OTHER, RO, RW, RW_END, SELF, World};

const PAST_32_BITS: u64 = 1 << 32;

/// A world whose lookup anchor has slot 50, where OTHER has a preimage of seven octets with this timeline.
fn available(version: GpVersion, timeline: Option<Timeline>) -> (World, Hash) {
    let mut world = World::new(version);
    world.gas = u64::MAX;
    let hash = world.accounts.preimage(OTHER, b"octets!");
    if let Some(timeline) = timeline {
        world.accounts.requests.insert((OTHER, (hash, 7)), timeline);
    }
    (world, hash)
}

#[test]
fn historical_lookup_follows_the_timeline() {
    let slots = |slots: &[u32]| Timeline::from_slots(&slots.iter().copied().map(TimeSlot).collect::<Vec<_>>());
    let rows = [
        (None, false),
        (slots(&[]), false),
        (slots(&[50]), true),
        (slots(&[51]), false),
        (slots(&[50, 51]), true),
        (slots(&[49, 50]), false),
        (slots(&[51, 60]), false),
        (slots(&[40, 45, 50]), true),
        (slots(&[40, 45, 51]), false),
        (slots(&[40, 51, 60]), true),
        (slots(&[51, 52, 53]), false),
    ];
    for version in ALL {
        for (timeline, found) in rows {
            let (world, hash) = available(version, timeline);
            let guest = GuestCode::new().with(RO, &hash.0);
            let expect = Expect::Answer(if found { 7 } else { NONE });
            world.check_refine(&guest, "historical_lookup", &[OTHER.0.into(), RO, RW, 0, 100], expect);
        }
    }
}

#[test]
fn historical_lookup_copies_and_panics() {
    for version in ALL {
        let (mut world, hash) = available(version, Some(Timeline::Available(TimeSlot(1))));
        world.accounts.preimages.insert((SELF, hash), b"octets!"[..].into());
        world.accounts.requests.insert((SELF, (hash, 7)), Timeline::Available(TimeSlot(1)));
        let guest = GuestCode::new().with(RO, &hash.0);
        let other = u64::from(OTHER.0);
        let rows: [(&[u64], Expect, &[u8]); 11] = [
            (&[CALLER, RO, RW, 0, 100], Expect::Answer(7), b"octets!"),
            (&[SELF.0.into(), RO, RW, 2, 3], Expect::Answer(7), b"tet"),
            (&[other, RO, RW, 6, u64::MAX], Expect::Answer(7), b"!"),
            (&[other, RO, NOWHERE, u64::MAX, 100], Expect::Answer(7), b""),
            (&[other, RO, RW_END - 6, 0, 7], Expect::Panic, b""),
            (&[other, RO, RO, 0, 7], Expect::Panic, b""),
            (&[other, NOWHERE, RW, 0, 7], Expect::Panic, b""),
            (&[999, NOWHERE, RW, 0, 7], Expect::Panic, b""),
            (&[other, RO + 1, RW, 0, 7], Expect::Answer(NONE), b""),
            (&[999, RO, NOWHERE, 0, 7], Expect::Answer(NONE), b""),
            (&[PAST_32_BITS + other, RO, RW, 0, 7], Expect::Answer(NONE), b""),
        ];
        for (arguments, expect, written) in rows {
            let ran = world.check_refine(&guest, "historical_lookup", arguments, expect);
            assert_eq!(ran.last().written(), written);
        }
    }
}

#[test]
fn export_pads_and_cuts_to_a_segment() {
    for version in ALL {
        let mut world = World::new(version);
        world.export_offset = 5;
        let guest = GuestCode::new().with(RW, &[7; 5000]);
        for (arguments, exported) in
            [([RW, 5], 5), ([RW, 4104], 4104), ([RW, 4105], 4104), ([RW, u64::MAX], 4104), ([NOWHERE, 0], 0)]
        {
            let ran = world.check_refine(&guest, "export", &arguments, Expect::Answer(5));
            let mut segment = vec![7; exported];
            segment.resize(4104, 0);
            assert_eq!(ran.result.exports.iter().map(|segment| segment.to_vec()).collect::<Vec<_>>(), [segment]);
        }
        let twice = guest.clone().call(world.id("export"), &[RW, 1]).call(world.id("export"), &[RW, 2]);
        let ran = world.refine(&twice.halt(0, 0));
        assert_eq!((ran.calls[1].after[7], ran.result.exports.len()), (6, 2));
    }
}

#[test]
fn export_refuses_and_panics() {
    for version in ALL {
        let mut world = World::new(version);
        let guest = GuestCode::new();
        world.check_refine(&guest, "export", &[NOWHERE, 1], Expect::Panic);
        world.check_refine(&guest, "export", &[RW_END - 4103, u64::MAX], Expect::Panic);
        world.export_offset = 3071;
        world.check_refine(&guest, "export", &[RW, 1], Expect::Answer(3071));
        let more = guest.clone().call(world.id("export"), &[RW, 1]).call(world.id("export"), &[RW, 1]);
        assert_eq!(world.refine(&more.halt(0, 0)).last().after[7], FULL);
        for offset in [3072, u64::MAX] {
            world.export_offset = offset;
            world.check_refine(&guest, "export", &[RW, 1], Expect::Answer(FULL));
            // Memory comes first.
            world.check_refine(&guest, "export", &[NOWHERE, 1], Expect::Panic);
        }
    }
}

#[test]
fn nothing_is_exported_by_a_run_that_fails() {
    for version in ALL {
        let world = World::new(version);
        let exporting = GuestCode::new().call(world.id("export"), &[RW, 1]);
        let ran = world.refine(&exporting.clone().trap());
        assert_eq!((ran.result.result.err(), ran.result.exports.len()), (Some(WorkError::Panic), 0));
        let ran = world.refine(&exporting.clone().halt(RW, 3));
        assert_eq!((ran.result.result.as_deref(), ran.result.exports.len()), (Ok(&[0, 0, 0][..]), 1));
        let used = ran.result.gas_used.0;
        let short = World { gas: used - 1, ..world.clone() }.refine(&exporting.halt(RW, 3));
        assert_eq!((short.result.result.err(), short.result.exports.len()), (Some(WorkError::OutOfGas), 0));
    }
}
