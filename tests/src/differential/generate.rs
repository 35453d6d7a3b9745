//! Generated programs: valid ones that compute, some as compilers write them, hostile ones of any bytes, and mutations of real ones.

use fastrand::Rng;
use tvm_isa::codec::encode_natural;
use tvm_isa::layout::HALT_ADDRESS;
use tvm_isa::{Format, GpVersion, OPERATIONS, Operation, Validation};

use super::case::{Case, OUTER_PAGES, Pages};
use super::draft::{Draft, Parts, Table};
use super::draw::Draw;

/// Code bytes of the longest generated program.
const MAX_CODE_BYTES: usize = 400;

/// Which pages are mapped, so that accesses at the ends of the others are likely. The last page of the address space is
/// among them: accesses there wrap.
const PAGES: [(u32, u32, bool); 5] =
    [(0x10, 1, true), (0x11, 1, false), (0x13, 2, true), (0xfeff0, 1, false), (0xfffff, 1, true)];

/// A kind of generated program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Well-formed code.
    Valid,
    /// Well-formed code with sequences that the optimiser looks for.
    Idioms,
    /// Any bytes, any bitmask, any jump table.
    Hostile,
    /// A real program with some bytes changed.
    Mutated,
}

/// Makes cases from a seed.
pub struct Generator {
    pub(super) rng: Rng,
    pub(super) version: GpVersion,
    operations: Vec<(u8, &'static Operation)>,
    /// Real program blobs to mutate.
    corpus: Vec<Vec<u8>>,
    /// Whether the case that is being made is an outer one.
    pub(super) outer: bool,
}

impl Draw for Generator {
    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}

impl Generator {
    /// A generator for one version; `corpus` holds program blobs to mutate.
    pub fn new(seed: u64, version: GpVersion, corpus: Vec<Vec<u8>>) -> Self {
        let numbers = version.rules().opcodes;
        let operations = (0..=255_u8)
            .filter_map(|number| numbers[usize::from(number)].map(|op| (number, &OPERATIONS[op as usize])))
            .collect();
        Self { rng: Rng::with_seed(seed), version, operations, corpus, outer: false }
    }

    /// The next case.
    pub fn case(&mut self) -> (Kind, Case) {
        self.outer = self.rng.bool();
        let validated = self.version.rules().validation == Validation::WholeProgram;
        let kind = match self.rng.u8(0..20) {
            0..2 if !self.corpus.is_empty() => Kind::Mutated,
            // Hostile bytes hardly ever pass a validation that looks at all of them.
            2..6 if !validated => Kind::Hostile,
            2 => Kind::Hostile,
            // Branches that lead nowhere are common among idioms; a version that validates refuses programs with one.
            _ if self.rng.bool() => Kind::Idioms,
            _ => Kind::Valid,
        };
        let (code, mask, table) = match kind {
            Kind::Valid => self.valid(None, 32),
            Kind::Idioms => {
                let registers = self.registers();
                self.valid(Some(&registers), if validated { 255 } else { 8 })
            }
            Kind::Hostile => self.hostile(),
            Kind::Mutated => return (kind, self.mutated()),
        };
        (kind, self.around(blob(&code, &mask, &table)))
    }

    /// A random number, often one at some edge.
    pub(super) fn value(&mut self) -> u64 {
        let rng = &mut self.rng;
        match rng.u8(0..12) {
            0 => 0,
            1 => u64::MAX,
            2 => rng.u64(0..70),
            3 => (rng.u64(0..70)).wrapping_neg(),
            4 => 1 << rng.u32(0..64),
            5 => (1_u64 << rng.u32(0..64)).wrapping_sub(1),
            6 => i64::MIN as u64,
            7 => u64::from(i32::MIN as u32),
            8 => i64::from(i32::MIN) as u64,
            9 => rng.u32(..).into(),
            10 => self.address(),
            _ => rng.u64(..),
        }
    }

    /// A random address, often near the end of a mapped page, sometimes with garbage above bit 32.
    pub(super) fn address(&mut self) -> u64 {
        let rng = &mut self.rng;
        let own = if self.outer { OUTER_PAGES.as_slice() } else { &[] };
        let index = rng.usize(0..PAGES.len() + own.len());
        let (first, count) =
            PAGES.get(index).map_or_else(|| own[index - PAGES.len()], |&(first, count, _)| (first, count));
        let page = u64::from(first) + rng.u64(0..u64::from(count) + 1);
        let offset = match rng.u8(0..4) {
            0 => rng.u64(0..16),
            1 => 4096 - rng.u64(0..16),
            _ => rng.u64(0..4096),
        };
        let address = (page << 12) + offset;
        if rng.u8(0..8) == 0 { address | rng.u64(..) << 32 } else { address & 0xffff_ffff }
    }

