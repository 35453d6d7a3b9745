//! Guests that make host calls one after the other.

use tvm_isa::codec::encode_natural;

/// A page that can be read but not written.
pub const RO: u64 = 0x1_0000;
/// Pages that can be written.
pub const RW: u64 = 0x3_0000;
/// One past them.
pub const RW_END: u64 = RW + RW_PAGES * 4096;
/// Nothing is accessible here.
pub const NOWHERE: u64 = 0x1000_0000;

const RW_PAGES: u64 = 8;

/// A guest under construction. Every entry point starts at the first call.
#[derive(Clone)]
pub struct GuestCode {
    code: Vec<u8>,
    starts: Vec<usize>,
    ro: Vec<u8>,
    rw: Vec<u8>,
    metadata: Vec<u8>,
    stack: u32,
}

impl Default for GuestCode {
    fn default() -> Self {
        let mut guest = Self {
            code: Vec::new(),
            starts: Vec::new(),
            ro: vec![0; 4096],
            rw: vec![0; (RW_PAGES * 4096) as usize],
            metadata: b"test".to_vec(),
            stack: 4096,
        };
        // Entry points 0, 5 and 10 jump to 15.
        for offset in [15_i32, 10, 5] {
            let mut jump = vec![40];
            jump.extend(offset.to_le_bytes());
            guest.push(&jump);
        }
        guest
    }
}

impl GuestCode {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, instruction: &[u8]) {
        self.starts.push(self.code.len());
        self.code.extend_from_slice(instruction);
    }

    /// Where the next instruction will be.
    pub fn position(&self) -> usize {
        self.code.len()
    }

    /// Bytes at an address of the writable or the read-only pages.
    pub fn with(mut self, address: u64, bytes: &[u8]) -> Self {
        let (memory, start) = if address >= RW { (&mut self.rw, address - RW) } else { (&mut self.ro, address - RO) };
        memory[start as usize..start as usize + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Another number of writable pages.
    pub fn with_rw_pages(mut self, pages: usize) -> Self {
        self.rw.resize(pages * 4096, 0);
        self
    }

    /// Sets a register.
    pub fn set(mut self, reg: u8, value: u64) -> Self {
        let mut load = vec![20, reg];
        load.extend(value.to_le_bytes());
        self.push(&load);
        self
    }

    /// A host call with φ7 and the registers after it.
    pub fn call(self, number: u64, arguments: &[u64]) -> Self {
        let mut guest = self;
        for (reg, value) in (7..).zip(arguments) {
            guest = guest.set(reg, *value);
        }
        let mut ecalli = vec![10];
        ecalli.extend((number as u32).to_le_bytes());
        guest.push(&ecalli);
        guest
    }

    /// The end: a halt with this output.
    pub fn halt(self, output: u64, len: u64) -> Vec<u8> {
        let mut guest = self.set(7, output).set(8, len);
        guest.push(&[50, 0]);
        guest.blob()
    }

    /// The end: a trap.
    pub fn trap(mut self) -> Vec<u8> {
        self.push(&[0]);
        self.blob()
    }

    /// The program blob alone, as `machine` takes it. It has neither entry jumps nor data.
    pub fn raw(instructions: &[&[u8]]) -> Vec<u8> {
        let mut guest = Self { code: Vec::new(), starts: Vec::new(), ..Self::default() };
        instructions.iter().for_each(|instruction| guest.push(instruction));
        guest.program()
    }

    /// A standard program of these instructions alone.
    pub fn from_instructions(instructions: &[&[u8]]) -> Vec<u8> {
        let mut guest = Self { code: Vec::new(), starts: Vec::new(), ..Self::default() };
        instructions.iter().for_each(|instruction| guest.push(instruction));
        guest.blob()
    }

    fn program(&self) -> Vec<u8> {
        let mut mask = vec![0_u8; self.code.len().div_ceil(8)];
        self.starts.iter().for_each(|start| mask[start / 8] |= 1 << (start % 8));
        let mut program = vec![0, 0];
        encode_natural(self.code.len() as u64, &mut program);
        program.extend_from_slice(&self.code);
        program.extend(mask);
        program
    }

    fn blob(self) -> Vec<u8> {
        let program = self.program();
        let Self { ro, rw, metadata, stack, .. } = self;
        let mut blob = Vec::new();
        encode_natural(metadata.len() as u64, &mut blob);
        blob.extend(metadata);
        blob.extend_from_slice(&(ro.len() as u32).to_le_bytes()[..3]);
        blob.extend_from_slice(&(rw.len() as u32).to_le_bytes()[..3]);
        blob.extend_from_slice(&[0, 0]);
        blob.extend_from_slice(&stack.to_le_bytes()[..3]);
        blob.extend(ro);
        blob.extend(rw);
        blob.extend_from_slice(&(program.len() as u32).to_le_bytes());
        blob.extend(program);
        blob
    }
}
