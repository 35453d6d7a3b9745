//! new, upgrade, transfer, eject: every result code and panic.

use std::sync::Arc;

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::results::{CASH, FULL, HUH, LOW, OK, WHO};
use tvm_runtime::jam::state::{AccountChange, AccountDelta};
use tvm_runtime::jam::types::{DeferredTransfer, Hash, ServiceAccount, ServiceId, TimeSlot, Timeline};
use tvm_runtime::jam::{Accumulated, InvocationEnd};

use crate::support::{ALL, Expect, GuestCode, NOWHERE, OTHER, RO, RW_END, Ran, SELF, World};

const PAST_32_BITS: u64 = 1 << 32;

/// The delta of an account that must have changed.
pub fn changed(ran: &Ran<Accumulated>, service: ServiceId) -> &AccountDelta {
    match ran.result.accounts.get(service) {
        Some(AccountChange::Changed(delta)) => delta,
        other => panic!("{service:?} is {other:?}"),
    }
}

/// new's deposit for a preimage of this length: 100, two items of 10, 81 and length octets of 1.
fn deposit(len: u64) -> u64 {
    201 + len
}

#[test]
fn new_creates_an_account_and_pays_for_it() {
    for version in ALL {
        let guest = GuestCode::new().with(RO, &[5; 32]);
        let world = World::new(version);
        let blob = guest.clone().call(world.id("new"), &[RO, 50, 6, 7, 0, 9]).halt(0, 0);
        let ran = world.accumulate(&blob);
        let id = ServiceId(u32::try_from(ran.last().after[7]).unwrap());
        let (_, created) = ran.result.accounts.0.iter().find(|(service, _)| **service != SELF).unwrap();
        assert_eq!(ran.result.accounts.get(id), Some(created));
        let expected = ServiceAccount {
            code_hash: Hash([5; 32]),
            balance: deposit(50),
            min_item_gas: Gas(6),
            min_memo_gas: Gas(7),
            octets: 131,
            items: 2,
            gratis: 0,
            created: TimeSlot(100),
            last_accumulated: TimeSlot(0),
            parent: SELF,
        };
        let delta = changed(&ran, id);
        assert_eq!((&delta.account, delta.created), (&expected, true));
        assert_eq!(delta.requests, [((Hash([5; 32]), 50), Some(Timeline::Requested))].into());
        assert_eq!(changed(&ran, SELF).account.balance, 1_000_000 - deposit(50));
        world.check(&guest, "new", &[RO, 50, 6, 7, 0, 9], Expect::Answer(id.0.into()));
    }
}

#[test]
fn new_refuses_and_panics() {
    for version in ALL {
        let mut world = World::new(version);
        world.accounts.accounts.get_mut(&SELF).unwrap().gratis = 80;
        let threshold = 20;
        let balance = threshold + deposit(10);
        world.accounts.accounts.get_mut(&SELF).unwrap().balance = balance;
        let check =
            |world: &World, arguments: [u64; 6], expect| world.check(&GuestCode::new(), "new", &arguments, expect);
        check(&world, [NOWHERE, 10, 0, 0, 0, 0], Expect::Panic);
        check(&world, [RO + 4065, 10, 0, 0, 0, 0], Expect::Panic);
        check(&world, [RO, PAST_32_BITS, 0, 0, 1, 0], Expect::Panic);
        check(&world, [RO, 10, 0, 0, 1, 0], Expect::Answer(HUH));
        check(&world, [RO, 11, 0, 0, 0, 0], Expect::Answer(CASH));
        check(&world, [RO, u64::from(u32::MAX), 0, 0, 0, 0], Expect::Answer(CASH));
        // Exactly enough.
        let blob = GuestCode::new().call(world.id("new"), &[RO, 10, 0, 0, 0, 0]).halt(0, 0);
        let ran = world.accumulate(&blob);
        assert!(ran.last().after[7] < PAST_32_BITS);
        assert_eq!(changed(&ran, SELF).account.balance, threshold);
    }
}

