//! Walking a program's instructions and basic blocks in linear time (GP A.2 and A.3).
//!
//! [`Program::is_block_start`] answers for one position in constant time. Who needs the answer for many builds a
//! [`BlockStarts`], which takes one pass over the bitmask and one byte for eight positions.

use core::iter::FusedIterator;

use crate::instruction::Instruction;
use crate::opcode::{DEFINED, ENDS_BLOCK, ONLY_STOPS, STOPS};
use crate::program::{MAX_SKIP, Program};
use crate::units::Pc;
use crate::version::Rules;

/// Most bytes from an instruction to the next.
const GREATEST_LENGTH: u32 = MAX_SKIP as u32 + 1;

/// A position that the bitmask marks, and the length of what starts there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The marked position.
    pub pc: Pc,
    /// Bytes from it to the next instruction: 1 + skip, in 1..=25.
    pub length: u8,
}

/// The marked positions of a program in code order; made by [`Program::marks`].
#[derive(Clone, Debug)]
pub struct Marks<'a> {
    words: Words<'a>,
    /// The marked position to give next.
    next: Option<u32>,
}

/// Positions of the set bits of a bitmask, 64 at a time.
#[derive(Clone, Debug)]
struct Words<'a> {
    /// What is left of the bitmask.
    rest: &'a [u8],
    /// The bits of the current word that were not given yet.
    word: u64,
    /// The position that the current word's lowest bit stands for.
    base: u64,
    code_len: u32,
}

impl<'a> Program<'a> {
    /// All marked positions in code order, whether reachable or not, each with its length.
    ///
    /// The lengths are those that [`Program::skip`] gives. Lengths add up to the code's length unless the program has
    /// gaps: bytes before the first mark, and bytes more than [`MAX_SKIP`] behind a mark.
    #[must_use]
    pub fn marks(&self) -> Marks<'a> {
        let mut words = Words { rest: self.bitmask(), word: 0, base: 0, code_len: self.code_len() };
        words.load();
        let next = words.next();
        Marks { words, next }
    }

    /// The instructions from `start` on, up to the first that ends a basic block; that is the rest of a block, or all of
    /// it if `start` is a block start. Positions that start no instruction are traps, as in [`Instruction::decode`], so
    /// there always is an end.
    pub fn block(&self, rules: &Rules, start: Pc) -> impl Iterator<Item = Instruction> {
        let mut next = Some(start);
        core::iter::from_fn(move || {
            let instruction = Instruction::decode(self, rules, next?);
            next = if instruction.op.terminates_block() { None } else { Some(instruction.next_pc()) };
            Some(instruction)
        })
    }

    /// The start of the block that contains `pc` (GP 0.8.0, A.4: 𝔏(ı)): the greatest block start not after `pc`. There
    /// is none when the bytes before `pc` hold no block start, as in a program whose first position is unmarked.
    ///
    /// Takes time linear in the distance; [`BlockStarts::block_start_of`] is the form for many questions.
    #[must_use]
    pub fn block_start_of(&self, rules: &Rules, pc: Pc) -> Option<Pc> {
        let last = pc.0.min(self.code_len().checked_sub(1)?);
        (0..=last).rev().find(|&at| self.is_block_start(rules, u64::from(at))).map(Pc)
    }
}

impl Words<'_> {
    /// Takes the next word of the bitmask.
    fn load(&mut self) {
        if let Some((eight, rest)) = self.rest.split_first_chunk::<8>() {
            self.word = u64::from_le_bytes(*eight);
            self.rest = rest;
        } else {
            self.word = self.rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.rest = &[];
        }
    }

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.word == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.base += 64;
            self.load();
        }
        let at = self.base + u64::from(self.word.trailing_zeros());
        self.word &= self.word - 1;
        Some(at as u32)
    }
}

impl Iterator for Marks<'_> {
    type Item = Mark;

    #[inline]
    fn next(&mut self) -> Option<Mark> {
        let pc = self.next?;
        self.next = self.words.next();
        // Past the end of the code the mask continues with ones (GP A.2).
        let end = self.next.unwrap_or(self.words.code_len);
        Some(Mark { pc: Pc(pc), length: (end - pc).min(u32::from(MAX_SKIP) + 1) as u8 })
    }
}

impl FusedIterator for Marks<'_> {}

/// The set of a program's block starts (GP A.3: ϖ), one bit for each position of the code.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BlockStarts {
    bits: Vec<u64>,
    code_len: u32,
}

/// The marked positions behind which execution may go on elsewhere than at the next mark: where a block ends, where
/// the host is called, where nothing is defined, and before a gap between marks.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stops {
    bits: Vec<u64>,
    has_gaps: bool,
}

/// Instructions that follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// The last of them, which is a stop.
    pub last: Pc,
    /// How many they are.
    pub instructions: u32,
}

