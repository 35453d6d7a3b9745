//! Small loops are there several times, one turn behind the other.
//!
//! A loop is charged, and jumps, once in each turn, which for a loop of a few instructions is a good part of it. With copies of its
//! code one behind the other, all turns in them are charged at once and only the last one jumps back; who leaves before gets back
//! what the others cost (see [`super::credit`]).
//!
//! *Assumes* blocks one behind the other that are one region each, of which the last leads to the first, and each other one to the next or out of
//! the loop. *Keeps* everything: each copy is the code of the blocks. Blocks that others lead back to as well are left alone: they are
//! where some larger loop starts, and go round by themselves only now and then. So are loops that are entered elsewhere than at the start.

use std::num::NonZeroU8;

use super::flow::{Block, End};

/// Most bytes of guest code in all copies; machine code is about twice as long.
const MAX_BYTES: u32 = 96;
/// Most copies. More gain nothing, and loops of few turns lose: where they end is harder to predict.
const MAX_COPIES: u32 = 3;
/// Most copies of loops of several blocks, which are left from within and turn fewer times.
const MAX_COPIES_OF_SEVERAL: u32 = 2;
/// Most copies for each byte that an instruction of the loop has: hostile programs have instructions of a byte or two, and should not get
/// more machine code for each byte than by other means.
const MAX_COPIES_PER_BYTE: (u32, u32) = (4, 3);
/// Most blocks in such a loop.
const MAX_BLOCKS: u32 = 4;

/// A loop whose code is there several times, as one of its blocks sees it: there is one for each block, so it is small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    before: u8,
    behind: u8,
    copies: NonZeroU8,
}

impl Copied {
    /// The loop from `first` to `last`, as `block` sees it. `None` if its code is there once.
    pub(super) fn new(block: u32, first: u32, last: u32, copies: u32) -> Option<Self> {
        let copies = NonZeroU8::new(u8::try_from(copies).ok()?).filter(|copies| copies.get() > 1)?;
        let [before, behind] = [block - first, last - block].map(u8::try_from);
        Some(Self { before: before.ok()?, behind: behind.ok()?, copies })
    }

    /// The first block, which the loop leads back to.
    pub fn first(self, block: u32) -> u32 {
        block - u32::from(self.before)
    }

    /// The last block.
    pub fn last(self, block: u32) -> u32 {
        block + u32::from(self.behind)
    }

    /// How often its code is there, at least twice.
    pub fn copies(self) -> u32 {
        self.copies.get().into()
    }
}

/// The loop around each block that is there several times, if there is one.
pub fn of_blocks(blocks: &[Block]) -> Vec<Option<Copied>> {
    // Ways to each block, and how many of them lead back.
    let mut ways = vec![(0_u8, 0_u8); blocks.len()];
    for (number, block) in (0..).zip(blocks) {
        for &next in block.next.iter().flatten() {
            let (all, back) = &mut ways[next as usize];
            *all = all.saturating_add(1);
            *back = back.saturating_add(u8::from(next <= number));
        }
    }
    let mut copied = vec![None; blocks.len()];
    for (last, block) in (0..).zip(blocks) {
        let [Some(first), _] = block.next else { continue };
        if first <= last && ways[first as usize].1 == 1 && is_loop(blocks, &ways, first, last) {
            let of_loop = &blocks[first as usize..=last as usize];
            let copies = copies_of(of_loop);
            for block in first..=last {
                copied[block as usize] = Copied::new(block, first, last, copies);
            }
        }
    }
    copied
}

/// Whether the blocks from `first` to `last` go round in no other way than one after the other.
fn is_loop(blocks: &[Block], ways: &[(u8, u8)], first: u32, last: u32) -> bool {
    let is_inside = |next: u32| (first..=last).contains(&next);
    last - first < MAX_BLOCKS
        && (first..=last).all(|number| {
            let Block { next: [target, behind], falls, is_plain, end, .. } = blocks[number as usize];
            let is_as_expected = if number == last {
                falls == behind.is_some()
            } else {
                falls && target.is_none_or(|target| target == number + 1 || !is_inside(target))
            };
            let entered_elsewhere = number != first && ways[number as usize].0 > 1;
            is_plain && end == End::Plain && is_as_expected && !entered_elsewhere
        })
}

