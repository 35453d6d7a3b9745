//! Jumps to places in the same text: blocks and other labels by number, and the cold sites behind all other code.

use tvm_abi::{COLD_SITE_BYTES, TextOffset};

use super::{Assembler, Condition};

/// Where a jump leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The label with this number; those of basic blocks are the blocks' numbers.
    Block(u32),
    /// The cold site with this number.
    Cold(u32),
}

/// Places of blocks, and jumps that still lead nowhere.
#[derive(Default, Debug)]
pub struct Jumps {
    /// Where each label is, those of the blocks first; [`NOWHERE`] before its code is written.
    blocks: Vec<u32>,
    /// Ends of jumps to blocks, and the blocks' numbers.
    to_blocks: Vec<(TextOffset, u32)>,
    /// Ends of jumps to cold sites, and the sites' numbers.
    to_cold: Vec<(TextOffset, u32)>,
}

/// Stands for the place of a block that has none yet.
const NOWHERE: u32 = u32::MAX;

impl Jumps {
    /// Makes ready for a program of so many blocks; all of another one is forgotten.
    pub fn begin(&mut self, count: u32) {
        let Self { blocks, to_blocks, to_cold } = self;
        blocks.clear();
        blocks.resize(count as usize, NOWHERE);
        to_blocks.clear();
        to_cold.clear();
        to_blocks.reserve(count as usize);
    }

    /// Where each block starts, once all are resolved; behind them there may be other labels.
    pub fn blocks(&self) -> &[u32] {
        &self.blocks
    }

    /// Bytes of memory that this takes.
    pub fn capacity_bytes(&self) -> usize {
        let Self { blocks, to_blocks, to_cold } = self;
        blocks.capacity() * size_of::<u32>()
            + (to_blocks.capacity() + to_cold.capacity()) * size_of::<(TextOffset, u32)>()
    }
}

impl Assembler<'_> {
    /// Makes so many labels, with numbers from the one that is given on.
    pub fn new_labels(&mut self, count: u32) -> u32 {
        let first = self.jumps.blocks.len();
        self.jumps.blocks.resize(first + count as usize, NOWHERE);
        first as u32
    }

    /// Gives a block or another label its place: here.
    #[inline]
    pub fn bind(&mut self, block: u32) {
        self.jumps.blocks[block as usize] = self.here().0;
    }

    /// Jumps to `target`, in the short form if it is known to reach.
    #[inline]
    pub fn jump(&mut self, target: Target) {
        match self.distance(target) {
            Some(distance) => match i8::try_from(distance - 2) {
                Ok(short) => self.ops.put(0xeb | u64::from(short as u8) << 8, 2),
                Err(_) => self.ops.put(0xe9 | u64::from((distance - 5) as u32) << 8, 5),
            },
            None => {
                self.ops.put(0xe9, 5);
                self.leads_to(target);
            }
        }
    }

    /// Jumps to `target` if `condition` holds, in the short form if it is known to reach.
    #[inline]
    pub fn jump_if(&mut self, condition: Condition, target: Target) {
        let condition = condition as u64;
        match self.distance(target) {
            Some(distance) => match i8::try_from(distance - 2) {
                Ok(short) => self.ops.put(0x70 | condition | u64::from(short as u8) << 8, 2),
                Err(_) => self.ops.put(0x800f | condition << 8 | u64::from((distance - 6) as u32) << 16, 6),
            },
            None => {
                self.ops.put(0x800f | condition << 8, 6);
                self.leads_to(target);
            }
        }
    }

    /// Lets the jump that ends at `end` lead to `place`.
    #[inline]
    pub fn let_jump(&mut self, end: TextOffset, place: TextOffset) {
        self.ops.patch_word(end, place.0.wrapping_sub(end.0));
    }

    /// Calls what stands at `place`, before here.
    #[inline]
    pub fn call(&mut self, place: TextOffset) {
        let distance = place.0.wrapping_sub(self.here().0 + 5);
        self.ops.put(0xe8 | u64::from(distance) << 8, 5);
    }

    /// Jumps to what stands at `place`, before here.
    #[inline]
    pub fn jump_back(&mut self, place: TextOffset) {
        let distance = place.0.wrapping_sub(self.here().0 + 5);
        self.ops.put(0xe9 | u64::from(distance) << 8, 5);
    }

    /// Pushes the offset at which the push ends, as a call pushes its end's address.
    #[inline]
    pub fn push_here(&mut self) {
        let end = self.here().0 + 5;
        self.ops.put(0x68 | u64::from(end) << 8, 5);
    }

    /// How far a block is from here, if its place is known.
    #[inline]
    fn distance(&self, target: Target) -> Option<i32> {
        match target {
            Target::Block(block) => match self.jumps.blocks[block as usize] {
                NOWHERE => None,
                place => Some(place as i32 - self.here().0 as i32),
            },
            Target::Cold(_) => None,
        }
    }

    /// Notes that the jump that ends here leads to `target`.
    #[inline]
    pub fn leads_to(&mut self, target: Target) {
        let end = self.here();
        match target {
            Target::Block(block) => self.jumps.to_blocks.push((end, block)),
            Target::Cold(site) => self.jumps.to_cold.push((end, site)),
        }
    }

    /// Lets all jumps lead to their targets. Cold sites stand in the order of their numbers from `cold_start` on.
    pub fn resolve(&mut self, cold_start: TextOffset) {
        let Jumps { blocks, to_blocks, to_cold } = &self.jumps;
        for &(end, block) in to_blocks {
            let place = blocks[block as usize];
            debug_assert_ne!(place, NOWHERE, "all labels were bound");
            self.ops.patch_word(end, place.wrapping_sub(end.0));
        }
        for &(end, site) in to_cold {
            let place = cold_start.0 + site * COLD_SITE_BYTES;
            self.ops.patch_word(end, place.wrapping_sub(end.0));
        }
    }

    /// Says where the code for each block begins, where that is not where its label is.
    pub fn name_blocks(&mut self, begins: Vec<u32>) {
        self.jumps.blocks = begins;
    }

    /// Places of blocks, and jumps.
    pub fn jumps(&self) -> &Jumps {
        &self.jumps
    }

    /// The length of the text, and the jumps.
    pub fn into_parts(self) -> (usize, Jumps) {
        (self.ops.here().0 as usize, self.jumps)
    }
}