/// What ends where, in a word of the bitmask.
struct Ends {
    /// The marks whose instructions end blocks.
    blocks: u64,
    /// The marks that are stops, whatever follows them.
    stops: u64,
    /// The marks at which nothing is defined.
    undefined: u64,
}

impl Ends {
    #[inline(always)]
    fn among(marks: u64, program: &Program<'_>, rules: &Rules, word: usize) -> Self {
        let code = &program.code()[64 * word..];
        let Some(whole) = code.first_chunk::<64>() else { return Self::one_by_one(marks, code, rules) };
        let (mut stops, mut all, mut rest) = (0, 0, marks);
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            let flow = rules.flow[usize::from(whole[bit as usize & 63])];
            stops |= u64::from(flow / STOPS) << bit;
            all |= flow;
        }
        // Nearly all stops end blocks.
        if all & ONLY_STOPS == 0 {
            return Self { blocks: stops, stops, undefined: 0 };
        }
        Self::one_by_one(marks, code, rules)
    }

    #[cold]
    fn one_by_one(mut marks: u64, code: &[u8], rules: &Rules) -> Self {
        let (mut blocks, mut stops, mut undefined) = (0, 0, 0);
        while marks != 0 {
            let bit = marks.trailing_zeros();
            marks &= marks - 1;
            let flow = rules.flow[usize::from(code[bit as usize])];
            blocks |= u64::from(flow & ENDS_BLOCK != 0) << bit;
            stops |= u64::from(flow & STOPS != 0) << bit;
            undefined |= u64::from(flow & DEFINED == 0) << bit;
        }
        Self { blocks, stops, undefined }
    }
}

/// Whether there may be a gap before one of a word's marks, the last before which is `distance` before the word.
#[inline]
fn may_have_gap(marks: u64, distance: u32) -> bool {
    // What is reached from a mark by up to 15 bytes. Few instructions are longer.
    let mut reached = marks;
    for bytes in [1, 2, 4, 8] {
        reached |= reached << bytes;
    }
    let first = marks.trailing_zeros();
    let before_first = marks.wrapping_sub(1) & !marks;
    (reached | before_first) != u64::MAX || distance.wrapping_add(first) > GREATEST_LENGTH
}

impl Stops {
    /// Whether there may be a stop because of a gap behind it: there is a gap in front of a mark.
    #[must_use]
    #[inline]
    pub fn has_gaps(&self) -> bool {
        self.has_gaps
    }

    /// Bytes of memory that the set takes.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }

    /// Words of the set that are looked at for one stretch.
    const WORDS: usize = 64;

    /// Most instructions in a stretch.
    pub const MAX_INSTRUCTIONS: u32 = 1024;

    /// The instructions from `start` on, up to the first stop. `None` if `start` is not marked, if there is no stop among
    /// about the next four thousand positions, or if they are more than [`Self::MAX_INSTRUCTIONS`]. Takes no time for each instruction.
    #[must_use]
    #[inline]
    pub fn stretch(&self, program: &Program<'_>, start: Pc) -> Option<Stretch> {
        self.short_stretch(program, start).or_else(|| self.long_stretch(program, start))
    }

    /// The same if there are less than 58 positions, as there mostly are, and none near to the end of the code.
    #[inline(always)]
    fn short_stretch(&self, program: &Program<'_>, start: Pc) -> Option<Stretch> {
        let shift = start.0 % 64;
        let marks = u64::from_le_bytes(*program.bitmask().get(start.0 as usize / 8..)?.first_chunk()?) >> (start.0 % 8);
        let [here, next] = *self.bits.get(start.0 as usize / 64..)?.first_chunk()?;
        let stops = (here >> shift | next << 1 << (63 - shift)) & (u64::MAX >> 7);
        if marks & 1 == 0 || stops == 0 {
            return None;
        }
        let instructions = (marks & (stops ^ (stops - 1))).count_ones();
        Some(Stretch { last: Pc(start.0 + stops.trailing_zeros()), instructions })
    }

    #[cold]
    fn long_stretch(&self, program: &Program<'_>, start: Pc) -> Option<Stretch> {
        let (first, shift) = (start.0 as usize / 64, start.0 % 64);
        // 64 positions at a time.
        let stops_at = |word: usize| self.bits.get(word).copied().unwrap_or(0);
        let from_start = |here: u64, next: u64| here >> shift | next << 1 << (63 - shift);
        let mut marks = from_start(program.mark_word(first), program.mark_word(first + 1));
        let mut stops = from_start(*self.bits.get(first)?, stops_at(first + 1));
        if marks & 1 == 0 {
            return None;
        }
        let (mut at, mut instructions) = (start.0, 0);
        for word in first + 1..=first + Self::WORDS {
            if stops != 0 {
                let up_to_stop = stops ^ (stops - 1);
                let last = Pc(at + stops.trailing_zeros());
                instructions += (marks & up_to_stop).count_ones();
                return (instructions <= Self::MAX_INSTRUCTIONS).then_some(Stretch { last, instructions });
            }
            instructions += marks.count_ones();
            at += 64;
            marks = from_start(program.mark_word(word), program.mark_word(word + 1));
            stops = from_start(*self.bits.get(word)?, stops_at(word + 1));
        }
        None
    }
}

