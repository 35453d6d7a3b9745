//! What the tests of this folder share: where the vectors are, a random number generator, and program builders.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::PathBuf;

use tvm_isa::codec::encode_natural;
use tvm_isa::{Format, GpVersion, OPERATIONS, Op};

/// The folder `part` of the conformance vectors: below `TVM_VECTORS`, by default beside the workspace.
///
/// Without it the test that asks passes with a note, except where `CI=true`: there the vectors must be present.
pub fn vectors(part: &str) -> Option<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = std::env::var_os("TVM_VECTORS").map_or(workspace.join("../shared/vectors"), PathBuf::from);
    let folder = root.join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!in_ci, "no vectors in {}: set TVM_VECTORS to the vectors folder", folder.display());
    eprintln!("skipped: no vectors in {}; set TVM_VECTORS to the vectors folder", folder.display());
    None
}

/// Files of `folder` with one of these extensions, sorted by name.
pub fn files(folder: &std::path::Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("directory entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted)));
    files.sort();
    files
}

/// The SplitMix64 generator: small, seedable, good enough for tests.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// Builds a program blob from code, the positions it marks, and a jump table with entries of `entry_size` bytes.
pub fn blob_with_table(code: &[u8], marked: &[usize], table: &[u64], entry_size: u8) -> Vec<u8> {
    let mut blob = Vec::new();
    encode_natural(table.len() as u64, &mut blob);
    blob.push(entry_size);
    encode_natural(code.len() as u64, &mut blob);
    for entry in table {
        blob.extend(&entry.to_le_bytes()[..usize::from(entry_size)]);
    }
    blob.extend(code);
    let mut mask = vec![0; code.len().div_ceil(8)];
    for at in marked {
        mask[at / 8] |= 1 << (at % 8);
    }
    blob.extend(mask);
    blob
}

/// Builds a program blob without jump table.
pub fn blob(code: &[u8], marked: &[usize]) -> Vec<u8> {
    blob_with_table(code, marked, &[], 0)
}

/// Puts instructions one after the other and marks where they start.
#[derive(Default)]
pub struct Builder {
    pub code: Vec<u8>,
    pub marked: Vec<usize>,
}

impl Builder {
    pub fn push(&mut self, instruction: &[u8]) {
        self.marked.push(self.code.len());
        self.code.extend(instruction);
    }

    pub fn blob(&self) -> Vec<u8> {
        blob(&self.code, &self.marked)
    }
}

/// The opcode number of `op` in `version`.
pub fn number(version: GpVersion, op: Op) -> Option<u8> {
    (0..=255).find(|&number| version.rules().opcodes[usize::from(number)] == Some(op))
}

/// Operand bytes of a plausible length for `format`, with random contents.
pub fn random_operands(rng: &mut Rng, format: Format) -> Vec<u8> {
    let immediate = rng.below(5) as usize;
    let len = match format {
        Format::None => 0,
        Format::Imm | Format::Offset => immediate,
        Format::RegImm64 => 9,
        Format::RegReg => 1,
        Format::RegRegReg => 2,
        Format::RegImm | Format::RegRegImm | Format::RegRegOffset => 1 + immediate,
        Format::ImmImm | Format::RegImmImm | Format::RegImmOffset => 1 + immediate + rng.below(5) as usize,
        Format::RegRegImmImm => 2 + immediate + rng.below(5) as usize,
    };
    rng.bytes(len)
}

/// Appends a block: `len` random operations of `version` that satisfy `wanted`, and a random terminator.
pub fn random_block(rng: &mut Rng, builder: &mut Builder, version: GpVersion, len: usize, wanted: impl Fn(Op) -> bool) {
    let exists = |op: Op| number(version, op).is_some();
    let inner: Vec<_> = OPERATIONS.iter().filter(|o| !o.terminates_block && exists(o.op) && wanted(o.op)).collect();
    let ends: Vec<_> = OPERATIONS.iter().filter(|o| o.terminates_block && exists(o.op)).collect();
    for at in 0..=len {
        let operation = *rng.pick(if at == len { &ends } else { &inner });
        let mut bytes = vec![number(version, operation.op).expect("exists")];
        bytes.extend(random_operands(rng, operation.format));
        builder.push(&bytes);
    }
}

/// Code and marks without any plan: random bytes, every bit of the mask set with a random chance.
pub fn random_soup(rng: &mut Rng, max_len: u64) -> Vec<u8> {
    let len = rng.below(max_len) as usize;
    let code = rng.bytes(len);
    let chance = 1 + rng.below(40);
    let marked: Vec<usize> = (0..len).filter(|_| rng.below(chance) == 0).collect();
    blob(&code, &marked)
}
