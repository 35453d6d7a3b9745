//! Programs written in Rust: instructions and labels in, a program blob out.
//!
//! Immediates take as few bytes as they can, jump offsets always four, so that labels may come later. What is put
//! together is not checked: tests also want programs that no compiler would make.

use tvm_isa::codec::encode_natural;
use tvm_isa::{Format, GpVersion, Op, OpcodeNumbers};

/// A place in a program. Made by [`Assembler::label`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(usize);

/// An instruction to be written. Fields that the operation's format does not have are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inst {
    /// The operation.
    pub op: Op,
    /// Register field A.
    pub a: u8,
    /// Register field B.
    pub b: u8,
    /// Register field D.
    pub d: u8,
    /// First immediate; of the formats that only have a jump offset, that offset unless there is a target.
    pub x: i64,
    /// Second immediate; of the formats with an immediate and a jump offset, that offset unless there is a target.
    pub y: i64,
    /// Where it jumps.
    pub target: Option<Label>,
}

impl Inst {
    /// An instruction whose fields are all zero.
    #[must_use]
    pub fn new(op: Op) -> Self {
        Self { op, a: 0, b: 0, d: 0, x: 0, y: 0, target: None }
    }

    /// With register A and the first immediate.
    #[must_use]
    pub fn imm(op: Op, a: u8, x: i64) -> Self {
        Self { a, x, ..Self::new(op) }
    }

    /// With registers A and B and the first immediate.
    #[must_use]
    pub fn two(op: Op, a: u8, b: u8, x: i64) -> Self {
        Self { a, b, x, ..Self::new(op) }
    }

    /// With destination and sources.
    #[must_use]
    pub fn three(op: Op, d: u8, a: u8, b: u8) -> Self {
        Self { a, b, d, ..Self::new(op) }
    }

    /// The same with a jump target.
    #[must_use]
    pub fn to(self, target: Label) -> Self {
        Self { target: Some(target), ..self }
    }
}

/// Collects the parts of a program.
#[derive(Clone, Debug)]
pub struct Assembler {
    numbers: &'static OpcodeNumbers,
    code: Vec<u8>,
    starts: Vec<usize>,
    labels: Vec<Option<usize>>,
    /// Four bytes at the first position, to hold the distance of the label from the second.
    offsets: Vec<(usize, usize, Label)>,
    table: Vec<Label>,
}

impl Assembler {
    /// An empty program with the opcode numbers of `version`.
    #[must_use]
    pub fn new(version: GpVersion) -> Self {
        Self {
            numbers: version.rules().opcodes,
            code: Vec::new(),
            starts: Vec::new(),
            labels: Vec::new(),
            offsets: Vec::new(),
            table: Vec::new(),
        }
    }

    /// A label without a place.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label here.
    pub fn bind(&mut self, label: Label) -> &mut Self {
        self.labels[label.0] = Some(self.code.len());
        self
    }

    /// A label that is here.
    pub fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// The program counter of the next instruction.
    #[must_use]
    pub fn pc(&self) -> u32 {
        self.code.len() as u32
    }

    /// Appends an instruction; gives its program counter.
    ///
    /// # Panics
    /// When the version has no such operation.
    pub fn push(&mut self, inst: Inst) -> u32 {
        let Inst { op, a, b, d, x, y, target } = inst;
        let start = self.code.len();
        self.starts.push(start);
        let number = self.numbers.iter().position(|known| *known == Some(op));
        self.code.push(number.unwrap_or_else(|| panic!("no {} in this version", op.name())) as u8);
        let (first, second) = (shortest(x), shortest(y));
        let len = first.len() as u8;
        let registers = a | b << 4;
        match op.info().format {
            Format::None => {}
            Format::Imm => self.code.extend(first),
            Format::RegImm64 => {
                self.code.push(a);
                self.code.extend(x.to_le_bytes());
            }
            Format::ImmImm => {
                self.code.push(len);
                self.code.extend(first.into_iter().chain(second));
            }
            Format::Offset => self.offset(start, x, target),
            Format::RegImm => {
                self.code.push(a);
                self.code.extend(first);
            }
            Format::RegImmImm => {
                self.code.push(a | len << 4);
                self.code.extend(first.into_iter().chain(second));
            }
            Format::RegImmOffset => {
                self.code.push(a | len << 4);
                self.code.extend(first);
                self.offset(start, y, target);
            }
            Format::RegReg => self.code.push(d | a << 4),
            Format::RegRegImm => {
                self.code.push(registers);
                self.code.extend(first);
            }
            Format::RegRegOffset => {
                self.code.push(registers);
                self.offset(start, x, target);
            }
            Format::RegRegImmImm => {
                self.code.extend([registers, len]);
                self.code.extend(first.into_iter().chain(second));
            }
            Format::RegRegReg => self.code.extend([registers, d]),
        }
        start as u32
    }

    fn offset(&mut self, start: usize, distance: i64, target: Option<Label>) {
        if let Some(target) = target {
            self.offsets.push((self.code.len(), start, target));
        }
        self.code.extend((distance as i32).to_le_bytes());
    }

    /// Appends an operation without operands.
    pub fn op(&mut self, op: Op) -> u32 {
        self.push(Inst::new(op))
    }

    /// Appends `load_imm`, or `load_imm_64` where the value needs it.
    pub fn set(&mut self, register: u8, value: u64) -> u32 {
        let op = if i32::try_from(value as i64).is_ok() { Op::LoadImm } else { Op::LoadImm64 };
        self.push(Inst::imm(op, register, value as i64))
    }

    /// Appends a host call.
    pub fn ecalli(&mut self, id: i64) -> u32 {
        self.push(Inst { x: id, ..Inst::new(Op::Ecalli) })
    }

