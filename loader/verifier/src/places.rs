//! Where may be jumped to and entered, and what the pc map knows of where code is left.

use tvm_abi::context::MAX_JUMP_TABLE_SLOTS;
use tvm_abi::{Region, TextOffset, sections};

use crate::Code;
use crate::sweep::{JumpKind, Swept};
use crate::violation::{Rule, Violation};

/// Bytes of a call of a place in the text.
const CALL_BYTES: u32 = 5;

/// Checks all places against what the pass over the text found.
pub fn check(code: &Code<'_>, swept: &Swept) -> Result<(), Violation> {
    jumps(swept)?;
    for (slot, target) in table(code)? {
        if !swept.starts.has(target) {
            return Err(Rule::TableEntry { slot, target }.broken_at(target));
        }
    }
    regions(code, swept)?;
    sites(code, swept)?;
    charges(code, swept)
}

/// Who cannot pay gets back at least what was charged, which the counter, having no sign, went below zero by: otherwise it would stay a
/// huge number.
fn charges(code: &Code<'_>, swept: &Swept) -> Result<(), Violation> {
    for jump in &swept.jumps {
        let JumpKind::Charge(gas) = jump.kind else { continue };
        let call = code.pc_map.site(TextOffset(jump.target as u32 + CALL_BYTES - 1));
        if call.is_none_or(|site| site.give_back.0 < gas) {
            return Err(Rule::Gas.broken_at(jump.at));
        }
    }
    Ok(())
}

/// Every jump leads to the start of an instruction that is not inside a sequence.
fn jumps(swept: &Swept) -> Result<(), Violation> {
    for jump in &swept.jumps {
        if !u32::try_from(jump.target).is_ok_and(|target| swept.starts.has(target)) {
            return Err(Rule::Target { target: jump.target }.broken_at(jump.at));
        }
    }
    Ok(())
}

/// The entries of the jump table that lead somewhere, and where.
pub fn table<'c>(code: &Code<'c>) -> Result<impl Iterator<Item = (u32, u32)> + use<'c>, Violation> {
    let (words, _) = code.jump_table.as_chunks::<4>();
    let slots = code.jump_table_slots;
    let most = words.len().min(MAX_JUMP_TABLE_SLOTS);
    let words = words.get(..slots as usize).filter(|words| words.len() <= most);
    let words = words.ok_or_else(|| Rule::TableLength { slots, most }.broken_at(0))?;
    let targets = words.iter().map(|word| u32::from_le_bytes(*word));
    Ok((0..).zip(targets).filter(|&(_, target)| target != sections::NO_TARGET))
}

/// Regions start at instructions, in the order in which they are searched for.
fn regions(code: &Code<'_>, swept: &Swept) -> Result<(), Violation> {
    let mut before: Option<Region> = None;
    for region in code.pc_map.regions() {
        let is_behind = before.is_none_or(|before| before.pc < region.pc && before.text <= region.text);
        if !is_behind || !swept.starts.has(region.text.0) {
            return Err(Rule::Region { pc: region.pc.0 }.broken_at(region.text.0));
        }
        before = Some(region);
    }
    Ok(())
}

/// The pc map knows every place at which code is left, and no others but at the end of the text, where each record stands for a
/// place.
fn sites(code: &Code<'_>, swept: &Swept) -> Result<(), Violation> {
    let map = code.pc_map;
    let mut left = swept.sites.iter().copied();
    let mut regions = map.regions().enumerate().peekable();
    while let Some((index, region)) = regions.next() {
        let end = regions.peek().map_or(u32::MAX, |(_, next)| next.text.0);
        for site in map.sites_of(index) {
            let place = left.next();
            if let Some(TextOffset(at)) = place
                && at < site.text.0
            {
                return Err(Rule::NoSite.broken_at(at));
            }
            if !(region.text.0..end).contains(&site.text.0) || place != Some(site.text) {
                return Err(Rule::Site.broken_at(site.text.0));
            }
        }
    }
    for TextOffset(at) in left {
        if map.site(TextOffset(at)).is_none() {
            return Err(Rule::NoSite.broken_at(at));
        }
    }
    Ok(())
}
