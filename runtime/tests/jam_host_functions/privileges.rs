//! bless, assign, designate: every result code and panic.

use std::sync::Arc;

use crate::support::{ALL, Expect, GuestCode, NOWHERE, RO, RW, RW_END, SELF, World};
use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::results::{CORE, HUH, OK, WHO};
use tvm_runtime::jam::types::{Privileges, ServiceId};

const PAST_32_BITS: u64 = 1 << 32;

fn blessing(version: GpVersion, manager: ServiceId) -> World {
    let mut world = World::new(version);
    Arc::make_mut(&mut world.privileges).manager = manager;
    world
}

/// bless' arguments; GP 0.7.0 has no registrar.
fn bless(version: GpVersion, [m, a, v, r, o, n]: [u64; 6]) -> Vec<u64> {
    if version == GpVersion::V0_7_0 { vec![m, a, v, o, n] } else { vec![m, a, v, r, o, n] }
}

#[test]
fn bless_sets_everything() {
    for version in ALL {
        let guest = GuestCode::new()
            .with(RO, &[4, 0, 0, 0, 5, 0, 0, 0])
            .with(RO + 100, &[9, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0])
            .with(RO + 112, &[9, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0])
            .with(RO + 124, &[8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        let world = blessing(version, SELF);
        let ran = world.check(&guest, "bless", &bless(version, [11, RO, 12, 13, RO + 100, 3]), Expect::Answer(OK));
        let expected = Privileges {
            manager: ServiceId(11),
            assigners: vec![ServiceId(4), ServiceId(5)],
            delegator: ServiceId(12),
            registrar: ServiceId(if version == GpVersion::V0_7_0 { 0 } else { 13 }),
            // The later of two entries counts.
            always_accumulate: [(ServiceId(8), Gas(3)), (ServiceId(9), Gas(7))].into(),
        };
        assert_eq!(ran.result.privileges.as_deref(), Some(&expected));
    }
}

#[test]
fn bless_refuses_and_panics() {
    for version in ALL {
        let guest = GuestCode::new();
        let check = |world: &World, arguments: [u64; 6], expect| {
            let ran = world.check(&guest, "bless", &bless(version, arguments), expect);
            assert!(ran.result.privileges.is_none() || expect == Expect::Answer(OK));
        };
        let manager = blessing(version, SELF);
        let good = [11, RO, 12, 13, RO, 1];
        let with = |position: usize, value| {
            let mut arguments = good;
            arguments[position] = value;
            arguments
        };
        check(&manager, with(1, NOWHERE), Expect::Panic);
        check(&manager, with(1, RO + 4096 - 7), Expect::Panic);
        check(&manager, with(4, NOWHERE), Expect::Panic);
        check(&manager, with(5, 342), Expect::Panic);
        check(&manager, with(5, 341), Expect::Answer(OK));
        // No entries are readable anywhere.
        check(&manager, [11, RO, 12, 13, u64::MAX, 0], Expect::Answer(OK));
        check(&manager, with(0, PAST_32_BITS), Expect::Answer(WHO));
        check(&manager, with(2, u64::MAX), Expect::Answer(WHO));
        if version != GpVersion::V0_7_0 {
            check(&manager, with(3, PAST_32_BITS), Expect::Answer(WHO));
        }
        // Memory comes first, then the manager, then indices.
        let stranger = blessing(version, ServiceId(1));
        let refused = if version == GpVersion::V0_7_2 { OK } else { HUH };
        check(&stranger, good, Expect::Answer(refused));
        check(&stranger, with(1, NOWHERE), Expect::Panic);
        check(&stranger, with(0, PAST_32_BITS), Expect::Answer(if version == GpVersion::V0_7_2 { WHO } else { HUH }));
    }
}

#[test]
fn bless_with_a_table_of_any_size_is_a_panic_without_allocating() {
    for version in [GpVersion::V0_7_0, GpVersion::V0_7_2] {
        for entries in [u64::MAX, 1 << 63, (1 << 32) / 12, u64::MAX / 12 + 1] {
            let arguments = bless(version, [11, RO, 12, 13, RO, entries]);
            blessing(version, SELF).check(&GuestCode::new(), "bless", &arguments, Expect::Panic);
        }
    }
}

#[test]
fn bless_reads_long_tables_in_pieces() {
    for version in ALL {
        let mut guest = GuestCode::new();
        // 2730 entries fill the writable pages but for 8 octets.
        for entry in 0..2730_u32 {
            guest = guest.with(RW + u64::from(entry) * 12, &entry.to_le_bytes());
        }
        let world = blessing(version, SELF);
        let ran = world.check(&guest, "bless", &bless(version, [11, RO, 12, 13, RW, 2730]), Expect::Answer(OK));
        assert_eq!(ran.result.privileges.unwrap().always_accumulate.len(), 2730);
    }
}

fn assigner(version: GpVersion) -> World {
    let mut world = World::new(version);
    Arc::make_mut(&mut world.privileges).assigners = vec![ServiceId(1), SELF];
    world
}

#[test]
fn assign_sets_queue_and_assigner() {
    for version in ALL {
        let queue: Vec<u8> = (0..80_u8).flat_map(|at| [at; 32]).collect();
        let guest = GuestCode::new().with(RO, &queue);
        let ran = assigner(version).check(&guest, "assign", &[1, RO, 44], Expect::Answer(OK));
        assert_eq!(ran.result.privileges.as_ref().unwrap().assigners, [ServiceId(1), ServiceId(44)]);
        let (core, set) = ran.result.queues.first_key_value().unwrap();
        assert_eq!((*core, set[0].0, set[79].0), (1, [0; 32], [79; 32]));
    }
}

#[test]
fn assign_refuses_and_panics() {
    for version in ALL {
        let rows = [
            ([1, NOWHERE, 44], Expect::Panic),
            ([1, RO + 4096 - 2559, 44], Expect::Panic),
            ([1, RW_END - 2560, 44], Expect::Answer(OK)),
            ([7, NOWHERE, 44], Expect::Panic),
            ([2, RO, 44], Expect::Answer(CORE)),
            ([u64::MAX, RO, PAST_32_BITS], Expect::Answer(CORE)),
            ([0, RO, 44], Expect::Answer(HUH)),
            ([0, RO, PAST_32_BITS], Expect::Answer(HUH)),
        ];
        for (arguments, expect) in rows {
            let ran = assigner(version).check(&GuestCode::new(), "assign", &arguments, expect);
            assert_eq!(ran.result.queues.is_empty(), expect != Expect::Answer(OK));
        }
        let unchecked = version == GpVersion::V0_7_0;
        let expect = Expect::Answer(if unchecked { OK } else { WHO });
        let ran = assigner(version).check(&GuestCode::new(), "assign", &[1, RO, PAST_32_BITS + 5], expect);
        assert_eq!(ran.result.privileges.is_some(), unchecked);
    }
}

fn delegator(version: GpVersion) -> World {
    let mut world = World::new(version);
    Arc::make_mut(&mut world.privileges).delegator = SELF;
    world
}

#[test]
fn designate_takes_all_validators_before_0_8() {
    for version in [GpVersion::V0_7_0, GpVersion::V0_7_2] {
        let guest = GuestCode::new().with(RO, &[1]).with(RO + 2015, &[2]);
        let ran = delegator(version).check(&guest, "designate", &[RO], Expect::Answer(OK));
        let keys = ran.result.staging.unwrap();
        assert_eq!((keys.len(), keys[0], keys[2015]), (6 * 336, 1, 2));

        delegator(version).check(&guest, "designate", &[RO + 4096 - 2015], Expect::Panic);
        delegator(version).check(&guest, "designate", &[NOWHERE], Expect::Panic);
        World::new(version).check(&guest, "designate", &[RO], Expect::Answer(HUH));
        World::new(version).check(&guest, "designate", &[NOWHERE], Expect::Panic);
    }
}

#[test]
fn designate_takes_as_many_as_it_says_since_0_8() {
    let mut world = delegator(GpVersion::V0_8_0);
    world.constants.cores = 4;
    let rows = [
        ([RW, 6], Expect::Answer(OK)),
        ([RW, 9], Expect::Answer(OK)),
        ([RW, 12], Expect::Answer(OK)),
        ([RW, 15], Expect::Answer(HUH)),
        ([RW, 3], Expect::Answer(HUH)),
        ([RW, 7], Expect::Answer(HUH)),
        ([RW, 0], Expect::Answer(HUH)),
        ([u64::MAX, 0], Expect::Answer(HUH)),
        ([RW_END - 9 * 336 + 1, 9], Expect::Panic),
        // Memory comes before the number.
        ([NOWHERE, 7], Expect::Panic),
        ([RW, 98], Expect::Panic),
    ];
    for (arguments, expect) in rows {
        let ran = world.check(&GuestCode::new(), "designate", &arguments, expect);
        let expected = (expect == Expect::Answer(OK)).then_some(arguments[1] as usize * 336);
        assert_eq!(ran.result.staging.map(|keys| keys.len()), expected);
    }
    let mut stranger = World::new(GpVersion::V0_8_0);
    stranger.constants.cores = 4;
    stranger.check(&GuestCode::new(), "designate", &[RW, 6], Expect::Answer(HUH));
}