    /// Code whose instructions, bitmask, targets and jump table fit together, but for one in `wrong` targets. With `idioms`,
    /// mostly of such sequences in these registers.
    fn valid(&mut self, idioms: Option<&[u8]>, wrong: u8) -> Parts {
        let len = self.rng.usize(1..MAX_CODE_BYTES);
        let mut draft = Draft::new();
        while draft.code.len() < len {
            match idioms.filter(|_| self.rng.u8(0..8) != 0) {
                Some(registers) if self.rng.u8(0..10) == 0 => self.counted_loop(&mut draft, registers),
                // Mostly at the start, where execution comes to it.
                Some(registers) if self.rng.u8(0..if draft.code.is_empty() { 2 } else { 12 }) == 0 => {
                    self.counting_loop(&mut draft, registers);
                }
                Some(registers) if self.rng.u8(0..12) == 0 => self.called_function(&mut draft, registers),
                Some(registers) if self.rng.u8(0..12) == 0 => self.common_tail(&mut draft, registers),
                Some(registers) if self.rng.u8(0..12) == 0 => self.loop_of_words(&mut draft, registers),
                Some(registers) if self.rng.u8(0..12) == 0 => self.loop_of_several(&mut draft, registers),
                Some(registers) => {
                    self.idiom(registers).into_iter().for_each(|inst| draft.push(self.version, inst));
                }
                None => self.instruction(&mut draft, false),
            }
        }
        self.instruction(&mut draft, true);
        draft.finish(&mut self.rng, wrong)
    }

    /// Appends a random instruction. `last` asks for one that may end a program.
    fn instruction(&mut self, draft: &mut Draft, last: bool) {
        let (number, operation) = loop {
            let (number, operation) = self.operations[self.rng.usize(0..self.operations.len())];
            // Traps would end most programs after a few instructions, so most are left out.
            let rare = number == 0 && !last && self.rng.u8(0..16) != 0;
            if !rare && (!last || operation.terminates_block) {
                break (number, operation);
            }
        };
        let start = draft.code.len();
        draft.start();
        let code = &mut draft.code;
        code.push(number);
        let registers = self.rng.u8(..);
        if self.addresses_memory(operation) {
            self.memory_operands(code, operation.format, registers);
            return;
        }
        match operation.format {
            Format::None => {}
            Format::Imm => self.immediate(code),
            Format::RegImm64 => {
                code.push(registers);
                code.extend(self.value().to_le_bytes());
            }
            Format::ImmImm => self.two_immediates(code, 0, 0),
            Format::Offset => draft.offset(start),
            Format::RegImm | Format::RegRegImm => {
                code.push(registers);
                self.immediate(code);
            }
            Format::RegImmImm => self.two_immediates(code, registers & 15, 4),
            Format::RegImmOffset => {
                let size = self.rng.u8(0..5);
                code.push(registers & 15 | size << 4);
                let value = self.value().to_le_bytes();
                code.extend(&value[..size.into()]);
                draft.offset(start);
            }
            Format::RegReg => code.push(registers),
            Format::RegRegOffset => {
                code.push(registers);
                draft.offset(start);
            }
            Format::RegRegImmImm => {
                code.push(registers);
                self.two_immediates(code, 0, 0);
            }
            Format::RegRegReg => {
                code.push(registers);
                code.push(if self.rng.u8(0..16) == 0 { self.rng.u8(..) } else { self.rng.u8(0..13) });
            }
        }
        if operation.terminates_block {
            draft.block();
        }
    }

    /// Whether the operation's first immediate is an address, or to be added to one. `load_imm` counts often, so that
    /// registers hold addresses.
    fn addresses_memory(&mut self, operation: &Operation) -> bool {
        let name = operation.name;
        match operation.format {
            Format::RegImm if name == "load_imm" => self.rng.u8(0..4) != 0,
            Format::RegImm | Format::ImmImm | Format::RegImmImm | Format::RegRegImm => {
                (name.starts_with("load_") || name.starts_with("store_")) && self.rng.u8(0..8) != 0
            }
            _ => false,
        }
    }

