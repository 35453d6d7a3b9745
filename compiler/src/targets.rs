//! Where compiled code can be entered: basic block starts, numbered in program order, and the limits of regions and of the jump table.

use tvm_abi::context;
use tvm_isa::{BlockStarts, Pc, Program, Rules, Stops, Stretch};

/// Most instructions in a region: what the interpreter walks at most when gas runs short.
pub const MAX_REGION_INSTRUCTIONS: usize = 1024;
const _: () = assert!(Stops::MAX_INSTRUCTIONS as usize <= MAX_REGION_INSTRUCTIONS);

/// The block starts of a program (GP: ϖ) with their numbers.
#[derive(Default, Debug)]
pub struct BlockTargets {
    starts: BlockStarts,
    /// Where regions end.
    stops: Stops,
    /// Number of starts in the words before each word.
    ranks: Vec<u32>,
    count: u32,
    /// Below which position a stop is an instruction that is one itself and not near to the end of the code.
    ordinary_below: u32,
}

impl BlockTargets {
    /// Finds all block starts in one pass; those of another program are forgotten.
    pub fn scan(&mut self, program: &Program<'_>, rules: &Rules) {
        let Self { starts, stops, ranks, count, ordinary_below } = self;
        starts.find(stops, program, rules);
        *ordinary_below = if stops.has_gaps() { 0 } else { program.whole_below() };
        *count = 0;
        ranks.clear();
        ranks.extend(starts.words().iter().map(|word| {
            let before = *count;
            *count += word.count_ones();
            before
        }));
    }

    /// Bytes of memory that this takes.
    pub fn capacity_bytes(&self) -> usize {
        let Self { starts, stops, ranks, count: _, ordinary_below: _ } = self;
        starts.capacity_bytes() + stops.capacity_bytes() + ranks.capacity() * size_of::<u32>()
    }

    /// Number of blocks.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The instructions from `start` to where their region ends, if they are an ordinary region.
    #[inline]
    pub fn region(&self, program: &Program<'_>, start: Pc) -> Option<Stretch> {
        self.stops.stretch(program, start)
    }

    /// Whether the stop at `last` stops by itself, whatever follows, and [`Program::marked`] gives it.
    #[inline]
    pub fn is_ordinary(&self, program: &Program<'_>, rules: &Rules, last: Pc) -> bool {
        last.0 < self.ordinary_below || (program.stops_at(rules, last) && program.marked(last).is_some())
    }

    /// Whether a block starts at `pc`.
    #[inline]
    pub fn contains(&self, pc: Pc) -> bool {
        self.starts.contains(pc.0.into())
    }

    /// Where the blocks start, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Pc> + '_ {
        self.starts.iter()
    }

    /// The number of the block that starts at `target`, if one does.
    #[inline]
    pub fn index(&self, target: u64) -> Option<u32> {
        let word = usize::try_from(target / 64).ok()?;
        let bits = *self.starts.words().get(word)?;
        let bit = 1_u64 << (target % 64);
        (bits & bit != 0).then(|| self.ranks[word] + (bits & (bit - 1)).count_ones())
    }
}

/// Entries in the jump table section: those of the program's table that fit, and the unused entry 0. Tables whose
/// entries take no bytes can claim any length; they are left to the interpreter.
pub fn jump_table_slots(program: &Program<'_>) -> u32 {
    let table = program.jump_table();
    if table.entry_size() == 0 {
        return 1;
    }
    (table.len() + 1).min(context::MAX_JUMP_TABLE_SLOTS as u64) as u32
}
