//! What invocations pass in and take out: arguments, codes that are missing or too large, credits, outputs, errors.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::observer::{Observer, Start};
use tvm_runtime::jam::state::AccountChange;
use tvm_runtime::jam::types::{AccumulationInput, DeferredTransfer, Hash, ServiceId, TimeSlot, Timeline, WorkError};
use tvm_runtime::jam::{AccumulateInput, InvocationEnd, OnTransferInput, accumulate, on_transfer};
use tvm_runtime::{Error, HostError};

use crate::services::changed;
use crate::support::{ALL, GuestCode, NOWHERE, OTHER, RO, RW, Recorder, SELF, World};

fn transfer(amount: u64, gas: u64) -> DeferredTransfer {
    DeferredTransfer { source: OTHER, destination: SELF, amount, memo: [0; 128], gas: Gas(gas) }
}

/// Keeps the argument bytes and the entry point.
#[derive(Default)]
struct Arguments(Vec<u8>, u32);

impl Observer for Arguments {
    fn start(&mut self, start: &Start<'_>) {
        *self = Self(start.arguments.to_vec(), start.state.pc.0);
    }
}

#[test]
fn accumulate_gets_slot_service_and_number_of_inputs() {
    for version in ALL {
        let mut world = World::new(version);
        world.install(&GuestCode::new().halt(0, 0));
        world.inputs = vec![AccumulationInput::Transfer(transfer(0, 0)); 130];
        let mut arguments = Arguments::default();
        let input = AccumulateInput {
            chain: world.chain(),
            privileges: &world.privileges,
            slot: TimeSlot(70_000),
            entropy: world.entropy,
            service: SELF,
            gas: Gas(world.gas),
            inputs: &world.inputs,
        };
        accumulate(&world.engine, &input, Some(&mut arguments)).unwrap();
        // E(70 000) ‖ E(1000) ‖ E(130), entry 5.
        assert_eq!((arguments.0, arguments.1), (vec![0xc1, 0x70, 0x11, 0x83, 0xe8, 0x80, 0x82], 5));
    }
}

#[test]
fn refine_gets_core_item_service_payload_and_package() {
    for version in ALL {
        let mut world = World::new(version);
        world.install_package(&GuestCode::new().halt(0, 0));
        world.package.items[0].payload = vec![7; 3];
        let mut arguments = Arguments::default();
        let input = tvm_runtime::jam::RefineInput {
            chain: world.chain(),
            core: 300,
            package: &world.package,
            item: 0,
            auth_trace: &[],
            imports: &[],
            extrinsics: &[],
            export_offset: 0,
        };
        tvm_runtime::jam::refine(&world.engine, &input, Some(&mut arguments)).unwrap();
        let core: &[u8] = if version == GpVersion::V0_7_0 { &[] } else { &[0x81, 0x2c] };
        let rules = tvm_runtime::jam::version::JamRules::of(version);
        let package = Hash::of(&tvm_runtime::jam::codec::encode_package(&world.package, rules));
        let expected = [core, &[0, 0x83, 0xe8, 3, 7, 7, 7], &package.0].concat();
        assert_eq!((arguments.0, arguments.1), (expected, 0));
    }
}

#[test]
fn is_authorized_gets_the_core_in_two_octets() {
    for version in ALL {
        let mut world = World::new(version);
        world.install_package(&GuestCode::new().halt(RO, 4));
        let mut arguments = Arguments::default();
        let input = tvm_runtime::jam::IsAuthorizedInput { chain: world.chain(), package: &world.package, core: 300 };
        let authorized = tvm_runtime::jam::is_authorized(&world.engine, &input, Some(&mut arguments)).unwrap();
        assert_eq!((arguments.0, arguments.1), (vec![0x2c, 1], 0));
        assert_eq!(authorized.result.as_deref(), Ok(&[0; 4][..]));
    }
}

#[test]
fn incoming_amounts_are_credited_whatever_happens() {
    for version in ALL {
        let mut world = World::new(version);
        world.inputs = [300, 40].map(|amount| AccumulationInput::Transfer(transfer(amount, 5))).to_vec();
        for blob in [GuestCode::new().halt(0, 0), GuestCode::new().trap(), b"\x04meta, but no program".to_vec()] {
            let ran = world.accumulate(&blob);
            assert_eq!(changed(&ran, SELF).account.balance, 1_000_340);
        }
        // Also without any code.
        let missing = world.accumulate_installed(&mut Recorder::default()).unwrap();
        assert_eq!((missing.end, missing.gas_used), (InvocationEnd::NotRun, Gas(0)));
        let Some(AccountChange::Changed(own)) = missing.accounts.get(SELF) else { panic!("credited") };
        assert_eq!(own.account.balance, 1_000_340);
        // But not if there is nobody to get them.
        world.accounts.accounts.remove(&SELF);
        let nobody = world.accumulate_installed(&mut Recorder::default()).unwrap();
        assert_eq!((nobody.end, nobody.accounts.0.len()), (InvocationEnd::NotRun, 0));
    }
}

