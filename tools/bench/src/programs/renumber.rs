//! Programs in the opcode numbers of another version.

use tvm_isa::{GpVersion, Op, Program};

/// A program, taken apart.
#[derive(Clone, Default)]
pub struct Parts {
    pub code: Vec<u8>,
    /// Where instructions start, in order.
    pub starts: Vec<usize>,
    /// Where jumps through the jump table go.
    pub table: Vec<u32>,
}

/// The number of an operation, if a version has it.
pub fn number(version: GpVersion, op: Op) -> Option<u8> {
    (0..=u8::MAX).find(|&number| version.rules().opcodes[usize::from(number)] == Some(op))
}

impl Parts {
    /// The parts of a program, in the numbers of version `to`. What only one version has is replaced by something that
    /// compilers treat much alike; a program that may run on at its end gets a trap there.
    pub fn of(program: &Program<'_>, from: GpVersion, to: GpVersion) -> Option<Self> {
        let mut code = program.code().to_vec();
        let mut starts = Vec::new();
        let mut last = None;
        for mark in program.marks() {
            let op = match program.op_at(from.rules(), mark.pc) {
                Some(Op::Sbrk) if from != to => Op::Ecalli,
                Some(Op::Unlikely) if from != to => Op::Fallthrough,
                Some(op) => op,
                None => Op::Trap,
            };
            code[mark.pc.0 as usize] = number(to, op)?;
            starts.push(mark.pc.0 as usize);
            last = Some(op);
        }
        if !matches!(last, Some(Op::Trap | Op::Jump | Op::JumpInd | Op::LoadImmJump | Op::LoadImmJumpInd)) {
            starts.push(code.len());
            code.push(number(to, Op::Trap)?);
        }
        let table = program.jump_table();
        let table = (0..table.len()).map(|index| table.get(index).unwrap_or_default() as u32).collect();
        Some(Self { code, starts, table })
    }

    /// Puts another program behind this one. Its branches are relative; its dynamic jumps go wrong, if it is ever run.
    pub fn append(&mut self, other: &Self) {
        let at = self.code.len();
        self.code.extend(&other.code);
        self.starts.extend(other.starts.iter().map(|start| start + at));
        self.table.extend(other.table.iter().map(|entry| entry + at as u32));
    }

    /// The program blob.
    pub fn blob(&self) -> Vec<u8> {
        super::blob(&self.code, |at| self.starts.binary_search(&at).is_ok(), &self.table)
    }
}
