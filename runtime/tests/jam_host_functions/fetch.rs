//! fetch: every kind in every setting.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::results::NONE;
use tvm_runtime::jam::types::{
    AccumulationInput, Bytes, DeferredTransfer, ExtrinsicSpec, Hash, ImportSpec, Operand, ServiceId, TimeSlot,
    WorkError,
};

use crate::support::{ALL, CallSeen, Expect, GuestCode, NOWHERE, OTHER, RO, RW, RW_END, SELF, World};

/// What a kind gives: `None` for NONE.
fn value(call: &CallSeen) -> Option<Vec<u8>> {
    assert_eq!(call.exit, None);
    if call.after[7] == NONE {
        assert!(call.written().is_empty());
        return None;
    }
    assert_eq!(call.written().len() as u64, call.after[7]);
    Some(call.written())
}

/// The arguments for all of a kind.
fn whole(kind: u64, first: u64, second: u64) -> [u64; 6] {
    [RW, 0, RW_END - RW, kind, first, second]
}

fn in_accumulate(world: &World, kind: u64, first: u64) -> Option<Vec<u8>> {
    value(world.accumulate(&GuestCode::new().call(world.id("fetch"), &whole(kind, first, 0)).halt(0, 0)).last())
}

fn in_refine(world: &World, kind: u64, first: u64, second: u64) -> Option<Vec<u8>> {
    value(world.refine(&GuestCode::new().call(world.id("fetch"), &whole(kind, first, second)).halt(0, 0)).last())
}

fn in_is_authorized(world: &World, kind: u64, first: u64) -> Option<Vec<u8>> {
    value(world.is_authorized(&GuestCode::new().call(world.id("fetch"), &whole(kind, first, 0)).halt(0, 0)).last())
}

/// Kind 0 on the tiny chain, number by number: octets, value, and whether it is still there in GP 0.8.0.
const CONSTANTS: [(usize, u64, bool); 33] = [
    (8, 10, true),
    (8, 1, true),
    (8, 100, true),
    (2, 2, true),
    (4, 32, true),
    (4, 12, true),
    (8, 10_000_000, true),
    (8, 50_000_000, true),
    (8, 1_000_000_000, true),
    (8, 20_000_000, true),
    (2, 8, true),
    (2, 16, true),
    (2, 8, true),
    (2, 3, true),
    (4, 24, true),
    (2, 3, false),
    (2, 8, true),
    (2, 6, true),
    (2, 80, true),
    (2, 4, true),
    (2, 128, true),
    (2, 5, true),
    (2, 6, false),
    (4, 64_000, true),
    (4, 13_791_360, true),
    (4, 4_000_000, true),
    (4, 4, false),
    (4, 3072, true),
    (4, 1026, false),
    (4, 49_152, true),
    (4, 128, true),
    (4, 3072, true),
    (4, 10, true),
];

#[test]
fn constants_are_everywhere() {
    for version in ALL {
        let world = World::new(version);
        let mut expected = Vec::new();
        for (octets, value, lasting) in CONSTANTS {
            if lasting || version != GpVersion::V0_8_0 {
                expected.extend_from_slice(&value.to_le_bytes()[..octets]);
            }
        }
        assert_eq!(expected.len(), if version == GpVersion::V0_8_0 { 122 } else { 134 });
        assert_eq!(in_accumulate(&world, 0, 0), Some(expected.clone()));
        assert_eq!(in_refine(&world, 0, 0, 0), Some(expected.clone()));
        assert_eq!(in_is_authorized(&world, 0, 0), Some(expected));
    }
}

#[test]
fn constants_of_the_full_chain_start_with_its_numbers() {
    let mut world = World::new(GpVersion::V0_7_2);
    world.constants = tvm_runtime::jam::constants::ChainConstants::full();
    let constants = in_accumulate(&world, 0, 0).unwrap();
    assert_eq!(constants[24..34], [0x55, 0x01, 0x00, 0x4b, 0, 0, 0x58, 0x02, 0, 0]);
}

#[test]
fn the_window_is_cut_to_the_value() {
    for version in ALL {
        let world = World::new(version);
        let len = if version == GpVersion::V0_8_0 { 122 } else { 134 };
        let rows = [
            ([RW, 0, 8, 0], Expect::Answer(len), 8),
            ([RW, 24, 2, 0], Expect::Answer(len), 2),
            ([RW, len - 1, u64::MAX, 0], Expect::Answer(len), 1),
            ([NOWHERE, len, 5, 0], Expect::Answer(len), 0),
            ([NOWHERE, u64::MAX, u64::MAX, 0], Expect::Answer(len), 0),
            ([NOWHERE, 0, 0, 0], Expect::Answer(len), 0),
            ([RW_END - len, 0, u64::MAX, 0], Expect::Answer(len), len),
            ([RW_END - len + 1, 0, u64::MAX, 0], Expect::Panic, 0),
            ([RO, 0, 1, 0], Expect::Panic, 0),
            ([u64::MAX, 0, 1, 0], Expect::Panic, 0),
            ([(1 << 32) - 1, 0, 2, 0], Expect::Panic, 0),
            // Nothing is written where there is no value.
            ([NOWHERE, 0, 8, 16], Expect::Answer(NONE), 0),
            ([NOWHERE, 0, u64::MAX, u64::MAX], Expect::Answer(NONE), 0),
        ];
        for (arguments, expect, written) in rows {
            let ran = world.check(&GuestCode::new(), "fetch", &arguments, expect);
            assert_eq!(ran.last().written().len() as u64, written, "{arguments:x?}");
        }
    }
}

