//! How large an object a hostile program can make: linear in its length, and at most so much per byte.
//!
//! The worst programs are searched for, not guessed: code of one byte only, as every byte marked an instruction is the
//! densest a program can be, for every byte there is.

use std::fmt;

use tvm_abi::{CpuFeatures, Tier};
use tvm_compiler::{CompileError, CompileOptions, MAX_CODE_BYTES, compile};
use tvm_isa::codec::encode_natural;
use tvm_isa::{Container, GpVersion};

/// Most object bytes for each byte of code. The README's table promises it.
const MAX_BYTES_PER_CODE_BYTE: f64 = 140.0;

/// Most object bytes for each entry of the dynamic jump table, besides the table itself.
const MAX_BYTES_PER_TABLE_ENTRY: f64 = 4.0;

/// Bytes of an object whatever its program: headers, and what is filled up to pages.
const FIXED_BYTES: f64 = 24.0 * 1024.0;

/// What programs are compiled for.
const TARGETS: [(GpVersion, CpuFeatures, Tier); 8] = [
    (GpVersion::V0_7_2, CpuFeatures::V3, Tier::Fast),
    (GpVersion::V0_7_2, CpuFeatures::BASELINE, Tier::Fast),
    (GpVersion::V0_8_0, CpuFeatures::V3, Tier::Fast),
    (GpVersion::V0_8_0, CpuFeatures::BASELINE, Tier::Fast),
    (GpVersion::V0_7_2, CpuFeatures::V3, Tier::Best),
    (GpVersion::V0_7_2, CpuFeatures::BASELINE, Tier::Best),
    (GpVersion::V0_8_0, CpuFeatures::V3, Tier::Best),
    (GpVersion::V0_8_0, CpuFeatures::BASELINE, Tier::Best),
];

/// A program made of one pattern. Its last byte is a trap, so that every version takes it.
#[derive(Clone, Debug)]
struct Pattern {
    /// Repeated code bytes.
    code: Vec<u8>,
    /// Distance of instructions.
    step: usize,
    /// Jump table entries for each code byte, all to the program's start.
    table: usize,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, step, table } = self;
        write!(f, "code {code:?}, an instruction every {step} bytes, {table} jump table entries per byte")
    }
}

struct Sample {
    blob: Vec<u8>,
    container: Container,
    code: usize,
    table: usize,
}

impl Pattern {
    fn of_bytes(byte: u8, step: usize) -> Self {
        Self { code: vec![byte], step, table: 0 }
    }

    /// The program with about this much code.
    fn sample(&self, len: usize) -> Sample {
        let len = len / self.step * self.step + 1;
        let code = self.code.iter().copied().cycle().take(len - 1).collect();
        Sample::new(code, (0..len).step_by(self.step), (self.table * len).max(1))
    }
}

impl Sample {
    /// A program of this code and a trap, with instructions at `starts`, and so many entries in its jump table.
    fn new(mut code: Vec<u8>, starts: impl Iterator<Item = usize>, table: usize) -> Self {
        code.push(0);
        let mut mask = vec![0; code.len().div_ceil(8)];
        starts.chain([code.len() - 1]).for_each(|at| mask[at / 8] |= 1 << (at % 8));
        let mut blob = Vec::new();
        encode_natural(table as u64, &mut blob);
        blob.push(1);
        encode_natural(code.len() as u64, &mut blob);
        blob.resize(blob.len() + table, 0);
        let len = code.len();
        blob.extend(code);
        blob.extend(mask);
        Self { blob, container: Container::Raw, code: len, table }
    }

