//! Privileged calls in accumulate: bless, assign, designate.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::results::{CORE, HUH, OK, WHO};
use tvm_runtime::jam::types::{Hash, Privileges, ServiceId};

use crate::support::commands::{Arg, Commands, at, n};
use crate::support::world::{OTHER, ROOT, SELF, VERSIONS, World};

/// One more than any service index.
const NO_INDEX: u64 = 1 << 32;

/// A world in which SELF holds all privileges.
fn privileged(version: GpVersion) -> World {
    let mut world = World::new(version);
    world.privileges.manager = SELF;
    world.privileges.assigners = vec![SELF, ROOT];
    world.privileges.delegator = SELF;
    world.privileges.registrar = SELF;
    world
}

fn number(service: ServiceId) -> Arg {
    n(service.0.into())
}

/// Assigners at 0, and a table of two services at 8.
fn put_blessing() -> Commands {
    let entry = |service: u32, gas: u64| [&service.to_le_bytes()[..], &gas.to_le_bytes()].concat();
    let assigners = [21_u32.to_le_bytes(), 22_u32.to_le_bytes()].concat();
    Commands::new().put(0, &[assigners, entry(u32::MAX, 1 << 40), entry(3, 0)].concat())
}

fn blessed(table: &[(u32, u64)]) -> Privileges {
    Privileges {
        manager: ServiceId(31),
        assigners: vec![ServiceId(21), ServiceId(22)],
        delegator: ServiceId(32),
        registrar: ServiceId(33),
        always_accumulate: table.iter().map(|&(service, gas)| (ServiceId(service), Gas(gas))).collect(),
    }
}

#[test]
fn bless() {
    for version in VERSIONS {
        let world = privileged(version);
        let bless = |table, count| put_blessing().call("bless", &[n(31), at(0), n(32), n(33), table, n(count)]);
        for (table, count, expected) in [
            (at(8), 2, blessed(&[(u32::MAX, 1 << 40), (3, 0)])),
            (at(8), 1, blessed(&[(u32::MAX, 1 << 40)])),
            (n(0), 0, blessed(&[])),
        ] {
            let ran = world.accumulate_commands(&bless(table, count));
            assert_eq!(ran.codes(), [OK]);
            assert_eq!(ran.result.privileges.as_deref(), Some(&expected), "{version}: {count} entries");
            assert_eq!(ran.changes().account, world.own());
        }
        for (manager, delegator, registrar) in [(NO_INDEX, 1, 1), (1, u64::MAX, 1), (1, 1, NO_INDEX)] {
            let arguments = [n(manager), at(0), n(delegator), n(registrar), at(8), n(2)];
            let ran = world.accumulate_commands(&put_blessing().call("bless", &arguments));
            assert_eq!((ran.codes(), ran.result.privileges), (vec![WHO], None), "{version}");
        }
        for (assigners, table, count) in [(n(0), at(8), 2), (at(0), n(0), 1), (n((1 << 32) - 4), n(0), 0)] {
            let ran = world
                .accumulate_commands(&put_blessing().call("bless", &[n(31), assigners, n(32), n(33), table, n(count)]));
            assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}");
            assert_eq!(ran.result.privileges, None);
        }
    }
}

/// In GP 0.7.2 anyone may bless, and what takes effect is for the merge to decide. In GP 0.8.0 only the manager may,
/// and one who names another has given the right away: the rules look at the privileges as they are by then.
#[test]
fn bless_without_the_right_to() {
    for version in VERSIONS {
        let arguments = [n(31), at(0), n(32), n(33), at(8), n(2)];
        let anyone = version == GpVersion::V0_7_2;
        let ran = World::new(version).accumulate_commands(&put_blessing().call("bless", &arguments));
        let expected = if anyone { (OK, Some(blessed(&[(u32::MAX, 1 << 40), (3, 0)]))) } else { (HUH, None) };
        assert_eq!((ran.codes()[0], ran.result.privileges.as_deref().cloned()), expected, "{version}");

        let twice =
            put_blessing().call("bless", &arguments).call("bless", &[number(OTHER), at(0), n(1), n(1), n(0), n(0)]);
        let ran = privileged(version).accumulate_commands(&twice);
        assert_eq!(ran.codes(), [OK, if anyone { OK } else { HUH }], "{version}");
        let manager = ran.result.privileges.expect("blessed").manager;
        assert_eq!(manager, if anyone { OTHER } else { ServiceId(31) });
    }
}

