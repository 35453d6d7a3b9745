//! Host functions of the privileged services: bless, assign, designate.

use std::collections::BTreeMap;
use std::sync::Arc;

use tvm_isa::Gas;

use super::context::Context;
use crate::jam::call::{Call, Stop};
use crate::jam::results::{CORE, HUH, OK, WHO};
use crate::jam::types::{AUTHORIZER_QUEUE_LEN, Bytes, Hash, Privileges, ServiceId, VALIDATOR_KEY_BYTES};

/// Octets of an entry of bless' table: service index and gas.
const TABLE_ENTRY: u64 = 12;

/// Entries of bless' table that are read at a time, so that what the guest says about its size takes no host memory.
const TABLE_CHUNK: u64 = 4096;

/// **bless** (0.7: 14, 0.8.0: 15). Sets all privileges. Which of them take effect is decided when results are merged
/// (GP eq:accpar).
///
/// φ7 manager, φ8 address of the assigners (4 octets for each core), φ9 delegator, φ10 registrar, φ11 address of the
/// table of always accumulated services (12 octets each: index, gas), φ12 its number of entries. Before GP 0.7.1 there is
/// no registrar, and the table is in φ10 and φ11.
/// Panics when assigners or table are not readable. φ7 ← HUH when the caller is not the manager (not in GP 0.7.1 and
/// 0.7.2), WHO when manager, delegator or registrar is no service index, otherwise OK.
///
/// The Gray Paper says nothing of an index that the table has twice: the last one counts here.
pub(super) fn bless(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let rules = call.rules;
    let [manager, assigners, delegator] = [7, 8, 9].map(|reg| call.reg(reg));
    let (registrar, table, entries) = match rules.has_registrar {
        true => (call.reg(10), call.reg(11), call.reg(12)),
        false => (0, call.reg(10), call.reg(11)),
    };
    call.need_readable(assigners, 4 * u64::from(context.constants().cores))?;
    call.need_readable(table, entries.saturating_mul(TABLE_ENTRY))?;
    if rules.bless_needs_manager && context.service() != context.privileges().manager {
        call.answer(HUH);
        return Ok(());
    }
    let [Ok(manager), Ok(delegator), Ok(registrar)] = [manager, delegator, registrar].map(u32::try_from) else {
        call.answer(WHO);
        return Ok(());
    };
    let assigners = read_assigners(call, assigners, context.constants().cores)?;
    let always_accumulate = read_table(call, table, entries)?;
    context.set_privileges(Privileges {
        manager: ServiceId(manager),
        assigners,
        delegator: ServiceId(delegator),
        registrar: ServiceId(registrar),
        always_accumulate,
    });
    call.answer(OK);
    Ok(())
}

fn read_assigners(call: &mut Call<'_>, start: u64, cores: u16) -> Result<Vec<ServiceId>, Stop> {
    let bytes = call.read(start, 4 * u64::from(cores))?;
    let (indices, _) = bytes.as_chunks::<4>();
    Ok(indices.iter().map(|index| ServiceId(u32::from_le_bytes(*index))).collect())
}

fn read_table(call: &mut Call<'_>, start: u64, entries: u64) -> Result<BTreeMap<ServiceId, Gas>, Stop> {
    let mut table = BTreeMap::new();
    let mut done = 0;
    while done < entries {
        let chunk = (entries - done).min(TABLE_CHUNK);
        // The whole table is readable, so its addresses are below 2^32.
        let bytes = call.read(start + done * TABLE_ENTRY, chunk * TABLE_ENTRY)?;
        let (chunks, _) = bytes.as_chunks::<{ TABLE_ENTRY as usize }>();
        for [s0, s1, s2, s3, gas @ ..] in chunks {
            table.insert(ServiceId(u32::from_le_bytes([*s0, *s1, *s2, *s3])), Gas(u64::from_le_bytes(*gas)));
        }
        done += chunk;
    }
    Ok(table)
}

/// **assign** (0.7: 15, 0.8.0: 16). Sets a core's authorizer queue and who may do so from now on.
///
/// φ7 core, φ8 address of 80 hashes, φ9 the new assigner.
/// Panics when the hashes are not readable. φ7 ← CORE when there is no such core, HUH when the caller is not its assigner,
/// WHO when the new assigner is no service index (not checked before GP 0.7.1, where it is cut to 32 bits), otherwise OK.
pub(super) fn assign(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let [core, start, assigner] = [7, 8, 9].map(|reg| call.reg(reg));
    let hashes = call.read(start, AUTHORIZER_QUEUE_LEN as u64 * Hash::LEN)?;
    if core >= u64::from(context.constants().cores) {
        call.answer(CORE);
        return Ok(());
    }
    let position = core as usize;
    if context.privileges().assigners.get(position) != Some(&context.service()) {
        call.answer(HUH);
        return Ok(());
    }
    if call.rules.assign_checks_assigner && u32::try_from(assigner).is_err() {
        call.answer(WHO);
        return Ok(());
    }
    let (hashes, _) = hashes.as_chunks::<{ Hash::LEN as usize }>();
    let mut queue = [Hash::default(); AUTHORIZER_QUEUE_LEN];
    queue.iter_mut().zip(hashes).for_each(|(place, hash)| *place = Hash(*hash));
    let mut privileges = Privileges::clone(context.privileges());
    privileges.assigners[position] = ServiceId(assigner as u32);
    context.set_privileges(privileges);
    context.set_queue(core as u16, Arc::new(queue));
    call.answer(OK);
    Ok(())
}

/// **designate** (0.7: 16, 0.8.0: 17). Sets the staging validator set.
///
/// φ7 address of the keys, 336 octets each; φ8 number of validators, since GP 0.8.0.
/// Panics when the keys are not readable. φ7 ← HUH when the number is not permitted or the caller is not the delegator,
/// otherwise OK.
pub(super) fn designate(call: &mut Call<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let constants = context.constants();
    let (count, permitted) = match call.rules.designate_counts {
        true => (call.reg(8), is_permitted_validator_count(call.reg(8), constants.cores)),
        false => (u64::from(constants.validators), true),
    };
    let (start, len) = (call.reg(7), count.saturating_mul(VALIDATOR_KEY_BYTES));
    call.need_readable(start, len)?;
    if !permitted || context.service() != context.privileges().delegator {
        call.answer(HUH);
        return Ok(());
    }
    context.set_staging(Bytes::from(call.read(start, len)?));
    call.answer(OK);
    Ok(())
}

/// GP 0.8.0: a multiple of three, at least six, and at most three for each core.
fn is_permitted_validator_count(count: u64, cores: u16) -> bool {
    count.is_multiple_of(3) && (6..=3 * u64::from(cores)).contains(&count)
}