    /// Operands that mostly make an access to mapped memory.
    fn memory_operands(&mut self, code: &mut Vec<u8>, format: Format, registers: u8) {
        let address = self.address() as u32;
        let displacement = self.rng.i8(-24..24) as u8;
        match format {
            Format::ImmImm => {
                code.push(4);
                code.extend(address.to_le_bytes());
                self.immediate(code);
            }
            Format::RegImmImm => {
                code.extend([registers & 15 | 1 << 4, displacement]);
                self.immediate(code);
            }
            Format::RegRegImm => code.extend([registers, displacement]),
            _ => {
                code.push(registers);
                code.extend(address.to_le_bytes());
            }
        }
    }

    fn immediate(&mut self, code: &mut Vec<u8>) {
        let size = self.rng.usize(0..5);
        let value = self.value().to_le_bytes();
        code.extend(&value[..size]);
    }

    /// A byte with the first immediate's length at bit `shift`, and two immediates.
    fn two_immediates(&mut self, code: &mut Vec<u8>, low: u8, shift: u32) {
        let size = self.rng.u8(0..5);
        code.push(low | size << shift);
        let value = self.value().to_le_bytes();
        code.extend(&value[..size.into()]);
        self.immediate(code);
    }

    /// Anything at all.
    fn hostile(&mut self) -> Parts {
        let len = self.rng.usize(0..MAX_CODE_BYTES / 2);
        let mut code: Vec<u8> = (0..len).map(|_| self.rng.u8(..)).collect();
        // Known opcodes at most places, or nearly every program traps at once.
        for byte in &mut code {
            if self.rng.u8(0..3) != 0 {
                *byte = self.operations[self.rng.usize(0..self.operations.len())].0;
            }
        }
        let density = self.rng.u8(1..=255);
        let mut mask = vec![0; len.div_ceil(8)];
        for at in 0..len {
            if at == 0 || self.rng.u8(..) < density {
                mask[at / 8] |= 1 << (at % 8);
            }
        }
        let entries = self.rng.usize(0..20);
        let size = self.rng.u8(0..11);
        let targets = (0..entries).map(|_| self.rng.u64(0..len as u64 + 4)).collect();
        (code, mask, Table { size, targets })
    }

    /// A real program with some bytes of its blob's code and bitmask changed.
    fn mutated(&mut self) -> Case {
        let mut blob = self.corpus[self.rng.usize(0..self.corpus.len())].clone();
        let header = if self.rng.u8(0..16) == 0 { 0 } else { blob.len().min(16) };
        for _ in 0..self.rng.usize(0..6) {
            let at = self.rng.usize(header..blob.len().max(header + 1));
            if let Some(byte) = blob.get_mut(at) {
                *byte = if self.rng.bool() { self.rng.u8(..) } else { *byte ^ 1 << self.rng.u8(0..8) };
            }
        }
        self.around(blob)
    }

    /// A state for a program to start in.
    fn around(&mut self, blob: Vec<u8>) -> Case {
        let mut regs = [0; 13];
        for reg in &mut regs {
            *reg = match self.rng.u8(0..4) {
                // Small even numbers go through the jump table, the last is the address that halts.
                0 if self.rng.bool() => self.rng.u64(0..20),
                0 | 1 => self.address(),
                2 if self.rng.u8(0..4) == 0 => HALT_ADDRESS.into(),
                _ => self.value(),
            };
        }
        if self.outer {
            // As a service starts (GP A.7): the return address that halts.
            regs[0] = HALT_ADDRESS.into();
        }
        let mut pages = Vec::new();
        for (first, count, writable) in PAGES {
            let contents = (0..count * 4096).map(|_| self.rng.u8(..)).collect();
            pages.push(Pages { first, count, writable, contents });
        }
        let entry = match self.rng.u8(0..8) {
            0 => self.rng.u32(0..64),
            1 => 5,
            _ => 0,
        };
        let gas = match self.rng.u8(0..8) {
            0 => self.rng.u64(0..30),
            _ => self.rng.u64(100..4000),
        };
        Case { version: self.version.name().to_owned(), blob, outer: self.outer, entry, regs, pages, gas }
    }
}

fn blob(code: &[u8], mask: &[u8], table: &Table) -> Vec<u8> {
    let mut blob = Vec::new();
    encode_natural(table.targets.len() as u64, &mut blob);
    blob.push(table.size);
    encode_natural(code.len() as u64, &mut blob);
    for target in &table.targets {
        let mut entry = target.to_le_bytes().to_vec();
        entry.resize(table.size.into(), 0);
        blob.extend(&entry);
    }
    blob.extend(code);
    blob.extend(mask);
    blob
}