#[test]
fn assign() {
    for version in VERSIONS {
        let world = privileged(version);
        let queue: Vec<u8> = (0..80_u8).flat_map(|at| [at + 1; 32]).collect();
        let put = Commands::new().put(64, &queue);
        let assign = |commands: Commands, core, assigner| commands.call("assign", &[n(core), at(64), n(assigner)]);
        // The order of checks: core, right, assigner.
        let commands = assign(assign(assign(put.clone(), 2, NO_INDEX), u64::MAX, 5), 1, NO_INDEX);
        let commands = assign(assign(commands, 0, NO_INDEX), 0, u32::MAX.into());
        // The right is gone with that.
        let commands = assign(commands, 0, 5);
        let ran = world.accumulate_commands(&commands);
        assert_eq!(ran.codes(), [CORE, CORE, HUH, WHO, OK, HUH], "{version}");
        let privileges = ran.result.privileges.expect("an assigner was set");
        let expected = Privileges { assigners: vec![ServiceId(u32::MAX), ROOT], ..world.privileges.clone() };
        assert_eq!(*privileges, expected);
        let queues: Vec<_> = ran.result.queues.into_iter().collect();
        let [(0, queue)] = &queues[..] else { panic!("one queue is set: {queues:?}") };
        assert!(queue.iter().zip(1..).all(|(hash, byte)| *hash == Hash([byte; 32])));

        for start in [n(0), n((1 << 32) - 2559)] {
            for core in [0, 9] {
                let ran = world.accumulate_commands(&put.clone().call("assign", &[n(core), start, n(1)]));
                assert_eq!((ran.result.end, ran.result.queues.len()), (InvocationEnd::Panic, 0), "{version}");
            }
        }
    }
}

#[test]
fn designate() {
    for version in VERSIONS {
        let counted = version == GpVersion::V0_8_0;
        let mut world = privileged(version);
        // A chain with as many cores as validators count thrice.
        (world.constants.cores, world.constants.validators) = (5, 15);
        world.privileges.assigners = vec![ROOT; 5];
        let keys: Vec<u8> = (0..15 * 336_u32).map(|byte| (byte / 7) as u8).collect();
        let put = Commands::new().put(64, &keys);
        let designate = |count| put.clone().call("designate", &[at(64), n(count)]);
        for count in [0, 3, 5, 6, 7, 9, 12, 15, 16, 18] {
            let ran = world.accumulate_commands(&designate(count));
            let taken = match counted {
                true => [6, 9, 12, 15].contains(&count).then_some(count),
                // As many as the chain has.
                false => Some(15),
            };
            assert_eq!(ran.codes(), [if taken.is_some() { OK } else { HUH }], "{version}: {count} keys");
            let expected = taken.map(|count| &keys[..count as usize * 336]);
            assert_eq!(ran.result.staging.as_deref(), expected, "{version}: {count} keys");
        }
        // The right comes after the keys.
        world.privileges.delegator = ROOT;
        let ran = world.accumulate_commands(&designate(6));
        assert_eq!((ran.codes(), ran.result.staging), (vec![HUH], None), "{version}");
        for start in [n(0), n((1 << 32) - 6 * 336 + 1)] {
            let ran = world.accumulate_commands(&Commands::new().call("designate", &[start, n(6)]));
            assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}");
        }
    }
}
