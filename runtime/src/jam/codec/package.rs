//! Work packages, their items and contexts (GP C.2, C(P), C(W), C(C)).
//!
//! The order of fields is the same in all versions: that it was so in GP 0.7.0 already is what the hash of the one public
//! work package from its time says.

use super::{encode_blob, encode_hash, encode_sequence};
use crate::jam::types::{ExtrinsicSpec, ImportSpec, RefinementContext, WorkItem, WorkPackage};
use crate::jam::version::JamRules;

/// Set in an import's index when its root is the hash of a work package.
const BY_PACKAGE: u16 = 1 << 15;

/// Encodes a work package. Its BLAKE2b-256 is the package's hash.
#[must_use]
pub fn encode_package(package: &WorkPackage, rules: &JamRules) -> Vec<u8> {
    let WorkPackage { auth_code_host, auth_code_hash, context, authorization, authorizer_config, items } = package;
    let mut out = Vec::new();
    out.extend_from_slice(&auth_code_host.0.to_le_bytes());
    encode_hash(auth_code_hash, &mut out);
    encode_context(context, rules, &mut out);
    encode_blob(authorization, &mut out);
    encode_blob(authorizer_config, &mut out);
    encode_sequence(items, &mut out, encode_item);
    out
}

/// Appends a refinement context.
pub fn encode_context(context: &RefinementContext, rules: &JamRules, out: &mut Vec<u8>) {
    let RefinementContext {
        anchor,
        anchor_slot,
        state_root,
        beefy_root,
        lookup_anchor,
        lookup_anchor_slot,
        lookup_anchor_state_root,
        prerequisites,
    } = context;
    encode_hash(anchor, out);
    if rules.context_has_anchor_slot {
        out.extend_from_slice(&anchor_slot.0.to_le_bytes());
    }
    for hash in [state_root, beefy_root, lookup_anchor] {
        encode_hash(hash, out);
    }
    out.extend_from_slice(&lookup_anchor_slot.0.to_le_bytes());
    if rules.context_has_anchor_slot {
        encode_hash(lookup_anchor_state_root, out);
    }
    encode_sequence(prerequisites, out, encode_hash);
}

/// Appends a work item.
pub fn encode_item(item: &WorkItem, out: &mut Vec<u8>) {
    let WorkItem { service, code_hash, payload, refine_gas, accumulate_gas, export_count, imports, extrinsics } = item;
    out.extend_from_slice(&service.0.to_le_bytes());
    encode_hash(code_hash, out);
    out.extend_from_slice(&refine_gas.0.to_le_bytes());
    out.extend_from_slice(&accumulate_gas.0.to_le_bytes());
    out.extend_from_slice(&export_count.to_le_bytes());
    encode_blob(payload, out);
    encode_sequence(imports, out, encode_import);
    encode_sequence(extrinsics, out, encode_extrinsic);
}

/// Appends the summary of a work item that `fetch` gives as kinds 11 and 12 (GP B.5, S): 62 octets.
pub fn encode_item_summary(item: &WorkItem, out: &mut Vec<u8>) {
    let WorkItem { service, code_hash, payload, refine_gas, accumulate_gas, export_count, imports, extrinsics } = item;
    out.extend_from_slice(&service.0.to_le_bytes());
    encode_hash(code_hash, out);
    out.extend_from_slice(&refine_gas.0.to_le_bytes());
    out.extend_from_slice(&accumulate_gas.0.to_le_bytes());
    out.extend_from_slice(&export_count.to_le_bytes());
    // Work packages have at most 3072 imports and 128 extrinsics; the encoding takes numbers modulo its width.
    out.extend_from_slice(&(imports.len() as u16).to_le_bytes());
    out.extend_from_slice(&(extrinsics.len() as u16).to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
}

fn encode_import(import: &ImportSpec, out: &mut Vec<u8>) {
    let ImportSpec { tree_root, by_package, index } = import;
    encode_hash(tree_root, out);
    let index = index & !BY_PACKAGE | if *by_package { BY_PACKAGE } else { 0 };
    out.extend_from_slice(&index.to_le_bytes());
}

fn encode_extrinsic(extrinsic: &ExtrinsicSpec, out: &mut Vec<u8>) {
    let ExtrinsicSpec { hash, len } = extrinsic;
    encode_hash(hash, out);
    out.extend_from_slice(&len.to_le_bytes());
}