    /// Loops, one behind the other, of `blocks` times `turn` instructions of one byte and a branch: the last one back, all others out of
    /// the loop.
    fn of_loops(byte: u8, turn: usize, blocks: usize, len: usize) -> Self {
        /// `branch_eq_imm`, 0.7.2 and 0.8.0.
        const BRANCH: u8 = 81;
        const BRANCH_BYTES: usize = 3;
        let mut code = Vec::new();
        let mut starts = Vec::new();
        while code.len() < len {
            let first = code.len();
            let end = first + blocks * (turn + BRANCH_BYTES);
            for block in 1..=blocks {
                starts.extend(code.len()..=code.len() + turn);
                code.extend(vec![byte; turn]);
                let target = if block == blocks { first } else { end };
                code.extend([BRANCH, 0, target.wrapping_sub(code.len()) as u8]);
            }
        }
        Self::new(code, starts.into_iter(), 1)
    }
}

impl Sample {
    /// Instructions of one byte and a dynamic jump, and jumps to them, one behind the other.
    fn of_tails(byte: u8, instructions: usize, len: usize) -> Self {
        /// `jump_ind` and `jump`, 0.7.2 and 0.8.0.
        const JUMPS: [u8; 2] = [50, 40];
        let mut code = vec![0];
        code.extend(vec![byte; instructions]);
        code.push(JUMPS[0]);
        let mut starts: Vec<usize> = (0..code.len()).collect();
        while code.len() < len {
            let distance = (1 - code.len() as i32).to_le_bytes();
            starts.push(code.len());
            code.push(JUMPS[1]);
            code.extend(&distance[..if code.len() > 120 { 2 } else { 1 }]);
        }
        Self::new(code, starts.into_iter(), 1)
    }
}

impl Sample {
    /// Loops, one behind the other, that count up to a constant, with `turn` instructions of one byte besides, as a service: such loops have
    /// most code there.
    fn of_counting_loops(byte: u8, turn: usize, by_register: bool, len: usize) -> Self {
        /// `add_imm_64 r12, r12, 1`, `add_32 r12, r12, r11`, and `branch_ne_imm r12, 5` but for where to, 0.7.2 and 0.8.0.
        const COUNTS: [[u8; 3]; 2] = [[149, 0xcc, 1], [190, 0xbc, 0xc]];
        const BRANCH: [u8; 3] = [82, 0x1c, 5];
        let mut code = vec![1];
        let mut starts = vec![0];
        while code.len() < len {
            let first = code.len();
            starts.extend(first..=first + turn);
            code.extend(vec![byte; turn]);
            code.extend(COUNTS[usize::from(by_register)]);
            starts.push(code.len());
            let back = first.wrapping_sub(code.len()) as u8;
            code.extend(BRANCH);
            code.push(back);
        }
        let mut sample = Self::new(code, starts.into_iter(), 1);
        // Lengths of read-only and writable data, heap pages, stack; the program's length.
        let mut service = vec![0; 3 + 3 + 2 + 3];
        service.extend((sample.blob.len() as u32).to_le_bytes());
        service.append(&mut sample.blob);
        Self { blob: service, container: Container::Standard, ..sample }
    }
}

impl Sample {
    /// A function that is called once, of nothing but instructions of one byte and dynamic jumps through the register that the caller leaves
    /// its address in.
    fn of_returns(byte: u8, instructions: usize, len: usize) -> Self {
        /// `load_imm_jump r0, 2, …`, to what comes behind it, and `jump_ind r0`, 0.7.2 and 0.8.0.
        const CALL: [u8; 4] = [80, 0x10, 2, 4];
        const JUMP: u8 = 50;
        let mut code = CALL.to_vec();
        let mut starts = vec![0];
        while code.len() < len {
            starts.extend(code.len()..=code.len() + instructions);
            code.extend(vec![byte; instructions]);
            code.push(JUMP);
        }
        Self::new(code, starts.into_iter(), 1)
    }
}

/// Length of the object; `None` if the version does not take the program.
fn object_len(sample: &Sample, (version, cpu, tier): (GpVersion, CpuFeatures, Tier)) -> Option<usize> {
    let options = CompileOptions { version, container: sample.container, cpu, tier };
    match compile(&sample.blob, [0; 32], options) {
        Ok(object) => Some(object.len()),
        Err(error) => {
            assert!(error.is_malformed(), "{error}");
            None
        }
    }
}

