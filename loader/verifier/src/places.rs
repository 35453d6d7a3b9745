//! Where may be jumped to and entered.

use tvm_abi::context::MAX_JUMP_TABLE_SLOTS;
use tvm_abi::{Region, sections};

use crate::Code;
use crate::sweep::Swept;
use crate::violation::{Rule, Violation};

/// Checks all places against what the pass over the text found.
pub fn check(code: &Code<'_>, swept: &Swept) -> Result<(), Violation> {
    jumps(swept)?;
    for (slot, target) in table(code)? {
        if !swept.starts.has(target) {
            return Err(Rule::TableEntry { slot, target }.broken_at(target));
        }
    }
    regions(code, swept)
}

/// Every jump leads to the start of an instruction that is not inside a sequence.
fn jumps(swept: &Swept) -> Result<(), Violation> {
    for jump in &swept.jumps {
        if !swept.starts.has(jump.target) {
            return Err(Rule::Target { target: jump.target.into() }.broken_at(jump.at));
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
