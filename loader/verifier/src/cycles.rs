//! That loops are charged for.
//!
//! A guest that never leaves and is never charged would stop its node. So every way around a loop must come by a charge: without
//! the ways that do, the text must have no loops at all. That is so if its *stretches*, instructions that execute one after
//! the other, can be put in an order in which every way leads forth; it is found by taking those away to which no way leads.
//!
//! Dynamic jumps lead to all entries of the jump table. A host call is left and entered again, which is the host's to count.

use crate::Code;
use crate::jumps::{CALL_BYTES, JumpKind};
use crate::place_set::{Numbered, PlaceSet};
use crate::places;
use crate::sweep::Swept;
use crate::violation::{Rule, Violation};

/// Checks that the text has no loop without a charge.
pub fn check(code: &Code<'_>, swept: &Swept) -> Result<(), Violation> {
    let ways = Ways::new(code, swept)?;
    let mut entered = vec![0_u32; ways.count()];
    ways.all().for_each(|to| entered[to as usize] += 1);
    let mut free: Vec<u32> = (0..ways.count() as u32).filter(|&stretch| entered[stretch as usize] == 0).collect();
    let mut taken = 0;
    while let Some(stretch) = free.pop() {
        taken += 1;
        for &to in ways.from(stretch) {
            entered[to as usize] -= 1;
            if entered[to as usize] == 0 {
                free.push(to);
            }
        }
    }
    if taken == ways.count() {
        return Ok(());
    }
    let in_loop = entered.iter().position(|&entered| entered > 0).unwrap_or(0);
    Err(Rule::Uncharged.broken_at(ways.stretches.iter().nth(in_loop).unwrap_or(0)))
}

/// Uncharged ways between stretches. The last stretch is none: it stands for the jump table, through which dynamic jumps lead.
struct Ways {
    stretches: Numbered,
    /// Where the ways from each stretch begin in `to`, and one more.
    first: Vec<u32>,
    /// The stretches that ways lead to.
    to: Vec<u32>,
}

impl Ways {
    fn new(code: &Code<'_>, swept: &Swept) -> Result<Self, Violation> {
        let entries: Vec<u32> = places::table(code)?.map(|(_, target)| target).collect();
        let stretches = stretches(code.text.len(), swept, &entries);
        let (count, table) = (stretches.count(), stretches.count());
        let (mut first, mut to) = (Vec::with_capacity(count as usize + 2), Vec::new());
        let mut jumps = swept.jumps.iter().peekable();
        let mut ends = swept.ends.iter().peekable();
        let mut dynamic = swept.dynamic_jumps.iter().peekable();
        let next_starts = stretches.iter().skip(1).chain([u32::MAX]);
        for (next, end) in (1..).zip(next_starts) {
            first.push(to.len() as u32);
            // A stretch ends with its jump or where it leaves, or goes on into the next one.
            let mut goes_on = next < count;
            while let Some(jump) = jumps.next_if(|jump| jump.at < end) {
                // Who does not pay is out of gas, or gets back what was charged.
                to.extend((jump.kind != JumpKind::Charge).then(|| stretches.number(jump.target)));
                goes_on &= jump.kind == JumpKind::Branch;
            }
            while ends.next_if(|&&place| place < end).is_some() {
                goes_on = false;
            }
            to.extend(dynamic.next_if(|&&place| place < end).map(|_| table));
            to.extend(goes_on.then_some(next));
        }
        first.push(to.len() as u32);
        to.extend(entries.into_iter().map(|entry| stretches.number(entry)));
        first.push(to.len() as u32);
        Ok(Self { stretches, first, to })
    }

    /// How many stretches there are, the jump table among them.
    fn count(&self) -> usize {
        self.first.len() - 1
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        self.to.iter().copied()
    }

    fn from(&self, stretch: u32) -> &[u32] {
        let stretch = stretch as usize;
        &self.to[self.first[stretch] as usize..self.first[stretch + 1] as usize]
    }
}

/// Where stretches start: at the first byte, where jumps lead, and behind each jump, charge and way out.
///
/// `places` has seen before that jumps lead to instructions.
fn stretches(text_len: usize, swept: &Swept, entries: &[u32]) -> Numbered {
    let mut starts = PlaceSet::new(text_len);
    starts.insert(0);
    for jump in &swept.jumps {
        if jump.kind != JumpKind::Charge {
            starts.insert(jump.target);
        }
        starts.insert(jump.at + 1);
    }
    for &at in entries {
        starts.insert(at);
    }
    // Calls one behind the other, as cold sites are, need no stretches of their own: nobody goes on from one to the next.
    let next_ends = swept.ends.iter().skip(1).map(Some).chain([None]);
    for (&at, next) in swept.ends.iter().zip(next_ends) {
        if next != Some(&(at + CALL_BYTES)) {
            starts.insert(at + 1);
        }
    }
    Numbered::new(starts)
}
