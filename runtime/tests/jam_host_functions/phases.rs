//! The phases of invocations that an observer is told.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::observer::{HostCallEvent, LogMessage, Observer, Phase};
use tvm_runtime::jam::{AccumulateInput, Accumulated, accumulate};

use crate::support::{ALL, GuestCode, SELF, World};

/// Keeps the phases, and wants nothing else.
#[derive(Default)]
struct Phases(Vec<Phase>);

impl Observer for Phases {
    fn host_call(&mut self, event: &HostCallEvent<'_>) {
        panic!("an observer that wants no host calls was told of {}", event.id);
    }

    fn log(&mut self, message: &LogMessage) {
        panic!("an observer that wants no host calls was told {}", message.text);
    }

    fn wants_host_calls(&self) -> bool {
        false
    }

    fn phase(&mut self, phase: Phase) {
        self.0.push(phase);
    }
}

fn run(version: GpVersion, blob: &[u8], observer: Option<&mut dyn Observer>) -> Accumulated {
    let mut world = World::new(version);
    world.install(blob);
    let input = AccumulateInput {
        chain: world.chain(),
        privileges: &world.privileges,
        slot: world.slot,
        entropy: world.entropy,
        service: SELF,
        gas: Gas(world.gas),
        inputs: &[],
    };
    accumulate(&world.engine, &input, observer).unwrap()
}

#[test]
fn phases_follow_each_other_from_load_to_finish() {
    for version in ALL {
        let gas = World::new(version).id("gas");
        let blob = GuestCode::new().call(gas, &[]).call(100, &[1, 0, 0, 0, 0]).halt(0, 0);
        let mut phases = Phases::default();
        let timed = run(version, &blob, Some(&mut phases));
        let expected = [
            Phase::Load,
            Phase::Instantiate,
            Phase::Guest,
            Phase::HostCall(gas),
            Phase::Guest,
            Phase::HostCall(100),
            Phase::Guest,
            Phase::Release,
            Phase::Finish,
        ];
        assert_eq!(phases.0, expected, "GP {version}");
        assert_eq!(timed, run(version, &blob, None), "GP {version}");
    }
}

#[test]
fn a_run_that_ends_in_a_host_call_is_released_all_the_same() {
    let mut phases = Phases::default();
    let yields_from_nowhere = GuestCode::new().call(25, &[0]).halt(0, 0);
    run(GpVersion::V0_7_2, &yields_from_nowhere, Some(&mut phases));
    assert_eq!(phases.0[3..], [Phase::HostCall(25), Phase::Guest, Phase::Release, Phase::Finish]);
}

#[test]
fn what_is_no_program_is_only_loaded() {
    let mut phases = Phases::default();
    run(GpVersion::V0_7_2, b"\x04meta, but no program", Some(&mut phases));
    assert_eq!(phases.0, [Phase::Load]);
}