#[test]
fn new_with_a_gratis_deposit_is_the_managers() {
    for version in ALL {
        let mut world = World::new(version);
        Arc::make_mut(&mut world.privileges).manager = SELF;
        for (gratis, balance) in [(100, deposit(10) - 100), (deposit(10), 0), (u64::MAX, 0)] {
            let blob = GuestCode::new().call(world.id("new"), &[RO, 10, 0, 0, gratis, 0]).halt(0, 0);
            let ran = world.accumulate(&blob);
            let account = &changed(&ran, ServiceId(ran.last().after[7] as u32)).account;
            assert_eq!((account.gratis, account.balance), (gratis, balance));
        }
    }
}

#[test]
fn the_registrar_chooses_low_indices() {
    for version in ALL {
        let mut world = World::new(version);
        Arc::make_mut(&mut world.privileges).registrar = SELF;
        let wants = |wanted: u64| {
            let blob = GuestCode::new().call(world.id("new"), &[RO, 10, 0, 0, 0, wanted]).halt(0, 0);
            world.accumulate(&blob).last().after[7]
        };
        let free = wants(PAST_32_BITS);
        if version == GpVersion::V0_7_0 {
            assert_eq!(wants(5), free);
            continue;
        }
        assert_eq!([wants(5), wants(65_535)], [5, 65_535]);
        assert_eq!([wants(65_536), wants(PAST_32_BITS + 5)], [free; 2]);
        let check = |arguments: &[u64], expect| world.check(&GuestCode::new(), "new", arguments, expect);
        check(&[RO, 10, 0, 0, 0, OTHER.0.into()], Expect::Answer(FULL));
        check(&[RO, 10, 0, 0, 0, SELF.0.into()], Expect::Answer(FULL));
        // Who cannot pay does not learn whether the index is taken.
        check(&[RO, 2_000_000, 0, 0, 0, OTHER.0.into()], Expect::Answer(CASH));
        // The index that was chosen does not use up the next free one.
        let guest = GuestCode::new().call(world.id("new"), &[RO, 10, 0, 0, 0, 5]);
        let blob = guest.call(world.id("new"), &[RO, 10, 0, 0, 0, PAST_32_BITS]).halt(0, 0);
        assert_eq!(world.accumulate(&blob).last().after[7], free);
        // It is taken from then on.
        let guest = GuestCode::new().call(world.id("new"), &[RO, 10, 0, 0, 0, 5]);
        world.check_after(&guest, "new", &[RO, 10, 0, 0, 0, 5], Expect::Answer(FULL));
    }
}

#[test]
fn new_indices_are_42_apart_and_skip_taken_ones() {
    for version in ALL {
        let first_public = if version == GpVersion::V0_7_0 { 1 << 8 } else { 1 << 16 };
        let mut world = World::new(version);
        let new = [RO, 10, 0, 0, 0, 0];
        let blob = GuestCode::new().call(world.id("new"), &new).call(world.id("new"), &new).halt(0, 0);
        let ids =
            |world: &World| -> Vec<u64> { world.accumulate(&blob).calls.iter().map(|call| call.after[7]).collect() };
        let [first, second] = ids(&world)[..] else { panic!("two calls") };
        // GP eq:newserviceindex, worked out by hand: E(1000), 32 × 0xee, E(100).
        let mut seed = vec![0x83, 0xe8];
        seed.extend([0xee; 32]);
        seed.push(100);
        let seed = u32::from_le_bytes(Hash::of(&seed).0[..4].try_into().unwrap());
        assert_eq!(first, u64::from(seed) % ((1 << 32) - first_public - 256) + first_public, "GP {version}");
        assert_eq!(second, (first - first_public + 42) % ((1 << 32) - first_public - 256) + first_public);
        // Taken ones are passed over one by one.
        for taken in [first, first + 1, first + 44] {
            world.accounts.add(ServiceId(taken as u32), 5, Hash::default());
        }
        assert_eq!(ids(&world), [first + 2, first + 45]);
    }
}