#[test]
fn code_that_is_no_program_panics_for_free() {
    for version in ALL {
        let world = World::new(version);
        let good = GuestCode::new().halt(0, 0);
        let mut trailing = good.clone();
        trailing.push(0);
        for blob in [b"\x00".to_vec(), good[..good.len() - 1].to_vec(), trailing] {
            let ran = world.accumulate(&blob).result;
            assert_eq!((ran.end, ran.gas_used), (InvocationEnd::Panic, Gas(0)));
            let ran = world.refine(&blob).result;
            assert_eq!((ran.result.err(), ran.gas_used), (Some(WorkError::Panic), Gas(0)));
            let ran = world.is_authorized(&blob).result;
            assert_eq!((ran.result.err(), ran.gas_used), (Some(WorkError::Panic), Gas(0)));
        }
        // Metadata that runs past the end is no code at all.
        for blob in [vec![], vec![5, 1, 2], vec![0xff, 1]] {
            assert_eq!(world.accumulate(&blob).result.end, InvocationEnd::NotRun);
            assert_eq!(world.refine(&blob).result.result.err(), Some(WorkError::BadCode));
            assert_eq!(world.is_authorized(&blob).result.result.err(), Some(WorkError::BadCode));
        }
    }
}

#[test]
fn code_has_a_largest_size() {
    for version in ALL {
        let mut world = World::new(version);
        let blob = GuestCode::new().halt(0, 0);
        // Metadata of five octets with its length; refine counts it, accumulate and is-authorized do not.
        let code = blob.len() as u32 - 5;
        world.constants.service_code_bytes = code;
        assert_eq!(world.accumulate(&blob).result.end, InvocationEnd::Halt);
        world.constants.service_code_bytes = code - 1;
        assert_eq!(world.accumulate(&blob).result.end, InvocationEnd::NotRun);
        world.constants.service_code_bytes = code + 5;
        assert!(world.refine(&blob).result.result.is_ok());
        world.constants.service_code_bytes = code + 4;
        assert_eq!(world.refine(&blob).result.result.err(), Some(WorkError::BigCode));
        world.constants.authorizer_code_bytes = code;
        assert!(world.is_authorized(&blob).result.result.is_ok());
        world.constants.authorizer_code_bytes = code - 1;
        let too_big = world.is_authorized(&blob).result;
        assert_eq!((too_big.result.err(), too_big.gas_used), (Some(WorkError::BigCode), Gas(0)));
    }
}

#[test]
fn code_must_have_been_available_at_the_lookup_anchor() {
    for version in ALL {
        let mut world = World::new(version);
        let blob = GuestCode::new().halt(0, 0);
        world.install_package(&blob);
        let key = (SELF, (Hash::of(&blob), blob.len() as u32));
        world.accounts.requests.insert(key, Timeline::Available(TimeSlot(51)));
        let refined = world.refine_installed(&mut Recorder::default()).unwrap();
        assert_eq!((refined.result.err(), refined.gas_used), (Some(WorkError::BadCode), Gas(0)));
        let input = tvm_runtime::jam::IsAuthorizedInput { chain: world.chain(), package: &world.package, core: 0 };
        let authorized = tvm_runtime::jam::is_authorized(&world.engine, &input, None).unwrap();
        assert_eq!(authorized.result.err(), Some(WorkError::BadCode));
    }
}

#[test]
fn outputs_are_what_the_guest_points_at() {
    for version in ALL {
        let mut world = World::new(version);
        world.constants.report_bytes = 100;
        let output = |start, len| world.refine(&GuestCode::new().with(RO, &[1, 2, 3]).halt(start, len)).result.result;
        assert_eq!(output(RO, 3).as_deref(), Ok(&[1, 2, 3][..]));
        for (start, len) in
            [(RO, 0), (NOWHERE, 0), (u64::MAX, 0), (NOWHERE, 3), (RO + 4095, 2), (RO, u64::MAX), (u64::MAX, 5)]
        {
            assert_eq!(output(start, len).as_deref(), Ok(&[][..]), "{start:#x}, {len}");
        }
        // More than a report has room for is not even copied.
        assert_eq!(output(RW, 100).as_deref(), Ok(&[0; 100][..]));
        assert_eq!(output(RW, 101), Err(WorkError::Oversize));
    }
}

#[test]
fn gas_used_is_all_of_it_when_an_instruction_cannot_be_paid() {
    for version in ALL {
        let world = World::new(version);
        let blob = GuestCode::new().call(world.id("gas"), &[]).halt(0, 0);
        let whole = world.accumulate(&blob).result.gas_used.0;
        let short = World { gas: whole - 1, ..world.clone() }.accumulate(&blob).result;
        assert_eq!(short.end, InvocationEnd::OutOfGas);
        // In 0.8.0 what does not suffice for the last block is not used: the guest ends in a block of its own only
        // before 15, so all but the first jump is one block here and the host call takes the rest.
        assert_eq!(short.gas_used, Gas(whole - 1));
    }
}

