//! Where functions return to that are called in one place, or call themselves in one.
//!
//! A return is a dynamic jump: a look-up in the jump table and two checks. Where one address is much likelier than others, the jump is compared with
//! that first. *Assumes* nothing about where functions are: who jumps somewhere else goes on to the dynamic jump. *Keeps* everything: the address
//! leads where the jump table says. Two addresses are not compared: processors predict that worse than the jump.

use std::collections::BTreeMap;
use std::ops::Range;

use tvm_isa::{Pc, Program, Reg};

use super::flow::{Block, End};
use crate::targets::BlockTargets;

/// Fewest bytes of guest code in a block whose end is compared: hostile programs have jumps of one byte, and should not get more machine code for
/// each byte than by other means.
const MIN_BYTES: u32 = 4;

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

/// What dynamic jumps are to be compared with, by their places. `lead` gives the block that an address leads to.
pub fn of_blocks(blocks: &[Block], lead: impl Fn(u32) -> Option<u32>) -> BTreeMap<u32, Guess> {
    let call = |(from, block): (u32, &Block)| match (block.end, block.link, block.next) {
        (End::Call, Some(link), [Some(to), _]) => Some(Call { to, from, link }),
        _ => None,
    };
    let mut calls: Vec<Call> = (0..).zip(blocks).filter_map(call).collect();
    calls.sort_by_key(|call| call.to);
    let mut guesses = BTreeMap::new();
    let mut functions = calls.chunk_by(|call, next| call.to == next.to).peekable();
    while let Some(calls) = functions.next() {
        let behind = functions.peek().map_or(blocks.len() as u32, |next| next[0].to);
        let function = calls[0].to..behind;
        let Some(link) = likely(calls, &function) else { continue };
        let Some(block) = lead(link.address) else { continue };
        let guess = Guess { address: link.address, block };
        for block in &blocks[function.start as usize..function.end as usize] {
            if let (End::Dynamic, Some(Link { pc, reg, address: 0 })) = (block.end, block.link)
                && reg == link.reg
                && block.len >= MIN_BYTES
            {
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
    let slot = Some(address / 2).filter(|&slot| address.is_multiple_of(2) && (1..slots).contains(&slot))?;
    targets.index(program.jump_table().get(u64::from(slot) - 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(end: End, link: Option<(u8, u32)>, next: Option<u32>) -> Block {
        let link = link.map(|(reg, address)| Link { pc: Pc(0), reg: Reg::clamped(reg), address });
        Block { end, link, next: [next, None], len: MIN_BYTES, ..Block::default() }
    }

    fn call(to: u32, address: u32) -> Block {
        block(End::Call, Some((0, address)), Some(to))
    }

    fn jump(reg: u8, offset: u32) -> Block {
        block(End::Dynamic, Some((reg, offset)), None)
    }

    /// The blocks at whose ends there are comparisons, and the addresses.
    fn found(blocks: &mut [Block]) -> Vec<(u32, u32)> {
        for (number, block) in (0..).zip(blocks.iter_mut()) {
            if let Some(link) = &mut block.link {
                link.pc = Pc(number);
            }
        }
        let guesses = of_blocks(blocks, |address| (address != 99).then_some(7));
        guesses.into_iter().map(|(pc, guess)| (pc, guess.address)).collect()
    }

    #[test]
    fn functions_that_are_called_once() {
        // Two functions, blocks 2 and 3, and 4.
        let mut blocks = vec![call(2, 2), call(4, 4), block(End::Plain, None, Some(3)), jump(0, 0), jump(0, 0)];
        assert_eq!(found(&mut blocks), [(3, 2), (4, 4)]);
        blocks.push(call(2, 6));
        assert_eq!(found(&mut blocks), [(4, 4)], "two callers");
    }

    #[test]
    fn functions_that_call_themselves() {
        let mut blocks = vec![call(2, 2), call(2, 4), call(2, 6), jump(0, 0)];
        assert_eq!(found(&mut blocks), [(3, 6)]);
        blocks.insert(3, call(2, 8));
        assert_eq!(found(&mut blocks), [], "in two places");
    }

    #[test]
    fn only_what_may_be_a_return() {
        let with = |last: Block| found(&mut [call(1, 2), last]);
        assert_eq!(with(jump(0, 0)), [(1, 2)]);
        assert_eq!(with(jump(1, 0)), [], "through another register");
        assert_eq!(with(jump(0, 2)), [], "with an offset");
        assert_eq!(with(Block { len: MIN_BYTES - 1, ..jump(0, 0) }), [], "too short");
        assert_eq!(found(&mut [call(1, 99), jump(0, 0)]), [], "nowhere");
    }
}