fn copies_of(of_loop: &[Block]) -> u32 {
    let sum = |part: fn(&Block) -> u32| of_loop.iter().map(part).sum::<u32>().max(1);
    let (len, instructions) = (sum(|block| block.len), sum(|block| block.instructions));
    let (copies, bytes) = MAX_COPIES_PER_BYTE;
    let dense = len * copies / (bytes * instructions);
    let most = if of_loop.len() > 1 { MAX_COPIES_OF_SEVERAL } else { MAX_COPIES };
    (MAX_BYTES / len).min(dense).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of so many bytes that leads to itself, between two others.
    fn around(len: u32) -> Vec<Block> {
        let block = Block { end: End::Plain, falls: true, is_plain: true, len: 3, ..Block::default() };
        vec![
            Block { next: [Some(1), None], ..block },
            Block { next: [Some(1), Some(2)], len, instructions: len / 3, ..block },
            Block { next: [None, None], falls: false, end: End::Dynamic, ..block },
        ]
    }

    /// So many blocks of six bytes that are a loop, between two others; all can leave it.
    fn chain(count: u32) -> Vec<Block> {
        let [before, mut block, behind] = around(6).try_into().expect("three");
        let last = count;
        let mut blocks = vec![before];
        for number in 1..=count {
            let out = if number == last { 1 } else { last + 1 };
            block.next = [Some(out), Some(number + 1)];
            blocks.push(block);
        }
        blocks.push(behind);
        blocks
    }

    /// How often each block's code is there.
    fn copies(blocks: &[Block]) -> Vec<u32> {
        of_blocks(blocks).iter().map(|copied| copied.map_or(1, Copied::copies)).collect()
    }

    #[test]
    fn as_many_as_fit() {
        let of_length = |len| copies(&around(len));
        assert_eq!(of_length(MAX_BYTES / MAX_COPIES), [1, MAX_COPIES, 1]);
        assert_eq!(of_length(MAX_BYTES / MAX_COPIES + 1), [1, 2, 1]);
        assert_eq!(of_length(MAX_BYTES / 2), [1, 2, 1]);
        assert_eq!(of_length(MAX_BYTES / 2 + 1), [1, 1, 1]);
        let dense = |instructions| {
            let mut blocks = around(12);
            blocks[1].instructions = instructions;
            copies(&blocks)
        };
        assert_eq!([4, 5, 8, 9].map(|instructions| dense(instructions)[1]), [3, 3, 2, 1]);
    }

    #[test]
    fn loops_of_several_blocks() {
        assert_eq!(copies(&chain(2)), [1, 2, 2, 1]);
        let first_and_last = of_blocks(&chain(2))[2].map(|copied| (copied.first(2), copied.last(2)));
        assert_eq!(first_and_last, Some((1, 2)));
        assert_eq!(copies(&chain(MAX_BLOCKS)), [1, 2, 2, 2, 2, 1]);
        assert_eq!(copies(&chain(MAX_BLOCKS + 1)), [1; 7]);
        // The way back is a jump: they are left from within.
        let mut jumps = chain(2);
        (jumps[2].next, jumps[2].falls) = ([Some(1), None], false);
        assert_eq!(copies(&jumps), [1, 2, 2, 1]);
        // The first block goes on without a branch.
        let mut falls = chain(2);
        falls[1].next = [Some(2), None];
        assert_eq!(copies(&falls), [1, 2, 2, 1]);
    }

    #[test]
    fn none_of_what_is_no_simple_loop() {
        let with = |change: fn(&mut [Block])| {
            let mut blocks = around(8);
            change(&mut blocks);
            copies(&blocks)
        };
        assert_eq!(with(|_| {}), [1, 3, 1]);
        assert_eq!(with(|blocks| blocks[1].is_plain = false), [1, 1, 1], "more than a region");
        assert_eq!(with(|blocks| blocks[1].end = End::Call), [1, 1, 1]);
        assert_eq!(with(|blocks| blocks[1].next = [Some(1), None]), [1, 1, 1], "leads nowhere else");
        assert_eq!(with(|blocks| blocks[2].next = [Some(1), None]), [1, 1, 1], "led back to");
        let with = |change: fn(&mut [Block])| {
            let mut blocks = chain(3);
            change(&mut blocks);
            copies(&blocks)
        };
        assert_eq!(with(|_| {}), [1, 2, 2, 2, 1]);
        assert_eq!(with(|blocks| blocks[2].is_plain = false), [1; 5], "more than a region");
        assert_eq!(with(|blocks| blocks[2].end = End::Call), [1; 5]);
        assert_eq!(with(|blocks| blocks[1].next[0] = Some(3)), [1; 5], "skips a part");
        assert_eq!(with(|blocks| blocks[2].next[0] = Some(1)), [1; 5], "two ways back");
        assert_eq!(with(|blocks| blocks[2].next[0] = Some(2))[1], 1, "a loop in a loop");
        assert_eq!(with(|blocks| blocks[4].next = [Some(1), None]), [1; 5], "led back to");
        assert_eq!(with(|blocks| blocks[0].next = [Some(2), None]), [1; 5], "entered elsewhere");
    }
}