#[test]
fn an_entry_point_has_to_be_an_instruction_since_0_8() {
    for version in ALL {
        let world = World::new(version);
        // One instruction of ten octets at the start: 5 lies inside it.
        let blob = GuestCode::from_instructions(&[&[20, 2, 1, 2, 3, 4, 5, 6, 7, 8], &[50, 0]]);
        let ran = world.accumulate(&blob).result;
        let used = if version == GpVersion::V0_8_0 { 0 } else { 1 };
        assert_eq!((ran.end, ran.gas_used), (InvocationEnd::Panic, Gas(used)));
        assert!(world.refine(&blob).result.result.is_ok());
    }
}

#[test]
fn the_nodes_errors_are_not_the_guests() {
    for version in ALL {
        let mut world = World::new(version);
        world.install(&GuestCode::new().call(world.id("read"), &[u64::MAX, RO, 3, RW, 0, 9]).halt(0, 0));
        world.accounts.broken = true;
        let error = world.accumulate_installed(&mut Recorder::default()).unwrap_err();
        let Error::Host(inner) = &error else { panic!("{error}") };
        assert_eq!(inner.to_string(), "the database is gone");
    }
}

#[test]
fn refining_an_item_that_does_not_exist_is_the_callers_error() {
    let world = World::new(GpVersion::V0_7_2);
    let error: Error = world.refine_installed(&mut Recorder::default()).unwrap_err();
    assert!(matches!(error, Error::Host(_)));
    let _: HostError = Box::new(error);
}

#[test]
fn on_transfer_writes_whatever_its_end() {
    let world = World::new(GpVersion::V0_7_0);
    let writing = GuestCode::new().with(RO, b"keyvalue").call(world.id("write"), &[RO, 3, RO + 3, 5]);
    let transfers = [transfer(300, 500_000), transfer(40, 500_000)];
    for (blob, end) in
        [(writing.clone().halt(0, 0), InvocationEnd::Halt), (writing.clone().trap(), InvocationEnd::Panic)]
    {
        let ran = world.on_transfer(&blob, &transfers).result;
        assert_eq!(ran.end, end);
        let Some(AccountChange::Changed(own)) = ran.accounts.get(SELF) else { panic!("written") };
        assert_eq!((own.account.balance, own.storage.len()), (1_000_340, 1));
    }
    // The gas is that of all transfers together.
    let ran = world.on_transfer(&writing.call(world.id("gas"), &[]).halt(0, 0), &transfers);
    assert!((900_000..1_000_000).contains(&ran.last().after[7]));
}

#[test]
fn on_transfer_without_transfers_or_code_does_not_run() {
    let mut world = World::new(GpVersion::V0_7_0);
    let ran = world.on_transfer(&GuestCode::new().halt(0, 0), &[]).result;
    assert_eq!((ran.end, ran.gas_used), (InvocationEnd::NotRun, Gas(0)));
    let transfers = [transfer(300, 500)];
    let run = |world: &World, service| {
        let input = OnTransferInput {
            chain: world.chain(),
            slot: world.slot,
            entropy: world.entropy,
            service,
            transfers: &transfers,
        };
        on_transfer(&world.engine, &input, None).unwrap()
    };
    let ran = run(&world, SELF);
    let Some(AccountChange::Changed(own)) = ran.accounts.get(SELF) else { panic!("credited") };
    assert_eq!((ran.end, own.account.balance), (InvocationEnd::NotRun, 1_000_300));
    assert!(run(&world, ServiceId(1)).accounts.0.is_empty());
    world.accounts.accounts.clear();
    assert!(run(&world, SELF).accounts.0.is_empty());
}

#[test]
fn both_engines_make_the_same_of_everything() {
    for version in ALL {
        let interpreted = World::new(version);
        let engine = tvm_runtime::Engine::new(tvm_runtime::EngineConfig::default()).unwrap();
        let compiled = World { engine, ..interpreted.clone() };
        let mut guest = GuestCode::new().with(RO, b"keyvalue").with(RO + 64, &[3; 64]);
        for (name, arguments) in [
            ("write", &[RO, 3, RO + 3, 5][..]),
            ("read", &[u64::MAX, RO, 3, RW, 0, 9]),
            ("new", &[RO, 10, 1, 2, 0, 0]),
            ("checkpoint", &[]),
            ("transfer", &[OTHER.0.into(), 300, 25, RO]),
            ("fetch", &[RW, 0, 4096, 0, 0, 0]),
            ("query", &[RO, 5]),
            ("gas", &[]),
        ] {
            guest = guest.call(interpreted.id(name), arguments);
        }
        for blob in [guest.clone().halt(RO + 64, 32), guest.clone().trap(), guest.call(99, &[]).halt(NOWHERE, 5)] {
            let [a, b] = [&interpreted, &compiled].map(|world| world.accumulate(&blob));
            assert_eq!(a.result, b.result);
            assert_eq!(format!("{:?}", a.calls), format!("{:?}", b.calls));
            // At every amount of gas around the end of the run.
            let used = a.result.gas_used.0;
            for gas in used.saturating_sub(40)..used {
                let [a, b] =
                    [&interpreted, &compiled].map(|world| World { gas, ..world.clone() }.accumulate(&blob).result);
                assert_eq!(a, b, "GP {version}, {gas} gas");
            }
        }
    }
}
