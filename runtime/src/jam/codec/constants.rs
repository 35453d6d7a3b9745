//! The block of protocol constants that `fetch` gives as kind 0 (GP B.5).

use crate::jam::constants::ChainConstants;
use crate::jam::version::JamRules;

/// Encodes the constants: 134 octets up to GP 0.7.2, 122 since 0.8.0.
#[must_use]
pub fn encode_constants(constants: &ChainConstants, rules: &JamRules) -> Vec<u8> {
    let ChainConstants {
        deposit_per_item,
        deposit_per_octet,
        deposit_base,
        cores,
        expunge_period,
        epoch_slots,
        core_gas,
        is_authorized_gas,
        refine_gas,
        block_gas,
        recent_blocks,
        package_items,
        report_dependencies,
        block_tickets,
        lookup_anchor_age,
        validator_tickets,
        pool_authorizers,
        slot_seconds,
        queue_authorizers,
        rotation_slots,
        package_extrinsics,
        availability_timeout,
        validators,
        authorizer_code_bytes,
        bundle_bytes,
        service_code_bytes,
        piece_bytes,
        package_imports,
        segment_pieces,
        report_bytes,
        memo_bytes,
        package_exports,
        contest_end,
    } = constants;
    let of_validators = rules.constants_of_validators;
    let mut out = Block(Vec::with_capacity(134));
    out.u64s(&[*deposit_per_item, *deposit_per_octet, *deposit_base]);
    out.u16s(&[*cores]);
    out.u32s(&[*expunge_period, *epoch_slots]);
    out.u64s(&[core_gas.0, is_authorized_gas.0, refine_gas.0, block_gas.0]);
    out.u16s(&[*recent_blocks, *package_items, *report_dependencies, *block_tickets]);
    out.u32s(&[*lookup_anchor_age]);
    if of_validators {
        out.u16s(&[*validator_tickets]);
    }
    out.u16s(&[*pool_authorizers, *slot_seconds, *queue_authorizers, *rotation_slots]);
    out.u16s(&[*package_extrinsics, *availability_timeout]);
    if of_validators {
        out.u16s(&[*validators]);
    }
    out.u32s(&[*authorizer_code_bytes, *bundle_bytes, *service_code_bytes]);
    if of_validators {
        out.u32s(&[*piece_bytes]);
    }
    out.u32s(&[*package_imports]);
    if of_validators {
        out.u32s(&[*segment_pieces]);
    }
    out.u32s(&[*report_bytes, *memo_bytes, *package_exports, *contest_end]);
    out.0
}

/// Numbers of fixed width behind each other.
struct Block(Vec<u8>);

impl Block {
    fn u16s(&mut self, numbers: &[u16]) {
        numbers.iter().for_each(|number| self.0.extend_from_slice(&number.to_le_bytes()));
    }

    fn u32s(&mut self, numbers: &[u32]) {
        numbers.iter().for_each(|number| self.0.extend_from_slice(&number.to_le_bytes()));
    }

    fn u64s(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.0.extend_from_slice(&number.to_le_bytes()));
    }
}
