//! Encodings that guests see, written down once more from the rules (GP B.5 and C), apart from the runtime's.

use tvm_isa::GpVersion;
use tvm_runtime::jam::types::{
    AccumulationInput, DeferredTransfer, Operand, RefinementContext, ServiceAccount, WorkItem, WorkPackage,
};

/// GP C.1, a natural number of variable length.
pub fn natural(value: u64) -> Vec<u8> {
    match (0..8).find(|extra| value < 1 << (7 * (extra + 1))) {
        Some(extra) => {
            let first = 256 - (1 << (8 - extra)) + (value >> (8 * extra));
            [&[first as u8], &value.to_le_bytes()[..extra as usize]].concat()
        }
        None => [&[0xff][..], &value.to_le_bytes()].concat(),
    }
}

/// GP: ↕, bytes behind their length.
pub fn blob(bytes: &[u8]) -> Vec<u8> {
    [&natural(bytes.len() as u64), bytes].concat()
}

fn sequence<T>(items: &[T], encode: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
    items.iter().fold(natural(items.len() as u64), |out, item| [out, encode(item)].concat())
}

/// The protocol constants of the tiny chain.
pub fn tiny_constants(version: GpVersion) -> Vec<u8> {
    let fixed_validators = version == GpVersion::V0_7_2;
    let mut out = Vec::new();
    let mut put = |width: usize, values: &[u64]| {
        values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()[..width]));
    };
    put(8, &[10, 1, 100]);
    put(2, &[2]);
    put(4, &[32, 12]);
    put(8, &[10_000_000, 50_000_000, 1_000_000_000, 20_000_000]);
    put(2, &[8, 16, 8, 3]);
    put(4, &[24]);
    put(2, if fixed_validators { &[3, 8, 6, 80, 4, 128, 5, 6] } else { &[8, 6, 80, 4, 128, 5] });
    put(4, &[64_000, 13_791_360, 4_000_000]);
    put(4, if fixed_validators { &[4, 3072, 1026] } else { &[3072] });
    put(4, &[49_152, 128, 3072, 10]);
    out
}

pub fn package(version: GpVersion, package: &WorkPackage) -> Vec<u8> {
    [
        &package.auth_code_host.0.to_le_bytes()[..],
        &package.auth_code_hash.0,
        &context(version, &package.context),
        &blob(&package.authorization),
        &blob(&package.authorizer_config),
        &sequence(&package.items, item),
    ]
    .concat()
}

pub fn context(version: GpVersion, context: &RefinementContext) -> Vec<u8> {
    let (anchor_slot, lookup_anchor_slot) =
        (context.anchor_slot.0.to_le_bytes(), context.lookup_anchor_slot.0.to_le_bytes());
    let roots = version == GpVersion::V0_8_0;
    let only_0_8_0 = |bytes: &[u8]| if roots { bytes.to_vec() } else { Vec::new() };
    [
        &context.anchor.0[..],
        &only_0_8_0(&anchor_slot),
        &context.state_root.0,
        &context.beefy_root.0,
        &context.lookup_anchor.0,
        &lookup_anchor_slot,
        &only_0_8_0(&context.lookup_anchor_state_root.0),
        &sequence(&context.prerequisites, |hash| hash.0.to_vec()),
    ]
    .concat()
}

fn item(item: &WorkItem) -> Vec<u8> {
    let imports = sequence(&item.imports, |import| {
        let index = import.index + if import.by_package { 0x8000 } else { 0 };
        [&import.tree_root.0[..], &index.to_le_bytes()].concat()
    });
    let extrinsics = sequence(&item.extrinsics, |spec| [&spec.hash.0[..], &spec.len.to_le_bytes()].concat());
    [
        &item.service.0.to_le_bytes()[..],
        &item.code_hash.0,
        &item.refine_gas.0.to_le_bytes(),
        &item.accumulate_gas.0.to_le_bytes(),
        &item.export_count.to_le_bytes(),
        &blob(&item.payload),
        &imports,
        &extrinsics,
    ]
    .concat()
}

/// What `fetch` gives as kind 12.
pub fn summary(item: &WorkItem) -> Vec<u8> {
    let summary = [
        &item.service.0.to_le_bytes()[..],
        &item.code_hash.0,
        &item.refine_gas.0.to_le_bytes(),
        &item.accumulate_gas.0.to_le_bytes(),
        &item.export_count.to_le_bytes(),
        &(item.imports.len() as u16).to_le_bytes(),
        &(item.extrinsics.len() as u16).to_le_bytes(),
        &(item.payload.len() as u32).to_le_bytes(),
    ]
    .concat();
    assert_eq!(summary.len(), 62);
    summary
}

/// What `fetch` gives as kind 11.
pub fn summaries(items: &[WorkItem]) -> Vec<u8> {
    sequence(items, summary)
}

/// What `fetch` gives as kind 15.
pub fn input(input: &AccumulationInput) -> Vec<u8> {
    match input {
        AccumulationInput::Operand(operand) => [&[0][..], &self::operand(operand)].concat(),
        AccumulationInput::Transfer(transfer) => [&[1][..], &self::transfer(transfer)].concat(),
    }
}

/// What `fetch` gives as kind 14.
pub fn inputs(inputs: &[AccumulationInput]) -> Vec<u8> {
    sequence(inputs, input)
}

fn operand(operand: &Operand) -> Vec<u8> {
    let result = match &operand.result {
        Ok(output) => [&[0][..], &blob(output)].concat(),
        Err(error) => vec![*error as u8],
    };
    [
        &operand.package_hash.0[..],
        &operand.exports_root.0,
        &operand.authorizer_hash.0,
        &operand.payload_hash.0,
        &natural(operand.gas_limit.0),
        &result,
        &blob(&operand.auth_trace),
    ]
    .concat()
}

fn transfer(transfer: &DeferredTransfer) -> Vec<u8> {
    [
        &transfer.source.0.to_le_bytes()[..],
        &transfer.destination.0.to_le_bytes(),
        &transfer.amount.to_le_bytes(),
        &transfer.memo,
        &transfer.gas.0.to_le_bytes(),
    ]
    .concat()
}

/// What `info` gives.
pub fn info(account: &ServiceAccount) -> Vec<u8> {
    let threshold = 100 + 10 * u64::from(account.items) + account.octets - account.gratis;
    [
        &account.code_hash.0[..],
        &account.balance.to_le_bytes(),
        &threshold.to_le_bytes(),
        &account.min_item_gas.0.to_le_bytes(),
        &account.min_memo_gas.0.to_le_bytes(),
        &account.octets.to_le_bytes(),
        &account.items.to_le_bytes(),
        &account.gratis.to_le_bytes(),
        &account.created.0.to_le_bytes(),
        &account.last_accumulated.0.to_le_bytes(),
        &account.parent.0.to_le_bytes(),
    ]
    .concat()
}
