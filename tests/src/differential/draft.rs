//! A program under construction: code, where its instructions and blocks start, and offsets that are filled in at the end.

use fastrand::Rng;
use tvm_isa::{Format, GpVersion};

use crate::assemble::{Assembler, Inst};

/// Code, bitmask and jump table.
pub type Parts = (Vec<u8>, Vec<u8>, Table);

/// A jump table.
pub struct Table {
    /// Bytes of each entry.
    pub size: u8,
    /// Its entries.
    pub targets: Vec<u64>,
}

/// A program so far.
pub struct Draft {
    /// The code.
    pub code: Vec<u8>,
    starts: Vec<usize>,
    /// Where offsets were written, of how many bytes and from where they count.
    offsets: Vec<(usize, usize, usize)>,
    blocks: Vec<usize>,
}

/// A branch that leads nowhere yet.
pub struct Ahead {
    from: usize,
    at: usize,
}

impl Draft {
    /// No code.
    pub fn new() -> Self {
        Self { code: Vec::new(), starts: Vec::new(), offsets: Vec::new(), blocks: vec![0] }
    }

    /// Marks the place as the start of an instruction.
    pub fn start(&mut self) {
        self.starts.push(self.code.len());
    }

    /// Marks the place as the start of a block.
    pub fn block(&mut self) {
        self.blocks.push(self.code.len());
    }

    /// Leaves room for an offset that counts from `from`. Two bytes reach everything in programs of this length.
    pub fn offset(&mut self, from: usize) {
        self.offsets.push((self.code.len(), 2, from));
        self.code.extend([0, 0]);
    }

    /// Appends an instruction; jumps go somewhere.
    pub fn push(&mut self, version: GpVersion, inst: Inst) {
        let from = self.code.len();
        self.append(version, inst);
        if matches!(inst.op.info().format, Format::Offset | Format::RegImmOffset | Format::RegRegOffset) {
            self.offsets.push((self.code.len() - 4, 4, from));
        }
    }

    /// Appends a branch to `target`.
    pub fn branch_to(&mut self, version: GpVersion, branch: Inst, target: usize) {
        let branch = self.branch_ahead(version, branch);
        self.lead(branch, target);
    }

    /// Appends a branch to a place that comes later: where [`Self::land`] is called.
    pub fn branch_ahead(&mut self, version: GpVersion, branch: Inst) -> Ahead {
        let from = self.code.len();
        self.append(version, branch);
        Ahead { from, at: self.code.len() - 4 }
    }

    /// Lets a branch lead here.
    pub fn land(&mut self, branch: Ahead) {
        self.lead(branch, self.code.len());
    }

    fn lead(&mut self, branch: Ahead, target: usize) {
        let offset = (target as i64 - branch.from as i64) as i32;
        self.code[branch.at..branch.at + 4].copy_from_slice(&offset.to_le_bytes());
    }

    fn append(&mut self, version: GpVersion, inst: Inst) {
        self.start();
        let mut asm = Assembler::new(version);
        asm.push(inst);
        self.code.extend(asm.code());
        if inst.op.terminates_block() {
            self.block();
        }
    }

    /// The program, with offsets that lead to blocks, or, one in `wrong`, to any instruction.
    pub fn finish(self, rng: &mut Rng, wrong: u8) -> Parts {
        let Self { mut code, starts, offsets, mut blocks } = self;
        blocks.retain(|&block| block < code.len());
        for (at, size, from) in offsets {
            let pool: &[usize] = if rng.u8(0..wrong) == 0 { &starts } else { &blocks };
            let offset = (pool[rng.usize(0..pool.len())] as i64 - from as i64).to_le_bytes();
            code[at..at + size].copy_from_slice(&offset[..size]);
        }
        let mut mask = vec![0; code.len().div_ceil(8)];
        starts.iter().for_each(|start| mask[start / 8] |= 1 << (start % 8));
        let entries = rng.usize(0..8);
        let size = rng.u8(1..5);
        let pool = if rng.u8(0..4) == 0 { &starts } else { &blocks };
        let targets = (0..entries).map(|_| pool[rng.usize(0..pool.len())] as u64).collect();
        (code, mask, Table { size, targets })
    }
}