    /// Appends the jump that ends a program well: to the address in register 0 at the start of one.
    pub fn halt(&mut self) -> u32 {
        self.set(0, tvm_isa::layout::HALT_ADDRESS.into());
        self.push(Inst::imm(Op::JumpInd, 0, 0))
    }

    /// Makes these the entries of the dynamic jump table.
    pub fn jump_table(&mut self, entries: &[Label]) -> &mut Self {
        self.table = entries.to_vec();
        self
    }

    /// The code so far.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// Where instructions start.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The program blob.
    ///
    /// # Panics
    /// When a label has no place.
    #[must_use]
    pub fn blob(&self) -> Vec<u8> {
        let place = |label: Label| self.labels[label.0].expect("every label is bound");
        let mut code = self.code.clone();
        for &(at, from, target) in &self.offsets {
            let distance = place(target) as i64 - from as i64;
            code[at..at + 4].copy_from_slice(&(distance as i32).to_le_bytes());
        }
        let entries: Vec<u32> = self.table.iter().map(|&label| place(label) as u32).collect();
        blob(&code, &self.starts, &entries)
    }
}

/// A program blob of these parts: code, where its instructions start, and the jump table with entries of four bytes.
#[must_use]
pub fn blob(code: &[u8], starts: &[usize], table: &[u32]) -> Vec<u8> {
    let mut mask = vec![0; code.len().div_ceil(8)];
    starts.iter().for_each(|start| mask[start / 8] |= 1 << (start % 8));
    let mut blob = Vec::with_capacity(table.len() * 4 + code.len() + mask.len() + 16);
    encode_natural(table.len() as u64, &mut blob);
    blob.push(4);
    encode_natural(code.len() as u64, &mut blob);
    table.iter().for_each(|entry| blob.extend(entry.to_le_bytes()));
    blob.extend(code);
    blob.extend(mask);
    blob
}

/// Contents and sizes of a standard program around a blob.
#[derive(Clone, Copy, Default, Debug)]
pub struct Memory<'a> {
    /// Read-only data.
    pub ro: &'a [u8],
    /// Read-write data.
    pub rw: &'a [u8],
    /// Zeroed pages behind it.
    pub heap_pages: u16,
    /// Bytes of stack.
    pub stack: u32,
}

/// A standard program (GP A.7).
#[must_use]
pub fn standard(memory: Memory<'_>, blob: &[u8]) -> Vec<u8> {
    let Memory { ro, rw, heap_pages, stack } = memory;
    let mut out = Vec::new();
    out.extend(&(ro.len() as u32).to_le_bytes()[..3]);
    out.extend(&(rw.len() as u32).to_le_bytes()[..3]);
    out.extend(heap_pages.to_le_bytes());
    out.extend(&stack.to_le_bytes()[..3]);
    out.extend(ro);
    out.extend(rw);
    out.extend((blob.len() as u32).to_le_bytes());
    out.extend(blob);
    out
}

/// The fewest bytes, at most four, that sign-extend to the value. Wider values lose their upper half.
fn shortest(value: i64) -> Vec<u8> {
    let value = value as i32;
    let bits = 33 - if value < 0 { (!value).leading_zeros() } else { value.leading_zeros() };
    let len = if value == 0 { 0 } else { bits.div_ceil(8) };
    value.to_le_bytes()[..len as usize].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tvm_isa::{Instruction, Pc, Program};

    #[test]
    fn immediates_are_as_short_as_they_can_be() {
        let lengths = [(0, 0), (1, 1), (-1, 1), (127, 1), (128, 2), (-128, 1), (-129, 2), (32767, 2), (32768, 3)];
        for (value, len) in lengths.into_iter().chain([(i32::MAX.into(), 4), (i32::MIN.into(), 4), (1 << 23, 4)]) {
            assert_eq!(shortest(value).len(), len, "{value}");
        }
    }

    #[test]
    fn what_is_written_decodes_to_the_same() {
        let rules = GpVersion::V0_8_0.rules();
        for op in rules.opcodes.iter().flatten().copied() {
            for x in [0, 1, -1, 127, 128, -129, i64::from(i32::MAX), i64::from(i32::MIN)] {
                let mut asm = Assembler::new(GpVersion::V0_8_0);
                let inst = Inst { op, a: 3, b: 12, d: 7, x, y: -x / 2, target: None };
                asm.push(inst);
                asm.op(Op::Trap);
                let blob = asm.blob();
                let program = Program::parse(&blob).unwrap();
                let found = Instruction::decode(&program, rules, Pc(0));
                assert_eq!(found.op, op);
                let (x, y) = (x as u64, (-x / 2) as u64);
                let (a, b, d) = (found.a.index(), found.b.index(), found.d.index());
                match op.info().format {
                    Format::None => {}
                    Format::Imm | Format::Offset => assert_eq!(found.x, x),
                    Format::RegImm64 | Format::RegImm => assert_eq!((a, found.x), (3, x)),
                    Format::ImmImm => assert_eq!((found.x, found.y), (x, y)),
                    Format::RegImmImm | Format::RegImmOffset => assert_eq!((a, found.x, found.y), (3, x, y)),
                    Format::RegReg => assert_eq!((d, a), (7, 3)),
                    Format::RegRegImm | Format::RegRegOffset => assert_eq!((a, b, found.x), (3, 12, x)),
                    Format::RegRegImmImm => assert_eq!((a, b, found.x, found.y), (3, 12, x, y)),
                    Format::RegRegReg => assert_eq!((d, a, b), (7, 3, 12)),
                }
            }
        }
    }
}
