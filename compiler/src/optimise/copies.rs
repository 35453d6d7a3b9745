//! Small loops are there several times, one turn behind the other.
//!
//! A loop of one block is charged, and jumps, once in each turn, which for a loop of a few instructions is a good part of it. With copies of its
//! code one behind the other, all turns in them are charged at once and only the last one jumps back; who leaves before gets back
//! what the others cost (see [`super::credit`]).
//!
//! *Assumes* a block that is one region and ends with a branch to itself. *Keeps* everything: each copy is the code of the block. Blocks
//! that later ones lead back to are left alone: they are where some larger loop starts, and go round by themselves only now and then.

use super::flow::{Block, End};

/// Most bytes of guest code in all copies; machine code is about twice as long.
const MAX_BYTES: u32 = 96;
/// Most copies. More gain nothing, and loops of few turns lose: where they end is harder to predict.
const MAX_COPIES: u32 = 3;
/// Most copies for each byte that an instruction of the loop has: hostile programs have instructions of a byte or two, and should not get
/// more machine code for each byte than by other means.
const MAX_COPIES_PER_BYTE: (u32, u32) = (4, 3);

/// How often the code of each block is to be there.
pub fn of_blocks(blocks: &[Block]) -> Vec<u8> {
    let mut copies: Vec<u8> = (0..).zip(blocks).map(|(number, block)| copies_of(block, number)).collect();
    for (number, block) in (0..).zip(blocks) {
        for &next in block.next.iter().flatten().filter(|&&next| next < number) {
            copies[next as usize] = 1;
        }
    }
    copies
}

fn copies_of(block: &Block, number: u32) -> u8 {
    let [target, behind] = block.next;
    let is_loop = block.is_plain && block.end == End::Plain && block.falls && target == Some(number);
    if !is_loop || behind.is_none() || behind == target {
        return 1;
    }
    let (copies, bytes) = MAX_COPIES_PER_BYTE;
    let dense = block.len * copies / (bytes * block.instructions.max(1));
    (MAX_BYTES / block.len.max(1)).min(dense).clamp(1, MAX_COPIES) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of so many bytes that leads to itself, between two others.
    fn around(len: u32) -> [Block; 3] {
        let block = Block { end: End::Plain, falls: true, is_plain: true, len: 3, ..Block::default() };
        [
            Block { next: [Some(1), None], ..block },
            Block { next: [Some(1), Some(2)], len, instructions: len / 3, ..block },
            Block { next: [None, None], falls: false, end: End::Dynamic, ..block },
        ]
    }

    #[test]
    fn as_many_as_fit() {
        let copies = |len| of_blocks(&around(len));
        assert_eq!(copies(MAX_BYTES / MAX_COPIES), [1, MAX_COPIES as u8, 1]);
        assert_eq!(copies(MAX_BYTES / MAX_COPIES + 1), [1, 2, 1]);
        assert_eq!(copies(MAX_BYTES / 2), [1, 2, 1]);
        assert_eq!(copies(MAX_BYTES / 2 + 1), [1, 1, 1]);
        let dense = |instructions| {
            let mut blocks = around(12);
            blocks[1].instructions = instructions;
            of_blocks(&blocks)
        };
        assert_eq!([4, 5, 8, 9].map(|instructions| dense(instructions)[1]), [3, 3, 2, 1]);
    }

    #[test]
    fn none_of_what_is_no_simple_loop() {
        let with = |change: fn(&mut [Block; 3])| {
            let mut blocks = around(8);
            change(&mut blocks);
            of_blocks(&blocks)
        };
        assert_eq!(with(|_| {}), [1, 3, 1]);
        assert_eq!(with(|blocks| blocks[1].is_plain = false), [1, 1, 1], "more than a region");
        assert_eq!(with(|blocks| blocks[1].end = End::Call), [1, 1, 1]);
        assert_eq!(with(|blocks| blocks[1].next = [Some(1), None]), [1, 1, 1], "leads nowhere else");
        assert_eq!(with(|blocks| blocks[2].next = [Some(1), None]), [1, 1, 1], "led back to");
    }
}