/// What the bound allows for a program.
fn allowed(sample: &Sample) -> f64 {
    let program = (sample.blob.len() - sample.code) as f64;
    FIXED_BYTES
        + program
        + MAX_BYTES_PER_CODE_BYTE * sample.code as f64
        + MAX_BYTES_PER_TABLE_ENTRY * sample.table as f64
}

fn check(pattern: &Pattern, target: (GpVersion, CpuFeatures, Tier), len: usize) -> Option<f64> {
    check_sample(&pattern.sample(len), pattern, target)
}

fn check_sample(sample: &Sample, what: impl fmt::Display, target: (GpVersion, CpuFeatures, Tier)) -> Option<f64> {
    let object = object_len(sample, target)?;
    let limit = allowed(sample);
    assert!(object as f64 <= limit, "{what} for {target:?}: {object} bytes, at most {limit} are promised");
    Some(object as f64 / sample.code as f64)
}

/// Dense code of every byte there is.
#[test]
fn no_byte_takes_more_than_the_bound() {
    const LEN: usize = 8 * 1024;
    let mut worst = (0.0, String::new());
    for target in TARGETS {
        for byte in 0..=255 {
            let pattern = Pattern::of_bytes(byte, 1);
            if let Some(ratio) = check(&pattern, target, LEN)
                && ratio > worst.0
            {
                worst = (ratio, format!("{pattern} for {target:?}"));
            }
        }
    }
    println!("worst: {:.1} bytes of object per byte of code: {}", worst.0, worst.1);
    // A bound far above what there is would say nothing. Names of symbols take a few bytes more in longer programs.
    assert!(worst.0 > MAX_BYTES_PER_CODE_BYTE * 0.9, "the bound can be lowered: {worst:?}");
}

/// Instructions of two to five bytes, gaps of all lengths, and tables as long as the program.
#[test]
fn no_other_shape_takes_more_than_the_bound() {
    const LEN: usize = 4 * 1024;
    let mut random = fastrand::Rng::with_seed(12);
    for target in TARGETS {
        for byte in 0..=255 {
            for step in [2, 3, 5, 25, 26] {
                check(&Pattern::of_bytes(byte, step), target, LEN);
            }
            check(&Pattern { table: 1, ..Pattern::of_bytes(byte, 1) }, target, LEN);
        }
        for _ in 0..200 {
            let code = (0..random.usize(2..9)).map(|_| random.u8(..)).collect();
            check(&Pattern { code, step: random.usize(1..4), table: random.usize(0..3) }, target, LEN);
        }
    }
}

/// Small loops, whose code best objects have several times.
#[test]
fn no_loop_takes_more_than_the_bound() {
    const LEN: usize = 2 * 1024;
    for target in TARGETS {
        for byte in 0..=255 {
            // Longer ones of several blocks are there once.
            let of_several = [(0, 2), (1, 2), (3, 2), (0, 4)];
            for (turn, blocks) in [0, 1, 2, 3, 5, 9, 20].map(|turn| (turn, 1)).into_iter().chain(of_several) {
                let what = format!("loops of {blocks} times {turn} times {byte}");
                check_sample(&Sample::of_loops(byte, turn, blocks, LEN), what, target);
            }
        }
    }
}

/// Loops that count, of which best objects have several turns in a row besides.
#[test]
fn no_counting_loop_takes_more_than_the_bound() {
    const LEN: usize = 2 * 1024;
    let mut worst = (0.0, String::new());
    for target in TARGETS.into_iter().filter(|&(_, _, tier)| tier == Tier::Best) {
        for byte in 0..=255 {
            let turns = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 20, 30];
            for (turn, by_register) in
                turns.map(|turn| (turn, false)).into_iter().chain([0, 1, 5].map(|turn| (turn, true)))
            {
                let what = format!("counting loops of {turn} times {byte}, by a register: {by_register}");
                let sample = Sample::of_counting_loops(byte, turn, by_register, LEN);
                let ratio = check_sample(&sample, &what, target);
                if let Some(ratio) = ratio.filter(|&ratio| ratio > worst.0) {
                    worst = (ratio, format!("{what} for {target:?}"));
                }
            }
        }
    }
    println!("worst: {:.1} bytes of object per byte of code: {}", worst.0, worst.1);
}

