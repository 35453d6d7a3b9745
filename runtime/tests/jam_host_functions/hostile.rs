//! Arguments that no honest guest passes: whatever they are, the outcome is one of the Gray Paper's, and the host's memory
//! stays bounded.

use tvm_isa::GpVersion;
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{WHAT, WHO};

use crate::support::{ALL, GuestCode, NOWHERE, RO, RW, RW_END, World};

/// Numbers at which something may go wrong.
const EDGES: [u64; 18] = [
    0,
    1,
    112,
    RO,
    RO + 4095,
    RW,
    RW_END - 1,
    RW_END,
    NOWHERE,
    0xfefe_0000,
    0xffff_ffff,
    1 << 32,
    (1 << 32) + RW,
    1 << 52,
    1 << 63,
    u64::MAX - 4095,
    u64::MAX - 1,
    u64::MAX,
];

/// Arguments from [`EDGES`], pseudo-random and the same in every run.
fn arguments(seed: &mut u64) -> [u64; 6] {
    std::array::from_fn(|_| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        EDGES[(*seed >> 33) as usize % EDGES.len()]
    })
}

#[test]
fn every_function_takes_any_arguments() {
    let mut seed = 1;
    for version in ALL {
        let world = World { gas: u64::MAX, ..World::new(version) };
        let functions = tvm_runtime::jam::version::JamRules::of(version).functions;
        for entry in functions {
            for _ in 0..100 {
                let arguments = arguments(&mut seed);
                let blob = GuestCode::new().call(entry.number.into(), &arguments).halt(0, 0);
                for call in
                    [world.accumulate(&blob).last(), world.refine(&blob).last(), world.is_authorized(&blob).last()]
                {
                    let fine = matches!(call.exit, None | Some(GuestExit::Panic | GuestExit::OutOfGas));
                    assert!(fine, "{}{arguments:x?}: {:?}", entry.name, call.exit);
                    let touched: usize = call.memory.iter().map(|access| access.bytes.len()).sum();
                    assert!(touched <= 1 << 16, "{}{arguments:x?} touched {touched} octets", entry.name);
                }
            }
        }
    }
}

#[test]
fn handles_that_do_not_exist_are_unknown() {
    for version in ALL {
        let world = World::new(version);
        for handle in [0, 1, 63, 1 << 32, 1 << 63, u64::MAX] {
            for (name, rest) in [
                ("peek", [RW, 0, 1]),
                ("poke", [RW, 0, 1]),
                ("pages", [16, 1, 2]),
                ("invoke", [RW, 0, 0]),
                ("expunge", [0; 3]),
            ] {
                let blob = GuestCode::new().call(world.id(name), &[&[handle][..], &rest].concat()).halt(0, 0);
                assert_eq!(world.refine(&blob).last().after[7], WHO, "{name} of {handle:#x}");
            }
        }
    }
}

/// An instruction sequence that makes a machine and gives it a page, as often as φ5 counts.
fn machines(world: &World, count: u64) -> Vec<u8> {
    let program = GuestCode::raw(&[&[0]]);
    let mut guest = GuestCode::new().with(RW, &program).set(5, count);
    // A block ends here, so that the loop can come back.
    guest.push(&[1]);
    let start = guest.position();
    let mut guest = guest.call(world.id("machine"), &[RW, program.len() as u64, 0]);
    // φ7 is the new machine.
    guest = guest.set(8, 16).set(9, 4).set(10, 2);
    guest.push(&[&[10][..], &(world.id("pages") as u32).to_le_bytes()].concat());
    // φ5 ← φ5 − 1, and back unless it is 0.
    guest.push(&[149, 0x55, 0xff]);
    let offset = start as i32 - guest.position() as i32;
    guest.push(&[&[82, 0x05][..], &offset.to_le_bytes()].concat());
    guest.halt(0, 0)
}

#[test]
fn ten_thousand_inner_machines() {
    for version in [GpVersion::V0_7_0, GpVersion::V0_7_2] {
        let world = World { gas: 1 << 40, ..World::new(version) };
        let ran = world.refine(&machines(&world, 10_000));
        assert!(ran.result.result.is_ok());
        let [.., last, paged] = &ran.calls[..] else { panic!("twenty thousand calls") };
        assert_eq!((ran.calls.len(), last.after[7], paged.after[7]), (20_000, 9_999, 0));
    }
    // Since 0.8.0 there are 63; `pages` is then called with FULL as the machine.
    let world = World { gas: 1 << 40, ..World::new(GpVersion::V0_8_0) };
    let ran = world.refine(&machines(&world, 100));
    let last = &ran.calls[ran.calls.len() - 1];
    assert_eq!((ran.calls.len(), last.after[7]), (200, WHO));
}

#[test]
fn more_inner_memory_than_the_host_has_is_an_error_of_the_host() {
    // Five machines of almost 4 GiB each: no outcome of the guest, and not before the limit.
    let mut world = World::new(GpVersion::V0_7_2);
    let program = GuestCode::raw(&[&[0]]);
    let mut guest = GuestCode::new().with(RW, &program);
    for machine in 0..5 {
        guest = guest.call(world.id("machine"), &[RW, program.len() as u64, 0]);
        guest = guest.call(world.id("pages"), &[machine, 16, (1 << 20) - 17, 2]);
    }
    world.install_package(&guest.halt(0, 0));
    let mut recorder = crate::support::Recorder::default();
    let error = world.refine_installed(&mut recorder).unwrap_err();
    assert!(matches!(error, tvm_runtime::Error::Host(_)), "{error}");
    assert_eq!(recorder.calls.len(), 9);
}

#[test]
fn calls_with_numbers_past_everything_are_unknown() {
    for version in ALL {
        let world = World::new(version);
        let blob = GuestCode::new().call(u64::from(u32::MAX), &[u64::MAX; 6]).halt(0, 0);
        assert_eq!(world.refine(&blob).last().after[7], WHAT);
    }
}
