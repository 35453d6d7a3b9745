//! What is left of an accumulation that panics or runs out of gas: what the last checkpoint had (GP B.4, C).

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::types::{Bytes, Hash, Timeline};
use tvm_runtime::jam::{Accumulated, InvocationEnd};

use crate::support::commands::{Commands, at, n};
use crate::support::world::{OTHER, Ran, SELF, VERSIONS, World, transfer};

/// A world in which SELF may do everything, with something of it taken in.
fn world(version: GpVersion) -> World {
    let mut world = World::new(version);
    world.privileges.manager = SELF;
    world.privileges.assigners = vec![SELF; 2];
    world.privileges.delegator = SELF;
    world.accounts.store(SELF, b"key", b"value");
    world.accounts.request(OTHER, (Hash::of(&[3; 32]), 32), Timeline::Requested);
    world.accounts.request(OTHER, (Hash::of(&[4; 32]), 32), Timeline::Requested);
    world
}

/// One change of everything that accumulate can change, told apart by `mark`.
fn changes(mark: u8) -> Commands {
    let service = n(mark.into());
    Commands::new()
        .fill(0, 4096, mark)
        .put(5000, b"key")
        .call("write", &[at(5000), n(3), at(0), n(mark.into())])
        .call("solicit", &[at(0), n(mark.into())])
        .call("new", &[at(0), n(5), n(1), n(1), n(0), n(0)])
        .call("transfer", &[n(OTHER.0.into()), n(mark.into()), n(200), at(0)])
        .call("provide", &[n(OTHER.0.into()), at(0), n(32)])
        .call("yield", &[at(0)])
        .call("assign", &[n((mark % 2).into()), at(0), n(SELF.0.into())])
        .call("designate", &[at(0), n(6)])
        .call("bless", &[n(SELF.0.into()), at(6000), n(SELF.0.into()), service, n(0), n(0)])
        .call("upgrade", &[at(0), service, service])
}

/// The same list with the assigners that `bless` sets in place.
fn with_assigners(commands: &Commands) -> Commands {
    let assigners = [SELF.0.to_le_bytes(), SELF.0.to_le_bytes()].concat();
    Commands::new().put(6000, &assigners).then(commands)
}

/// Everything that came of it, but for how it ended.
fn outcome(ran: &Ran<Accumulated>) -> Accumulated {
    Accumulated { end: InvocationEnd::Halt, gas_used: Gas(0), ..ran.result.clone() }
}

/// Panics and runs out of gas in several ways.
fn endings() -> [(Commands, InvocationEnd); 5] {
    [
        (Commands::new().trap(), InvocationEnd::Panic),
        (Commands::new().call("yield", &[n(0)]), InvocationEnd::Panic),
        (Commands::new().load(0x2000), InvocationEnd::Panic),
        (Commands::new().burn(u64::MAX), InvocationEnd::OutOfGas),
        (Commands::new().call("transfer", &[n(OTHER.0.into()), n(0), n(1 << 62), at(0)]), InvocationEnd::OutOfGas),
    ]
}

#[test]
fn without_a_checkpoint_nothing_is_left() {
    for version in VERSIONS {
        let mut world = world(version);
        world.gas = Gas(2_000_000);
        let commands = with_assigners(&changes(3));
        // All of it works when nothing goes wrong.
        let fine = world.accumulate_without_results(&commands);
        assert_eq!(fine.result.end, InvocationEnd::Halt);
        assert!(fine.result.privileges.is_some() && fine.result.staging.is_some() && fine.result.yielded.is_some());
        let parts = (fine.result.queues.len(), fine.result.transfers.len(), fine.result.provisions.len());
        assert_eq!((parts, fine.result.accounts.0.len()), ((1, 1, 1), 2), "{version}");
        for (ending, end) in endings() {
            let ran = world.accumulate_without_results(&commands.clone().then(&ending));
            assert_eq!(ran.result.end, end, "{version}: {ending:?}");
            ran.check_nothing_else();
            let own = ran.own();
            assert_eq!((own.account, own.storage.len(), own.requests.len()), (world.own(), 0, 0), "{version}");
        }
    }
}

