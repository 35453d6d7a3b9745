//! checkpoint and yield, and what remains of an accumulation however it ends.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::results::{OK, SELF as CALLER};
use tvm_runtime::jam::types::{Hash, Timeline};

use crate::services::changed;
use crate::support::{ALL, Expect, GuestCode, NOWHERE, OTHER, RO, RW, SELF, World};

#[test]
fn checkpoint_tells_the_gas() {
    for version in ALL {
        let world = World::new(version);
        let blob = GuestCode::new().call(world.id("checkpoint"), &[]).halt(0, 0);
        let call = world.accumulate(&blob).last().clone();
        assert_eq!((call.after[7], call.cost()), (call.gas_after, if version == GpVersion::V0_8_0 { 103 } else { 10 }));
        world.check(&GuestCode::new(), "checkpoint", &[], Expect::Answer(call.gas_after));
    }
}

#[test]
fn yield_sets_the_result() {
    for version in ALL {
        let guest = GuestCode::new().with(RO, &[8; 32]);
        let ran = World::new(version).check(&guest, "yield", &[RO], Expect::Answer(OK));
        assert_eq!(ran.result.yielded, Some(Hash([8; 32])));
        World::new(version).check(&guest, "yield", &[NOWHERE], Expect::Panic);
        World::new(version).check(&guest, "yield", &[RO + 4065], Expect::Panic);
    }
}

#[test]
fn an_output_of_32_octets_goes_before_yield() {
    for version in ALL {
        let world = World::new(version);
        let guest = GuestCode::new().with(RO, &[8; 32]).with(RO + 32, &[9; 33]);
        let yielded = |output, len| {
            let ran = world.accumulate(&guest.clone().call(world.id("yield"), &[RO]).halt(output, len));
            assert_eq!(ran.result.end, InvocationEnd::Halt);
            ran.result.yielded.unwrap().0[0]
        };
        assert_eq!(yielded(RO + 32, 32), 9);
        for (output, len) in
            [(RO + 32, 31), (RO + 32, 33), (RO + 32, 0), (NOWHERE, 32), (RO + 4065, 32), (NOWHERE, u64::MAX)]
        {
            assert_eq!(yielded(output, len), 8);
        }
        let ran = world.accumulate(&guest.halt(RO, 31));
        assert_eq!(ran.result.yielded, None);
    }
}

/// A guest that does one of everything, with the octets at `mark` · 64.
fn busy(world: &World, guest: GuestCode, mark: u64) -> GuestCode {
    let at = RO + 64 * mark;
    guest
        .call(world.id("write"), &[at, 1, at, 2])
        .call(world.id("new"), &[at, mark, 0, 0, 0, 0])
        .call(world.id("transfer"), &[OTHER.0.into(), mark, 25, RO])
        .call(world.id("yield"), &[at])
        .call(world.id("provide"), &[CALLER, RW + mark, 1])
        .call(world.id("assign"), &[0, RO, SELF.0.into()])
}

fn busy_world(version: GpVersion) -> World {
    let mut world = World::new(version);
    std::sync::Arc::make_mut(&mut world.privileges).assigners[0] = SELF;
    for octet in 1..=5 {
        world.accounts.request(SELF, (Hash::of(&[octet]), 1), Timeline::Requested);
    }
    world
}

#[test]
fn the_exceptional_dimension_is_that_of_the_last_checkpoint() {
    for version in ALL {
        let world = busy_world(version);
        let checkpoint = world.id("checkpoint");
        let data = GuestCode::new().with(RO + 64, &[1; 64]).with(RO + 128, &[2; 64]).with(RW, &[1, 2, 3, 4, 5]);
        let early = busy(&world, data, 1);
        let late = busy(&world, early.clone().call(checkpoint, &[]), 2);
        let [until_checkpoint, all] =
            [early.clone(), late.clone()].map(|guest| world.accumulate(&guest.halt(0, 0)).result);
        assert_eq!([until_checkpoint.transfers.len(), all.transfers.len()], [1, 2]);
        assert_eq!([until_checkpoint.provisions.len(), all.provisions.len()], [1, 2]);
        assert_eq!([until_checkpoint.accounts.0.len(), all.accounts.0.len()], [2, 3]);
        assert_eq!([until_checkpoint.yielded.unwrap().0[0], all.yielded.unwrap().0[0]], [1, 2]);

        let panicked = world.accumulate(&late.clone().trap());
        assert_eq!(panicked.result.end, InvocationEnd::Panic);
        assert_same(&panicked.result, &until_checkpoint);

        let nothing = world.accumulate(&early.trap()).result;
        assert_eq!((nothing.transfers.len(), nothing.provisions.len(), nothing.yielded), (0, 0, None));
        assert_eq!((nothing.accounts.0.len(), nothing.privileges), (1, None));

        // Out of gas in the very last call.
        let last = late.call(world.id("gas"), &[]).halt(0, 0);
        let whole = world.accumulate(&last);
        let used = world.gas - whole.last().gas_after;
        let short = World { gas: used - 1, ..world.clone() }.accumulate(&last);
        assert_eq!((short.result.end, short.result.gas_used), (InvocationEnd::OutOfGas, Gas(used - 1)));
        assert_same(&short.result, &until_checkpoint);
    }
}

/// The same changes, but for the code that made them and the gas they took.
fn assert_same(found: &tvm_runtime::jam::Accumulated, expected: &tvm_runtime::jam::Accumulated) {
    let comparable = |result: &tvm_runtime::jam::Accumulated| {
        let mut result = result.clone();
        (result.end, result.gas_used) = (InvocationEnd::Halt, Gas(0));
        for change in result.accounts.0.values_mut() {
            if let tvm_runtime::jam::state::AccountChange::Changed(delta) = change
                && !delta.created
            {
                delta.account.code_hash = Hash::default();
            }
        }
        result
    };
    assert_eq!(comparable(found), comparable(expected));
}

#[test]
fn many_checkpoints_cost_no_more_than_the_changes_between_them() {
    // 20 000 checkpoints over 200 entries: copying all entries each time would show in the run time of the tests.
    let mut world = World::new(GpVersion::V0_7_2);
    world.accounts.accounts.get_mut(&SELF).unwrap().balance = u64::MAX;
    let mut guest = GuestCode::new();
    for entry in 0..200_u64 {
        guest = guest.with(RW + 2 * entry, &(entry as u16).to_le_bytes());
        guest = guest.call(world.id("write"), &[RW + 2 * entry, 2, RW, 30_000]);
    }
    for _ in 0..20_000 {
        guest = guest.call(world.id("checkpoint"), &[]);
    }
    let ran = world.accumulate(&guest.trap());
    assert_eq!(changed(&ran, SELF).storage.len(), 200);
}

#[test]
fn a_checkpoint_keeps_the_next_index() {
    for version in ALL {
        let world = World::new(version);
        let new = [RO, 10, 0, 0, 0, 0];
        let plain = GuestCode::new().call(world.id("new"), &new);
        let with_checkpoint = plain.clone().call(world.id("checkpoint"), &[]);
        let ids = |guest: GuestCode| {
            let ran = world.accumulate(&guest.call(world.id("new"), &new).halt(0, 0));
            (ran.calls[0].after[7], ran.last().after[7])
        };
        assert_eq!(ids(plain), ids(with_checkpoint));
    }
}