#[test]
fn upgrade_sets_code_and_gas() {
    for version in ALL {
        let guest = GuestCode::new().with(RO, &[8; 32]);
        let ran = World::new(version).check(&guest, "upgrade", &[RO, u64::MAX, 5], Expect::Answer(OK));
        let account = &changed(&ran, SELF).account;
        assert_eq!(
            (account.code_hash, account.min_item_gas, account.min_memo_gas),
            (Hash([8; 32]), Gas(u64::MAX), Gas(5))
        );
        World::new(version).check(&guest, "upgrade", &[NOWHERE, 0, 0], Expect::Panic);
        World::new(version).check(&guest, "upgrade", &[RW_END - 31, 0, 0], Expect::Panic);
    }
}

#[test]
fn transfer_sends_and_deducts() {
    for version in ALL {
        let guest = GuestCode::new().with(RO, &[9; 128]);
        for destination in [OTHER, SELF] {
            let arguments = [destination.0.into(), 300, 25, RO];
            let ran = World::new(version).check(&guest, "transfer", &arguments, Expect::Answer(OK));
            let expected = DeferredTransfer { source: SELF, destination, amount: 300, memo: [9; 128], gas: Gas(25) };
            assert_eq!(ran.result.transfers, [expected]);
            assert_eq!(changed(&ran, SELF).account.balance, 1_000_000 - 300);
        }
    }
}

#[test]
fn transfer_refuses_and_panics() {
    for version in ALL {
        let to = u64::from(OTHER.0);
        // The threshold of an empty account is 100.
        let all = 1_000_000 - 100;
        let rows = [
            ([to, 300, 25, NOWHERE], Expect::Panic),
            ([999, 300, 25, RO + 4096 - 127], Expect::Panic),
            ([999, u64::MAX, 0, RO], Expect::Answer(WHO)),
            ([PAST_32_BITS + to, 300, 25, RO], Expect::Answer(WHO)),
            ([u64::MAX, 300, 25, RO], Expect::Answer(WHO)),
            ([to, u64::MAX, 19, RO], Expect::Answer(LOW)),
            ([to, 300, 20, RO], Expect::Answer(OK)),
            ([to, all + 1, 20, RO], Expect::Answer(CASH)),
            ([to, u64::MAX, 20, RO], Expect::Answer(CASH)),
            ([to, all, 20, RO], Expect::Answer(OK)),
        ];
        for (arguments, expect) in rows {
            let ran = World::new(version).check(&GuestCode::new(), "transfer", &arguments, expect);
            assert_eq!(ran.result.transfers.len(), usize::from(expect == Expect::Answer(OK)));
        }
    }
}

#[test]
fn transfer_charges_the_receivers_gas() {
    for (version, base, on_failure) in
        [(GpVersion::V0_7_0, 10, true), (GpVersion::V0_7_2, 10, false), (GpVersion::V0_8_0, 575, false)]
    {
        let cost = |arguments: [u64; 4], expect| {
            World::new(version).check(&GuestCode::new(), "transfer", &arguments, expect).last().cost()
        };
        assert_eq!(cost([OTHER.0.into(), 1, 1000, RO], Expect::Answer(OK)), base + 1000);
        let failed = if on_failure { base + 1000 } else { base };
        assert_eq!(cost([999, 1, 1000, RO], Expect::Answer(WHO)), failed);
        assert_eq!(cost([OTHER.0.into(), u64::MAX, 1000, RO], Expect::Answer(CASH)), failed);
        assert_eq!(cost([OTHER.0.into(), 1, 1000, NOWHERE], Expect::Panic), failed);
    }
}

#[test]
fn transfer_with_more_gas_than_there_is_runs_out_of_it() {
    for version in ALL {
        let world = World::new(version);
        let blob = GuestCode::new().call(world.id("transfer"), &[OTHER.0.into(), 1, u64::MAX, RO]).halt(0, 0);
        let ran = world.accumulate(&blob);
        assert_eq!((ran.result.end, ran.result.gas_used), (InvocationEnd::OutOfGas, Gas(world.gas)));
        assert!(ran.result.transfers.is_empty());
    }
}

/// A world where OTHER may be ejected by SELF: one request for 10 octets, forgotten at `until`.
fn ejectable(version: GpVersion, until: u32) -> World {
    let mut world = World::new(version);
    let mut code_hash = [0; 32];
    code_hash[..4].copy_from_slice(&SELF.0.to_le_bytes());
    world.accounts.add(OTHER, 5_000, Hash(code_hash));
    world.accounts.request(OTHER, (Hash([6; 32]), 10), Timeline::Forgotten(TimeSlot(1), TimeSlot(until)));
    world
}

