//! The ends of ways stand where they are jumped to.
//!
//! A jump to a few instructions that end with a dynamic jump, such as the common end of a function's branches or an interpreter's dispatch,
//! is replaced by their code. That saves the jump, and gives the processor a dynamic jump for each place to predict by.
//!
//! *Assumes* a block that is one region and ends with a jump; where it leads to, blocks of one region each, each of which goes on into the one
//! behind it, up to one that ends with a dynamic jump. *Keeps* everything: each copy is the code of these blocks, and what is owed on the ways
//! between them is charged or given back there (see [`super::credit`]). All other ways lead to the blocks themselves.

use super::copies::Copied;
use super::flow::{Block, End};

/// Most blocks one behind the other.
const MAX_BLOCKS: usize = 2;
/// Most bytes of guest code in them; machine code is about twice as long.
const MAX_BYTES: u32 = 64;

/// How many blocks, from its target on, have their code in the place of the jump at the end of each block.
///
/// All copies together have no more instructions than make the program as long as one that has an instruction in each of its bytes: hostile
/// programs should not get more machine code for each byte than by other means.
pub fn of_blocks(blocks: &[Block], copied: &[Option<Copied>]) -> Vec<u8> {
    let bytes: u32 = blocks.iter().map(|block| block.len).sum();
    let times = |copied: &Option<Copied>| copied.map_or(1, Copied::copies);
    let instructions = blocks.iter().zip(copied).map(|(block, copied)| block.instructions * times(copied)).sum();
    let mut room = bytes.saturating_sub(instructions);
    let mut tail_of = |block: &Block| {
        let target = block.next[0].filter(|_| block.is_plain && block.end == End::Plain && !block.falls)?;
        let (length, instructions) = tail(blocks, copied, target as usize)?;
        room = room.checked_sub(instructions)?;
        Some(length)
    };
    blocks.iter().map(|block| tail_of(block).unwrap_or(0)).collect()
}

/// How many blocks from `first` on end with a dynamic jump, and how many instructions they have, if they are few.
fn tail(blocks: &[Block], copied: &[Option<Copied>], first: usize) -> Option<(u8, u32)> {
    let (mut bytes, mut instructions) = (0, 0);
    for (length, (block, copied)) in (1..).zip(blocks.iter().zip(copied).skip(first).take(MAX_BLOCKS)) {
        bytes += block.len;
        instructions += block.instructions;
        if !block.is_plain || copied.is_some() || bytes > MAX_BYTES {
            return None;
        }
        match block.end {
            End::Dynamic => return Some((length, instructions)),
            End::Plain if block.falls => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A jump to blocks of so many bytes with a branch and a dynamic jump at their ends.
    fn before(lens: [u32; 2]) -> [Block; 3] {
        let block = Block { end: End::Plain, is_plain: true, instructions: 1, ..Block::default() };
        [
            Block { next: [Some(1), None], len: 30, ..block },
            Block { next: [Some(0), Some(2)], falls: true, len: lens[0], ..block },
            Block { end: End::Dynamic, len: lens[1], ..block },
        ]
    }

    fn tails(blocks: &[Block]) -> Vec<u8> {
        of_blocks(blocks, &vec![None; blocks.len()])
    }

    #[test]
    fn as_long_as_they_may_be() {
        assert_eq!(tails(&before([MAX_BYTES - 9, 9])), [2, 0, 0]);
        assert_eq!(tails(&before([MAX_BYTES - 9, 10])), [0, 0, 0]);
        let mut to_the_last = before([9, 9]);
        to_the_last[0].next = [Some(2), None];
        assert_eq!(tails(&to_the_last), [1, 0, 0]);
        // A block more in between.
        let [jump, branch, end] = before([9, 9]);
        assert_eq!(tails(&[jump, branch, branch, end]), [0, 0, 0, 0]);
    }

    #[test]
    fn no_more_instructions_than_there_are_bytes() {
        let with = |instructions| {
            let mut blocks = before([9, 9]);
            blocks[2].instructions = instructions;
            tails(&blocks)
        };
        // 48 bytes; two instructions and those of the last block, the latter and one more once again.
        assert_eq!(with(22), [2, 0, 0]);
        assert_eq!(with(23), [0, 0, 0]);
    }

    #[test]
    fn none_of_what_may_be_left_in_between() {
        let with = |change: fn(&mut [Block; 3])| {
            let mut blocks = before([9, 9]);
            change(&mut blocks);
            tails(&blocks)
        };
        assert_eq!(with(|_| {}), [2, 0, 0]);
        assert_eq!(with(|blocks| blocks[0].end = End::Call), [0, 0, 0]);
        assert_eq!(with(|blocks| blocks[0].falls = true), [0, 0, 0]);
        assert_eq!(with(|blocks| blocks[0].is_plain = false), [0, 0, 0]);
        assert_eq!(with(|blocks| blocks[1].is_plain = false), [0, 0, 0], "more than a region");
        assert_eq!(with(|blocks| blocks[1].falls = false), [0, 0, 0]);
        assert_eq!(with(|blocks| blocks[2].end = End::Trap), [0, 0, 0]);
        let copied = Copied::new(1, 1, 1, 2);
        assert_eq!(of_blocks(&before([9, 9]), &[None, copied, None]), [0, 0, 0], "there several times anyhow");
    }
}
