//! The guests give the outputs that other implementations of the same algorithms gave, interpreted and compiled on both
//! tiers, for the same gas.

use tvm_isa::{Container, Gas, GpVersion};
use tvm_runtime::{Engine, GuestExit, Instance};
use tvm_tests::engines;
use tvm_tests::guests::{self, GuestCase};

/// More gas than any guest needs.
const GAS: u64 = 1 << 50;

/// The case that is too long to be interpreted here.
const LONG: &str = "bench";

/// Runs one case; gives the gas it took.
fn run(engine: &Engine, version: GpVersion, name: &str, blob: &[u8], case: &GuestCase) -> u64 {
    let module = engines::load(engine, version, Container::Jam, blob);
    let mut instance = Instance::standard(engine, &module, &case.args).expect("an instance");
    instance.state_mut().gas = Gas(GAS);
    let exit = engines::run(&mut instance);
    let what = format!("{name} {} {version} {:?}", case.case, engine.backend());
    assert_eq!(exit, GuestExit::Halt, "{what}");
    let output = engines::output(&instance).expect("a readable output");
    assert_eq!(hex::encode(output), hex::encode(&case.output), "{what}");
    GAS - instance.state().gas.0
}

fn check(version: GpVersion, cases: impl Fn(&GuestCase) -> bool, is_long: bool) {
    let [interpreted, fast, best] = engines::all();
    let expected = guests::expected().expect("the guests' expected outputs");
    let mut checked = 0;
    for (name, all) in &expected {
        let blob = guests::blob(version, name).expect("the guest's blob");
        for case in all.iter().filter(|case| cases(case)) {
            let gas = run(&fast, version, name, &blob, case);
            let others = [&best, &interpreted];
            for other in &others[..if is_long { 1 } else { 2 }] {
                assert_eq!(run(other, version, name, &blob, case), gas, "gas of {name} {}", case.case);
            }
            checked += 1;
        }
    }
    assert!(checked >= expected.len(), "each guest has such a case");
}

#[test]
fn short_cases_under_0_7_2() {
    check(GpVersion::V0_7_2, |case| case.case != LONG, false);
}

#[test]
fn short_cases_under_0_8_0() {
    check(GpVersion::V0_8_0, |case| case.case != LONG, false);
}

#[test]
fn long_cases_under_0_7_2() {
    check(GpVersion::V0_7_2, |case| case.case == LONG, true);
}

#[test]
fn long_cases_under_0_8_0() {
    check(GpVersion::V0_8_0, |case| case.case == LONG, true);
}