#[test]
fn a_checkpoint_is_what_is_left() {
    for version in VERSIONS {
        let mut world = world(version);
        world.gas = Gas(2_000_000);
        let first = with_assigners(&changes(3));
        let kept = world.accumulate_without_results(&first);
        let more = changes(4).call("forget", &[at(0), n(4)]);
        let commands = first.clone().call("checkpoint", &[]).then(&more);
        for (ending, end) in endings() {
            // An output does not count either.
            let ran = world.accumulate_without_results(&commands.clone().hash([9; 32]).then(&ending));
            assert_eq!(ran.result.end, end, "{version}: {ending:?}");
            assert_eq!(outcome(&ran), outcome(&kept), "{version}: {ending:?}");
        }
        // Without an ending, a checkpoint changes nothing but the gas.
        let with = world.accumulate_without_results(&commands);
        let without = world.accumulate_without_results(&first.clone().then(&more));
        assert_eq!(outcome(&with), outcome(&without), "{version}");
        assert_eq!(with.result.staging.as_deref(), Some(&[4; 6 * 336][..]));
        assert_eq!((with.result.yielded, kept.result.yielded), (Some(Hash([4; 32])), Some(Hash([3; 32]))));
        let value = |len| Some(Bytes::from(vec![len; len as usize]));
        assert_eq!(with.own().storage[&b"key"[..]], value(4));
        assert_eq!(kept.own().storage[&b"key"[..]], value(3));
        // The checkpoint tells the gas behind it.
        let call = with.calls("checkpoint")[0];
        assert_eq!(call.after[7], call.gas_after, "{version}");
    }
}

/// The last checkpoint counts; removals are kept as well, and new indices are not given out twice.
#[test]
fn several_checkpoints() {
    for version in VERSIONS {
        let world = world(version);
        let new = |commands: Commands| commands.call("new", &[at(0), n(5), n(1), n(1), n(0), n(0)]);
        let remove = |commands: Commands| commands.put(0, b"key").call("write", &[at(0), n(3), n(0), n(0)]);
        let checkpoint = |commands: Commands| commands.call("checkpoint", &[]);
        let kept = checkpoint(new(remove(checkpoint(new(Commands::new())))));
        let ran = world.accumulate_without_results(&new(kept.clone()).trap());
        let expected = world.accumulate_without_results(&kept);
        assert_eq!((ran.result.end, outcome(&ran)), (InvocationEnd::Panic, outcome(&expected)), "{version}");
        assert_eq!(ran.own().storage, [(b"key".to_vec(), None)].into());
        assert_eq!(ran.own().account.items, world.own().items - 1);
        let created: Vec<u64> = ran.calls("new").iter().map(|call| call.after[7]).collect();
        assert_eq!(ran.result.accounts.0.len(), 3, "two of three services are left: {created:?}");
        assert_eq!((created[1] - created[0], created[2] - created[1]), (42, 42), "{version}");
    }
}

/// Gas used after a collapse: everything, where it is the counter that went below zero.
#[test]
fn gas_used_by_a_run_without_gas() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.inputs = vec![transfer(0, &Commands::new().burn(u64::MAX).0)];
        for gas in [0, 1, 10, 1000, 99_999] {
            world.gas = Gas(gas);
            let ran = world.accumulate();
            assert_eq!(ran.result.end, InvocationEnd::OutOfGas);
            let used = ran.result.gas_used.0;
            if version == GpVersion::V0_7_2 {
                assert_eq!(used, gas, "{version}");
            } else {
                // A block that is not paid for takes nothing; a host call does.
                let in_call = ran.seen.calls.last().is_some_and(|call| call.exit.is_some());
                assert!(used <= gas && (!in_call || used == gas), "{version}: {used} of {gas}");
            }
        }
    }
}