fn operand(result: Result<Bytes, WorkError>) -> Operand {
    let [package_hash, exports_root, authorizer_hash, payload_hash] = [1, 2, 3, 4].map(|octet| Hash([octet; 32]));
    let auth_trace = [8, 9][..].into();
    Operand { package_hash, exports_root, authorizer_hash, payload_hash, gas_limit: Gas(300), result, auth_trace }
}

fn transfer() -> DeferredTransfer {
    DeferredTransfer { source: ServiceId(5), destination: SELF, amount: 6, memo: [7; 128], gas: Gas(8) }
}

fn encoded_operand(result: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = [1, 2, 3, 4].iter().flat_map(|octet| [*octet; 32]).collect();
    out.extend([0x81, 0x2c]);
    out.extend_from_slice(result);
    out.extend([2, 8, 9]);
    out
}

fn encoded_transfer() -> Vec<u8> {
    let mut out = vec![5, 0, 0, 0, 0xe8, 3, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
    out.extend([7; 128]);
    out.extend([8, 0, 0, 0, 0, 0, 0, 0]);
    out
}

#[test]
fn accumulation_has_entropy_and_inputs() {
    for version in ALL {
        let tagged = version != GpVersion::V0_7_0;
        let mut world = World::new(version);
        world.inputs = vec![
            AccumulationInput::Operand(operand(Ok([1, 2, 3][..].into()))),
            AccumulationInput::Operand(operand(Err(WorkError::BigCode))),
        ];
        let mut expected = vec![encoded_operand(&[0, 3, 1, 2, 3]), encoded_operand(&[6])];
        if tagged {
            expected.iter_mut().for_each(|operand| operand.insert(0, 0));
            world.inputs.insert(0, AccumulationInput::Transfer(transfer()));
            expected.insert(0, [vec![1], encoded_transfer()].concat());
        }
        assert_eq!(in_accumulate(&world, 1, 0), Some(vec![0xee; 32]));
        let all = [vec![expected.len() as u8], expected.concat()].concat();
        assert_eq!(in_accumulate(&world, 14, 0), Some(all));
        for (index, expected) in expected.iter().enumerate() {
            assert_eq!(in_accumulate(&world, 15, index as u64).as_ref(), Some(expected));
        }
        for index in [expected.len() as u64, 1 << 32, u64::MAX] {
            assert_eq!(in_accumulate(&world, 15, index), None);
        }
        for kind in (2..14).chain([16, 17, 1 << 32, u64::MAX]) {
            assert_eq!(in_accumulate(&world, kind, 0), None, "kind {kind}");
        }
    }
}

#[test]
fn on_transfer_has_entropy_and_transfers() {
    let world = World::new(GpVersion::V0_7_0);
    let transfers = [transfer(), DeferredTransfer { gas: Gas(1_000_000), ..transfer() }];
    let fetch = |kind, first| {
        let blob = GuestCode::new().call(world.id("fetch"), &whole(kind, first, 0)).halt(0, 0);
        value(world.on_transfer(&blob, &transfers).last())
    };
    assert_eq!(fetch(0, 0).unwrap().len(), 134);
    assert_eq!(fetch(1, 0), Some(vec![0xee; 32]));
    assert_eq!(fetch(17, 0), Some(encoded_transfer()));
    assert_eq!(fetch(17, 1).unwrap().len(), 152);
    assert_eq!(fetch(17, 2), None);
    assert_eq!(fetch(16, 0).unwrap()[..153], [vec![2], encoded_transfer()].concat());
    for kind in (2..16).chain([18]) {
        assert_eq!(fetch(kind, 0), None, "kind {kind}");
    }
}

/// A package of two items, the first of which gets its code from the test.
fn packaged(version: GpVersion) -> World {
    let mut world = World::new(version);
    let package = &mut world.package;
    package.authorization = vec![0xa1, 0xa2];
    package.authorizer_config = vec![0xc1, 0xc2, 0xc3];
    package.context.anchor = Hash([0x11; 32]);
    package.context.anchor_slot = TimeSlot(0x0102_0304);
    package.context.prerequisites = vec![Hash([0x99; 32])];
    package.items = vec![Default::default(), Default::default()];
    package.items[0].payload = vec![0xd0];
    let item = &mut package.items[1];
    (item.service, item.code_hash, item.payload) = (OTHER, Hash([0x22; 32]), vec![1, 2, 3]);
    (item.refine_gas, item.accumulate_gas, item.export_count) = (Gas(5), Gas(6), 7);
    item.imports = vec![ImportSpec { tree_root: Hash([0x33; 32]), by_package: true, index: 9 }];
    item.extrinsics = vec![ExtrinsicSpec { hash: Hash([0x44; 32]), len: 4 }; 2];
    world.auth_trace = vec![0xb1];
    let blob = |octets: &[u8]| Bytes::from(octets);
    world.imports = vec![vec![blob(&[0x50; 4104])], vec![blob(&[0x51; 4104]), blob(&[0x52; 4104])]];
    world.extrinsics = vec![vec![blob(b"mine")], vec![blob(b"first"), blob(b"second")]];
    world
}

#[test]
fn refine_has_data_of_all_items() {
    for version in ALL {
        let world = packaged(version);
        let fetch = |kind, first, second| in_refine(&world, kind, first, second);
        assert_eq!(fetch(1, 0, 0), Some(vec![0; 32]));
        assert_eq!(fetch(2, 0, 0), Some(vec![0xb1]));
        assert_eq!(fetch(3, 1, 1).as_deref(), Some(&b"second"[..]));
        assert_eq!(fetch(3, 0, 0).as_deref(), Some(&b"mine"[..]));
        assert_eq!(
            [fetch(3, 1, 2), fetch(3, 2, 0), fetch(3, u64::MAX, 0), fetch(3, 0, 1 << 32)],
            [None, None, None, None]
        );
        assert_eq!(fetch(4, 0, 7).as_deref(), Some(&b"mine"[..]));
        assert_eq!(fetch(4, 1, 0), None);
        assert_eq!(fetch(5, 1, 1), Some(vec![0x52; 4104]));
        assert_eq!([fetch(5, 1, 2), fetch(5, 2, 0)], [None, None]);
        assert_eq!(fetch(6, 0, 9), Some(vec![0x50; 4104]));
        assert_eq!(fetch(6, 1, 0), None);
        for kind in [14, 15, 16, 17, u64::MAX] {
            assert_eq!(fetch(kind, 0, 0), None, "kind {kind}");
        }
    }
}

#[test]
fn refine_and_is_authorized_have_the_package() {
    for version in ALL {
        let world = packaged(version);
        for in_refinement in [true, false] {
            let fetch = |kind, first| match in_refinement {
                true => in_refine(&world, kind, first, 0),
                false => in_is_authorized(&world, kind, first),
            };
            let authorizer = fetch(8, 0).unwrap();
            match version {
                GpVersion::V0_7_0 => {
                    assert_eq!((authorizer.len(), &authorizer[32..]), (36, &[3, 0xc1, 0xc2, 0xc3][..]))
                }
                _ => assert_eq!(authorizer, [0xc1, 0xc2, 0xc3]),
            }
            assert_eq!(fetch(9, 0), Some(vec![0xa1, 0xa2]));
            assert_eq!(fetch(13, 0), Some(vec![0xd0]));
            assert_eq!(fetch(13, 1), Some(vec![1, 2, 3]));
            assert_eq!([fetch(13, 2), fetch(12, 2), fetch(12, u64::MAX)], [None, None, None]);

            let mut summary = OTHER.0.to_le_bytes().to_vec();
            summary.extend([0x22; 32]);
            summary.extend([5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
            summary.extend([7, 0, 1, 0, 2, 0, 3, 0, 0, 0]);
            assert_eq!(fetch(12, 1), Some(summary.clone()));
            let all = fetch(11, 0).unwrap();
            assert_eq!((all.len(), all[0], &all[63..]), (1 + 2 * 62, 2, &summary[..]));

            let context = fetch(10, 0).unwrap();
            let anchor_slot_len = if version == GpVersion::V0_8_0 { 4 + 32 } else { 0 };
            assert_eq!(context.len(), 4 * 32 + 4 + anchor_slot_len + 1 + 32);
            assert_eq!(context[..32], [0x11; 32]);
            assert_eq!(context[32..36] == [4, 3, 2, 1], version == GpVersion::V0_8_0);
            assert_eq!(context[context.len() - 33..], [vec![1], vec![0x99; 32]].concat());

            let package = fetch(7, 0).unwrap();
            assert!(package.windows(context.len()).any(|window| window == context));
            // The second item ends with its extrinsics.
            let mut end = vec![2];
            end.extend([[0x44; 32].to_vec(), vec![4, 0, 0, 0]].concat().repeat(2));
            assert_eq!(package[package.len() - end.len()..], end);
            // The import is by package: bit 15 of its index is set.
            let import = [vec![1], vec![0x33; 32], vec![9, 0x80]].concat();
            assert!(package.windows(import.len()).any(|window| window == import));
        }
        for kind in (1..7).chain([14, 15, 16, u64::MAX]) {
            assert_eq!(in_is_authorized(&world, kind, 0), None, "kind {kind}");
        }
    }
}
