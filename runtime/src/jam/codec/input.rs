//! Inputs of accumulation and on-transfer (GP C.2, C(I), C(U), C(X)).

use tvm_isa::codec::encode_natural;

use super::{encode_blob, encode_hash};
use crate::jam::types::{AccumulationInput, DeferredTransfer, Operand};
use crate::jam::version::JamRules;

/// Tag of an operand among accumulation inputs.
const OPERAND: u8 = 0;

/// Tag of a transfer among accumulation inputs.
const TRANSFER: u8 = 1;

/// Appends an accumulation input, with the tag that tells its kind where transfers are inputs at all.
pub fn encode_input(input: &AccumulationInput, rules: &JamRules, out: &mut Vec<u8>) {
    let tag = match input {
        AccumulationInput::Operand(_) => OPERAND,
        AccumulationInput::Transfer(_) => TRANSFER,
    };
    if rules.transfers_are_inputs {
        out.push(tag);
    }
    match input {
        AccumulationInput::Operand(operand) => encode_operand(operand, out),
        AccumulationInput::Transfer(transfer) => encode_transfer(transfer, out),
    }
}

/// Appends an operand.
pub fn encode_operand(operand: &Operand, out: &mut Vec<u8>) {
    let Operand { package_hash, exports_root, authorizer_hash, payload_hash, gas_limit, result, auth_trace } = operand;
    for hash in [package_hash, exports_root, authorizer_hash, payload_hash] {
        encode_hash(hash, out);
    }
    encode_natural(gas_limit.0, out);
    match result {
        Ok(output) => {
            out.push(0);
            encode_blob(output, out);
        }
        Err(error) => out.push(*error as u8),
    }
    encode_blob(auth_trace, out);
}

/// Appends a deferred transfer.
pub fn encode_transfer(transfer: &DeferredTransfer, out: &mut Vec<u8>) {
    let DeferredTransfer { source, destination, amount, memo, gas } = transfer;
    out.extend_from_slice(&source.0.to_le_bytes());
    out.extend_from_slice(&destination.0.to_le_bytes());
    out.extend_from_slice(&amount.to_le_bytes());
    out.extend_from_slice(memo);
    out.extend_from_slice(&gas.0.to_le_bytes());
}
