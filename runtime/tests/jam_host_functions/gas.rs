//! What host calls cost in GP 0.8.0, with the numbers worked out by hand; before, everything costs ten.

use tvm_isa::GpVersion;
use tvm_runtime::jam::results::SELF as CALLER;

use crate::support::{GuestCode, NOWHERE, RO, RW, World};

/// Name, arguments, cost. The calls may panic or be refused: they are paid for all the same.
const ACCUMULATE: &[(&str, &[u64], u64)] = &[
    ("gas", &[], 48),
    ("lookup", &[CALLER, RO, RW, 0, 0], 600),
    ("lookup", &[CALLER, RO, RW, 0, 1], 601),
    ("lookup", &[CALLER, RO, RW, 0, 1024], 848),
    ("lookup", &[CALLER, NOWHERE, RW, 0, 1025], 849),
    ("read", &[CALLER, RO, 0, RW, 0, 0], 2407),
    ("read", &[CALLER, RO, 32, RW, 0, 100], 2407 + 55 + 25),
    ("read", &[CALLER, NOWHERE, 1024, RW, 0, 4096], 2407 + 1736 + 992),
    ("write", &[RO, 0, RO, 0], 2442),
    ("write", &[RO, 32, RO, 100], 2442 + 105 + 22),
    ("write", &[NOWHERE, 1, RO, 2048], 2442 + 4 + 432),
    ("info", &[CALLER, RW, 0, 0], 703),
    ("bless", &[0, RO, 0, 0, RO, 0], 422),
    ("bless", &[0, RO, 0, 0, RO, 341], 422 + 6820),
    ("bless", &[0, NOWHERE, 0, 0, RO, 1000], 20_422),
    ("assign", &[0, RO, 0], 1818),
    ("designate", &[RW, 0], 1100),
    ("designate", &[RW, 6], 1100 + 1812),
    ("checkpoint", &[], 103),
    ("new", &[RO, 0, 0, 0, 0, 0], 3855),
    ("upgrade", &[RO, 0, 0], 1028),
    ("transfer", &[1, 0, 0, RO], 575),
    ("eject", &[1, RO], 458),
    ("query", &[RO, 0], 643),
    ("solicit", &[RO, 0], 2193),
    ("forget", &[RO, 0], 3250),
    ("yield", &[RO], 98),
    ("provide", &[CALLER, RO, 0], 3980),
    ("provide", &[CALLER, RO, 100], 3980 + 222),
    ("provide", &[CALLER, NOWHERE, 1024], 3980 + 2264),
];

const REFINE: &[(&str, &[u64], u64)] = &[
    ("gas", &[], 48),
    ("historical_lookup", &[CALLER, RO, RW, 0, 0], 1125),
    ("historical_lookup", &[CALLER, RO, RW, 0, 2000], 1125 + 516),
    ("export", &[RO, 4104], 3521),
    ("export", &[NOWHERE, u64::MAX], 3521),
    ("machine", &[RO, 0, 0], 1862),
    ("machine", &[RO, 100, 0], 1862 + 11),
    ("machine", &[NOWHERE, 1024, 0], 1862 + 112),
    ("peek", &[0, RW, 0, 0], 377),
    ("peek", &[0, RW, 0, 3], 377 + 1),
    ("peek", &[0, NOWHERE, 0, 1024], 377 + 336),
    ("poke", &[0, RW, 0, 0], 297),
    ("poke", &[0, NOWHERE, 0, 2048], 297 + 448),
    ("pages", &[0, 16, 0, 0], 212),
    ("pages", &[0, 16, 5, 0], 212 + 590),
    ("pages", &[0, 16, 5, 1], 275 + 605),
    ("pages", &[0, 16, 5, 2], 275 + 605),
    ("pages", &[0, 16, 5, 3], 130 + 145),
    ("pages", &[0, 16, 5, 4], 130 + 145),
    ("pages", &[0, 16, 5, 5], 80),
    ("pages", &[0, 16, u64::MAX, u64::MAX], 80),
    ("expunge", &[0], 335),
    // The gas to lend is at RW: none.
    ("invoke", &[0, RW], 968),
    ("invoke", &[0, NOWHERE], 968),
];

/// fetch by kind: cost of 0, 1 and 1024 octets.
const FETCH: [[u64; 3]; 18] = [
    [390, 390, 390],
    [103, 103, 103],
    [80, 81, 176],
    [85, 86, 181],
    [85, 86, 181],
    [171, 171, 171],
    [171, 171, 171],
    [85, 86, 181],
    [84, 84, 84],
    [88, 88, 88],
    [111, 111, 111],
    [317, 317, 317],
    [250, 250, 250],
    [95, 96, 191],
    [287, 288, 687],
    [355, 356, 699],
    [80, 80, 80],
    [80, 80, 80],
];

fn costs(world: &World, calls: &[(&str, &[u64], u64)], run: impl Fn(&[u8]) -> u64) {
    for (name, arguments, cost) in calls {
        let found = run(&GuestCode::new().call(world.id(name), arguments).halt(0, 0));
        let expected = if world.version == GpVersion::V0_8_0 { *cost } else { 10 };
        assert_eq!(found, expected, "GP {}: {name}{arguments:x?}", world.version);
    }
}

#[test]
fn calls_of_accumulate() {
    for version in [GpVersion::V0_7_0, GpVersion::V0_7_2, GpVersion::V0_8_0] {
        let world = World::new(version);
        costs(&world, ACCUMULATE, |blob| world.accumulate(blob).last().cost());
    }
}

#[test]
fn calls_of_refine() {
    for version in [GpVersion::V0_7_0, GpVersion::V0_7_2, GpVersion::V0_8_0] {
        let world = World::new(version);
        costs(&world, REFINE, |blob| world.refine(blob).last().cost());
    }
}

#[test]
fn fetch_by_kind_whatever_the_setting() {
    let world = World::new(GpVersion::V0_8_0);
    for (kind, by_len) in FETCH.iter().enumerate() {
        for (len, cost) in [0, 1, 1024].into_iter().zip(by_len) {
            let blob = GuestCode::new().call(world.id("fetch"), &[RW, 0, len, kind as u64, 0, 0]).halt(0, 0);
            for found in [world.accumulate(&blob).last(), world.refine(&blob).last(), world.is_authorized(&blob).last()]
            {
                assert_eq!(found.cost(), *cost, "kind {kind}, {len} octets");
            }
        }
    }
    let blob = GuestCode::new().call(world.id("fetch"), &[RW, 0, u64::MAX, u64::MAX, 0, 0]).halt(0, 0);
    assert_eq!(world.accumulate(&blob).last().cost(), 80);
}
