//! Everything that refine can fetch.

use tvm_runtime::jam::results::NONE;

use crate::support::commands::{Commands, at, n};
use crate::support::encoding;
use crate::support::world::{Ran, VERSIONS, World};

/// Longer than anything fetched here.
const ROOM: u32 = 8192;

/// Fetches a whole value, and shows it.
fn whole(commands: Commands, kind: u64, first: u64, second: u64, len: usize) -> Commands {
    let commands = commands.fill(0, ROOM, 0xaa);
    let commands = commands.call("fetch", &[at(0), n(0), n(ROOM.into()), n(kind), n(first), n(second)]);
    // One byte more than there is, to see that it is not written.
    commands.show(0, len as u32 + 1)
}

#[test]
fn every_kind() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let not_here = [14, 15, 16, 17, 1 << 32, u64::MAX].map(|kind| (kind, 0, 0));
        let out_of_range = [
            // Extrinsics and imports of either item, and past them.
            (3, 0, 1),
            (3, 1, 2),
            (3, 2, 0),
            (3, u64::MAX, 0),
            (4, 2, 0),
            (5, 0, 1),
            (5, 2, 0),
            (6, 2, 0),
            (6, 1 << 32, 0),
            // Summaries and payloads.
            (12, 2, 0),
            (13, 2, 0),
            (13, u64::MAX, 0),
        ];
        let missing = not_here.into_iter().chain(out_of_range);
        // The package contains the commands, which contain its length: building them twice settles that.
        let build = |values: &[(u64, u64, u64, Vec<u8>)]| {
            let known = values.iter().fold(Commands::new(), |commands, (kind, first, second, value)| {
                whole(commands, *kind, *first, *second, value.len())
            });
            missing.clone().fold(known, |commands, (kind, first, second)| {
                commands.call("fetch", &[n(0), n(0), n(1), n(kind), n(first), n(second)])
            })
        };
        for _ in 0..2 {
            world = world.with_refine_commands(&build(&values(&world)));
        }
        let values = values(&world);
        assert_eq!(world.package.items[1].payload, build(&values).payload(&Commands::new()), "lengths have settled");
        let ran = world.refine();
        let mut answers = ran.answers();
        for (kind, first, second, value) in &values {
            let what = format!("{version}: kind {kind}, {first}, {second}");
            assert_eq!(answers.first(), value.len() as u64, "{what}");
            let mut shown = answers.bytes(value.len() + 1);
            assert_eq!(shown.pop(), Some(0xaa), "{what}: nothing is written behind it");
            assert_eq!(hex::encode(shown), hex::encode(value), "{what}");
        }
        for (kind, first, second) in missing {
            assert_eq!(answers.first(), NONE, "{version}: kind {kind}, {first}, {second}");
        }
        answers.end();
        assert!(ran.result.exports.is_empty());
    }
}

/// What each kind gives: kind, indices, value.
fn values(world: &World) -> Vec<(u64, u64, u64, Vec<u8>)> {
    let World { version, package, auth_trace, imports, extrinsics, .. } = world;
    let anything = u64::MAX;
    vec![
        (0, anything, anything, encoding::tiny_constants(*version)),
        (1, anything, anything, vec![0; 32]),
        (2, anything, anything, auth_trace.clone()),
        (3, 0, 0, extrinsics[0][0].to_vec()),
        (3, 1, 0, extrinsics[1][0].to_vec()),
        (3, 1, 1, extrinsics[1][1].to_vec()),
        (4, 0, anything, extrinsics[1][0].to_vec()),
        (4, 1, anything, extrinsics[1][1].to_vec()),
        (5, 0, 0, imports[0][0].to_vec()),
        (5, 1, 1, imports[1][1].to_vec()),
        (6, 0, anything, imports[1][0].to_vec()),
        (6, 1, anything, imports[1][1].to_vec()),
        (7, anything, anything, encoding::package(*version, package)),
        (8, anything, anything, package.authorizer_config.clone()),
        (9, anything, anything, package.authorization.clone()),
        (10, anything, anything, encoding::context(*version, &package.context)),
        (11, anything, anything, encoding::summaries(&package.items)),
        (12, 0, anything, encoding::summary(&package.items[0])),
        (12, 1, anything, encoding::summary(&package.items[1])),
        (13, 0, anything, package.items[0].payload.clone()),
        (13, 1, anything, package.items[1].payload.clone()),
    ]
}

/// The SDK decodes what is fetched, and encodes it to the same bytes.
#[test]
fn the_sdk_understands_what_it_fetches() {
    for version in VERSIONS {
        let commands = (0..6).fold(Commands::new(), Commands::typed);
        let world = World::new(version).with_refine_commands(&commands);
        let mut answers = world.refine().answers();
        assert_eq!(answers.typed(), encoding::tiny_constants(version));
        assert_eq!(answers.typed(), [0; 32]);
        assert_eq!(answers.typed(), encoding::context(version, &world.package.context));
        assert_eq!(answers.typed(), encoding::package(version, &world.package));
        assert_eq!(answers.typed(), encoding::summaries(&world.package.items));
        assert_eq!(answers.typed(), encoding::blob(&world.auth_trace));
        answers.end();
    }
}

/// Offset and length choose a part; what is told is the length of the whole.
#[test]
fn parts_of_a_value() {
    for version in VERSIONS {
        let world = World::new(version);
        let token = world.package.authorization.clone();
        let len = token.len() as u64;
        let parts = [(0, 4), (4, 3), (4, 100), (len - 1, 1), (len, 1), (len + 1, 5), (0, 0), (u64::MAX, u64::MAX)];
        let commands = parts.iter().fold(Commands::new(), |commands, &(offset, wanted)| {
            let commands = commands.fill(0, 16, 0xaa);
            commands.call("fetch", &[at(2), n(offset), n(wanted), n(9)]).show(0, 16)
        });
        let mut answers = world.refine_commands(&commands).answers();
        for (offset, wanted) in parts {
            let rest = token.get(offset as usize..).unwrap_or_default();
            let part = &rest[..rest.len().min(wanted as usize)];
            let mut expected = [0xaa; 16];
            expected[2..2 + part.len()].copy_from_slice(part);
            assert_eq!(answers.first(), len);
            assert_eq!(answers.bytes(16), expected, "{version}: {wanted} from {offset}");
        }
        answers.end();
    }
}

/// A destination that is not writable panics, but only if something is to be written.
#[test]
fn destinations_that_are_not_writable() {
    for version in VERSIONS {
        let fetch = |to, len, kind| Commands::new().call("fetch", &[n(to), n(0), n(len), n(kind)]);
        let fetched = |commands| World::new(version).refine_commands(&commands);
        let panics = |ran: Ran<_>| ran.last_call().exit == Some(tvm_runtime::GuestExit::Panic);
        for to in [0, 0xffff, 0x1_0000, 0xfeff_0000, (1 << 32) - 4, 1 << 32, u64::MAX - 1] {
            assert!(panics(fetched(fetch(to, 9, 9))), "{version}: to {to:#x}");
            assert_eq!(fetched(fetch(to, 0, 9)).codes(), [9], "{version}: nothing to {to:#x}");
            assert_eq!(fetched(fetch(to, 9, 16)).codes(), [NONE], "{version}: no value to {to:#x}");
        }
    }
}
