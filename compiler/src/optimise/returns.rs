//! Where functions return to that are called in one place, or call themselves in one.
//!
//! A return is a dynamic jump: a look-up in the jump table and two checks. Where one address is much likelier than others, the jump is compared with
//! that first. *Assumes* nothing about where functions are: who jumps somewhere else goes on to the dynamic jump. *Keeps* everything: the address
//! leads where the jump table says. Two addresses are not compared: processors predict that worse than the jump.

use std::collections::BTreeMap;
use std::ops::Range;

use tvm_abi::jump_key;
use tvm_isa::{Pc, Program, Reg};

use super::flow::{Block, End};
use crate::targets::BlockTargets;

/// Fewest bytes of guest code in a block whose end is compared: hostile programs have jumps of one byte, and should not get more machine code for
/// each byte than by other means.
pub(super) const MIN_BYTES: u32 = 4;

/// An address that a dynamic jump may find in its register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guess {
    /// The address.
    pub address: u32,
    /// The block that the jump table has for it.
    pub block: u32,
}

/// What the last instruction of a block does with addresses in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Where it is.
    pub pc: Pc,
    /// The register that a call leaves an address in, or that a dynamic jump goes to.
    pub reg: Reg,
    /// The address, or what the jump adds to the register.
    pub address: u32,
}

/// A call of the block `to`, at the end of the block `from`.
#[derive(Clone, Copy, Debug)]
struct Call {
    to: u32,
    from: u32,
    link: Link,
}

/// What dynamic jumps are to be compared with, by their places. `links` are the calls and the jumps that there are, by block, and `lead` gives the
/// block that an address leads to.
pub fn of_blocks(blocks: &[Block], links: &[(u32, Link)], lead: impl Fn(u32) -> Option<u32>) -> BTreeMap<u32, Guess> {
    let call = |&(from, link): &(u32, Link)| match blocks[from as usize] {
        Block { end: End::Call, next: [Some(to), _], .. } => Some(Call { to, from, link }),
        _ => None,
    };
    let mut calls: Vec<Call> = links.iter().filter_map(call).collect();
    calls.sort_by_key(|call| call.to);
    let mut guesses = BTreeMap::new();
    let mut functions = calls.chunk_by(|call, next| call.to == next.to).peekable();
    while let Some(calls) = functions.next() {
        let behind = functions.peek().map_or(blocks.len() as u32, |next| next[0].to);
        let function = calls[0].to..behind;
        let Some(link) = likely(calls, &function) else { continue };
        let Some(block) = lead(link.address) else { continue };
        let guess = Guess { address: link.address, block };
        let inside = links.partition_point(|&(block, _)| block < function.start)
            ..links.partition_point(|&(block, _)| block < function.end);
        for &(block, Link { pc, reg, address }) in &links[inside] {
            if blocks[block as usize].end == End::Dynamic && address == 0 && reg == link.reg {
                guesses.insert(pc.0, guess);
            }
        }
    }
    guesses
}

/// What is left by the call of a function to which it mostly returns.
fn likely(calls: &[Call], function: &Range<u32>) -> Option<Link> {
    if let [only] = calls {
        return Some(only.link);
    }
    let mut own = calls.iter().filter(|call| function.contains(&call.from));
    own.next().filter(|_| own.next().is_none()).map(|call| call.link)
}

/// The block that the jump table has for an address.
pub fn lead(program: &Program<'_>, targets: &BlockTargets, slots: u32, address: u32) -> Option<u32> {
    let slot = Some(jump_key(address)).filter(|slot| (1..slots).contains(slot))?;
    targets.index(program.jump_table().get(u64::from(slot) - 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Linked = (Block, Option<(u8, u32)>);

    fn call(to: u32, address: u32) -> Linked {
        (Block { end: End::Call, next: [Some(to), None], ..Block::default() }, Some((0, address)))
    }

    fn jump(reg: u8, offset: u32) -> Linked {
        (Block { end: End::Dynamic, ..Block::default() }, Some((reg, offset)))
    }

    /// The blocks at whose ends there are comparisons, and the addresses.
    fn found(linked: &[Linked]) -> Vec<(u32, u32)> {
        let blocks: Vec<Block> = linked.iter().map(|&(block, _)| block).collect();
        let link = |(number, &(_, link)): (u32, &Linked)| {
            link.map(|(reg, address)| (number, Link { pc: Pc(number), reg: Reg::clamped(reg), address }))
        };
        let links: Vec<(u32, Link)> = (0..).zip(linked).filter_map(link).collect();
        let guesses = of_blocks(&blocks, &links, |address| (address != 99).then_some(7));
        guesses.into_iter().map(|(pc, guess)| (pc, guess.address)).collect()
    }

    #[test]
    fn functions_that_are_called_once() {
        // Two functions, blocks 2 and 3, and 4.
        let mut blocks = vec![call(2, 2), call(4, 4), (Block::default(), None), jump(0, 0), jump(0, 0)];
        assert_eq!(found(&blocks), [(3, 2), (4, 4)]);
        blocks.push(call(2, 6));
        assert_eq!(found(&blocks), [(4, 4)], "two callers");
    }

    #[test]
    fn functions_that_call_themselves() {
        let mut blocks = vec![call(2, 2), call(2, 4), call(2, 6), jump(0, 0)];
        assert_eq!(found(&blocks), [(3, 6)]);
        blocks.insert(3, call(2, 8));
        assert_eq!(found(&blocks), [], "in two places");
    }

    #[test]
    fn only_what_may_be_a_return() {
        let with = |last: Linked| found(&[call(1, 2), last]);
        assert_eq!(with(jump(0, 0)), [(1, 2)]);
        assert_eq!(with(jump(1, 0)), [], "through another register");
        assert_eq!(with(jump(0, 2)), [], "with an offset");
        assert_eq!(found(&[call(1, 99), jump(0, 0)]), [], "nowhere");
    }
}