#[test]
fn eject_removes_and_takes_the_balance() {
    for version in ALL {
        // Slot 100, expunge period 32: forgotten before 68.
        let guest = GuestCode::new().with(RO, &[6; 32]);
        let ran = ejectable(version, 67).check(&guest, "eject", &[OTHER.0.into(), RO], Expect::Answer(OK));
        assert_eq!(ran.result.accounts.get(OTHER), Some(&AccountChange::Removed((Hash([6; 32]), 10))));
        assert_eq!(changed(&ran, SELF).account.balance, 1_005_000);
        // It is gone at once.
        let after = guest.clone().call(ejectable(version, 67).id("eject"), &[OTHER.0.into(), RO]);
        ejectable(version, 67).check_after(&after, "eject", &[OTHER.0.into(), RO], Expect::Answer(WHO));
    }
}

#[test]
fn eject_refuses_and_panics() {
    for version in ALL {
        let guest = GuestCode::new().with(RO, &[6; 32]);
        let check = |world: &World, arguments: [u64; 2], expect| {
            let ran = world.check(&guest, "eject", &arguments, expect);
            assert_eq!(ran.result.accounts.get(OTHER), None);
        };
        let other = u64::from(OTHER.0);
        let world = ejectable(version, 67);
        check(&world, [other, NOWHERE], Expect::Panic);
        check(&world, [u64::MAX, RO + 4065], Expect::Panic);
        check(&world, [SELF.0.into(), RO], Expect::Answer(WHO));
        check(&world, [999, RO], Expect::Answer(WHO));
        check(&world, [PAST_32_BITS + other, RO], Expect::Answer(WHO));
        check(&World::new(version), [other, RO], Expect::Answer(WHO));
        // Another hash, another length, more than one request.
        check(&world, [other, RO + 32], Expect::Answer(HUH));
        let mut longer = world.clone();
        longer.accounts.accounts.get_mut(&OTHER).unwrap().octets += 1;
        check(&longer, [other, RO], Expect::Answer(HUH));
        let mut more = world.clone();
        more.accounts.accounts.get_mut(&OTHER).unwrap().items = 3;
        check(&more, [other, RO], Expect::Answer(HUH));
        let mut huge = world.clone();
        huge.accounts.accounts.get_mut(&OTHER).unwrap().octets = u64::MAX;
        check(&huge, [other, RO], Expect::Answer(HUH));
        // Forgotten too recently, and other timelines.
        check(&ejectable(version, 68), [other, RO], Expect::Answer(HUH));
        let [a, b, c] = [1, 2, 3].map(TimeSlot);
        for timeline in [Timeline::Requested, Timeline::Available(a), Timeline::AvailableAgain(a, b, c)] {
            let mut world = ejectable(version, 67);
            world.accounts.requests.insert((OTHER, (Hash([6; 32]), 10)), timeline);
            check(&world, [other, RO], Expect::Answer(HUH));
        }
        // Before the first expunge period is over, nothing was forgotten before it.
        let mut early = ejectable(version, 0);
        early.slot = TimeSlot(32);
        check(&early, [other, RO], Expect::Answer(HUH));
    }
}

#[test]
fn an_ejected_service_that_was_created_anew_is_as_it_was() {
    for version in [GpVersion::V0_7_2, GpVersion::V0_8_0] {
        let mut world = ejectable(version, 67);
        Arc::make_mut(&mut world.privileges).registrar = SELF;
        let guest = GuestCode::new().with(RO, &[6; 32]).call(world.id("eject"), &[OTHER.0.into(), RO]);
        let ran = world.check_after(&guest, "new", &[RO, 10, 0, 0, 0, OTHER.0.into()], Expect::Answer(OTHER.0.into()));
        // The merge takes neither, because the account existed and still does.
        assert_eq!(ran.result.accounts.get(OTHER), None);
        assert!(world.accounts.accounts.contains_key(&OTHER));
    }
}