impl BlockStarts {
    /// Finds all block starts in one pass over the program.
    #[must_use]
    pub fn new(program: &Program<'_>, rules: &Rules) -> Self {
        Self::with_stops(program, rules).0
    }

    /// Finds all block starts and, in the same pass, the [`Stops`].
    #[must_use]
    pub fn with_stops(program: &Program<'_>, rules: &Rules) -> (Self, Stops) {
        let mut found = (Self::default(), Stops::default());
        found.0.find(&mut found.1, program, rules);
        found
    }

    /// The same into sets that are there already, in the memory that they have.
    pub fn find(&mut self, stops: &mut Stops, program: &Program<'_>, rules: &Rules) {
        let words = program.code().len().div_ceil(64);
        let Stops { bits: stops, has_gaps } = stops;
        let starts = &mut self.bits;
        *has_gaps = false;
        self.code_len = program.code_len();
        starts.clear();
        starts.reserve(words);
        stops.clear();
        stops.reserve(words);
        // It is as if the instruction of greatest length before position 0 ended a block.
        let mut ended = true;
        let mut before = 0_u32.wrapping_sub(GREATEST_LENGTH);
        for word in 0..words {
            let marks = program.mark_word(word);
            let Ends { blocks, stops: stops_here, undefined } = Ends::among(marks, program, rules, word);
            // The next mark behind each end: adding it to the positions without marks carries to there, and from one word to the
            // next.
            let (sum, carries) = (!marks).overflowing_add(blocks << 1 | u64::from(ended));
            ended = carries || blocks >> 63 != 0;
            starts.push(sum & marks & !undefined);
            stops.push(stops_here);
            let base = (64 * word) as u32;
            if may_have_gap(marks, base.wrapping_sub(before)) {
                *has_gaps |= Self::part_at_gaps(starts, stops, marks, before);
            }
            if marks != 0 {
                before = base + marks.ilog2();
            }
        }
    }

    /// Corrects the last word, of which these are the marks: a trap follows the mark before each gap. Tells whether there is one.
    #[cold]
    fn part_at_gaps(starts: &mut [u64], stops: &mut [u64], mut marks: u64, mut before: u32) -> bool {
        let word = starts.len() - 1;
        let mut found = false;
        while marks != 0 {
            let bit = marks.trailing_zeros();
            marks &= marks - 1;
            let pc = (64 * word) as u32 + bit;
            if pc.wrapping_sub(before) > GREATEST_LENGTH {
                found = true;
                starts[word] &= !(1 << bit);
                if let Some(stops) = stops.get_mut(before as usize / 64) {
                    *stops |= 1 << (before % 64);
                }
            }
            before = pc;
        }
        found
    }

    /// Bytes of memory that the set takes.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }

    /// The set's bits: bit i of word w says whether a block starts at 64·w + i.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.bits
    }

    /// Whether a block starts at `target` (GP: target ∈ ϖ); the same answer as [`Program::is_block_start`].
    #[must_use]
    #[inline]
    pub fn contains(&self, target: u64) -> bool {
        target < u64::from(self.code_len) && self.bits[(target / 64) as usize] >> (target % 64) & 1 != 0
    }

    /// The start of the block that contains `pc` (GP 0.8.0, A.4: 𝔏(ı)): the greatest block start not after `pc`. Any
    /// `pc` past the code counts as its last position.
    #[must_use]
    pub fn block_start_of(&self, pc: Pc) -> Option<Pc> {
        let last = pc.0.min(self.code_len.checked_sub(1)?);
        let word = last as usize / 64;
        let up_to_last = self.bits[word] & (u64::MAX >> (63 - last % 64));
        let words_before = self.bits[..word].iter().copied().enumerate().rev();
        let (word, bits) = core::iter::once((word, up_to_last)).chain(words_before).find(|&(_, bits)| bits != 0)?;
        Some(Pc((word * 64) as u32 + bits.ilog2()))
    }

    /// Number of blocks.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    /// The block starts in code order.
    pub fn iter(&self) -> impl Iterator<Item = Pc> + '_ {
        let mut words = self.bits.iter();
        let mut bits = 0_u64;
        // Where the word after the current one begins.
        let mut end = 0;
        core::iter::from_fn(move || {
            while bits == 0 {
                bits = *words.next()?;
                end += 64;
            }
            let pc = end - 64 + bits.trailing_zeros();
            bits &= bits - 1;
            Some(Pc(pc))
        })
    }
}