/// Jumps to few instructions, whose code best objects have in each jump's place.
#[test]
fn no_jumps_to_a_tail_take_more_than_the_bound() {
    const LEN: usize = 2 * 1024;
    for target in TARGETS {
        for byte in 0..=255 {
            for instructions in [0, 1, 2, 5, 20] {
                let what = format!("jumps to {instructions} times {byte}");
                check_sample(&Sample::of_tails(byte, instructions, LEN), what, target);
            }
        }
    }
}

/// Returns, which best objects compare with where they probably lead.
#[test]
fn no_returns_take_more_than_the_bound() {
    const LEN: usize = 2 * 1024;
    for target in TARGETS.into_iter().filter(|&(_, _, tier)| tier == Tier::Best) {
        for byte in 0..=255 {
            for instructions in [0, 1, 2, 3, 4, 5, 8] {
                let what = format!("returns behind {instructions} times {byte}");
                check_sample(&Sample::of_returns(byte, instructions, LEN), what, target);
            }
        }
    }
}

/// Twice the program, twice the object: for the worst programs of each kind.
#[test]
fn objects_grow_linearly() {
    let patterns = [
        ("fallthrough", Pattern::of_bytes(1, 1)),
        ("ecalli", Pattern::of_bytes(10, 1)),
        ("trap", Pattern::of_bytes(0, 1)),
        ("jump_ind", Pattern::of_bytes(50, 1)),
        ("branch_eq to itself", Pattern::of_bytes(170, 1)),
        ("branch_eq, three bytes", Pattern { code: vec![170, 0x21, 3], step: 3, table: 0 }),
        ("load_imm_jump_ind", Pattern::of_bytes(180, 1)),
        ("count_set_bits", Pattern::of_bytes(102, 1)),
        ("div_s_64", Pattern::of_bytes(204, 1)),
        ("load_u64", Pattern::of_bytes(130, 1)),
        ("gaps", Pattern::of_bytes(0, 26)),
        ("jump table", Pattern { table: 1, ..Pattern::of_bytes(1, 1) }),
    ];
    for (name, pattern) in patterns {
        for target in TARGETS {
            let lens = [1, 2, 4].map(|times| object_len(&pattern.sample(times * 32 * 1024), target));
            let [Some(one), Some(two), Some(four)] = lens else { continue };
            let (first, second) = ((two - one) as f64, (four - two) as f64);
            // Up to a few pages, and the digits that names get longer by.
            let slack = 3.0 * 4096.0 + first * 0.05;
            assert!((second - 2.0 * first).abs() <= slack, "{name} for {target:?}: {one}, {two}, {four} bytes");
        }
    }
}

/// The limit on code, at it and one past it.
#[test]
fn code_is_limited() {
    let empty = |len: usize| {
        let mut blob = vec![0, 0];
        encode_natural(len as u64, &mut blob);
        blob.resize(blob.len() + len + len.div_ceil(8), 0);
        blob
    };
    for tier in Tier::ALL {
        let (version, cpu) = (GpVersion::V0_7_2, CpuFeatures::BASELINE);
        let options = CompileOptions { version, container: Container::Raw, cpu, tier };
        assert!(compile(&empty(MAX_CODE_BYTES), [0; 32], options).is_ok());
        let error = compile(&empty(MAX_CODE_BYTES + 1), [0; 32], options).unwrap_err();
        assert_eq!(error, CompileError::CodeTooLong { found: MAX_CODE_BYTES + 1, limit: MAX_CODE_BYTES });
    }
}
