//! The assembler as lowering sees it: dynasm-rs, guest registers by number, and compact encodings of the few operand
//! forms that make up most of the code.

use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm};
use tvm_abi::registers::{self, HostReg};
use tvm_abi::{CpuFeatures, TextOffset};
use tvm_isa::Reg;

/// Assembles at the assembler in `$asm`; the lines are dynasm-rs syntax.
macro_rules! emit {
    ($asm:expr $(; $($line:tt)*)?) => {
        ::dynasmrt::dynasm!($asm.ops ; .arch x64 $(; $($line)*)?)
    };
}
pub(crate) use emit;

/// Number of the scratch register in machine code.
pub const SCRATCH: u8 = registers::SCRATCH as u8;
/// Number of `rax`, which x86 division and multiplication use implicitly.
pub const RAX: u8 = HostReg::Rax as u8;
/// Number of `rdx`, which x86 division and multiplication use implicitly.
pub const RDX: u8 = HostReg::Rdx as u8;

/// Number of the host register that holds a guest register.
#[inline]
pub const fn host(reg: Reg) -> u8 {
    registers::guest(reg) as u8
}

/// Operand width of machine instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 32 bits; results are sign-extended to 64 as the Gray Paper's 32-bit operations are.
    W32,
    /// 64 bits.
    W64,
}

/// What the prefixes of an instruction on guest memory say about its register operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GuestForm {
    /// 8-bit register.
    ByteReg,
    /// 16 bits.
    Word,
    /// 32 bits, or an opcode that says its size itself.
    Plain,
    /// 64 bits.
    Wide,
}

/// Opcode of a short `jmp`.
pub const JMP_SHORT: u8 = 0xeb;
/// Opcode of a short `je`.
pub const JE_SHORT: u8 = 0x74;

/// A short jump that has been emitted, but leads nowhere yet.
#[must_use = "a jump must lead somewhere"]
pub struct JumpAhead(TextOffset);

/// Emits machine code into a growing buffer.
pub struct Assembler {
    /// The dynasm-rs assembler that [`emit!`] writes to.
    pub ops: VecAssembler<X64Relocation>,
    /// What the target CPU has.
    pub cpu: CpuFeatures,
}

impl Assembler {
    /// An empty assembler with room for `capacity` bytes.
    pub fn new(cpu: CpuFeatures, capacity: usize) -> Self {
        Self { ops: VecAssembler::new_with_capacity(0, capacity, 64, 64, 0, 64, 1024), cpu }
    }

    /// The offset of the next machine instruction.
    #[inline]
    pub fn here(&self) -> TextOffset {
        TextOffset(self.ops.offset().0 as u32)
    }

    /// Whether the target CPU has all of `features`.
    #[inline]
    pub fn has(&self, features: CpuFeatures) -> bool {
        self.cpu.contains(features)
    }

    /// `mov to, from` in 64 bits, unless they are the same register.
    #[inline]
    pub fn move_reg(&mut self, to: u8, from: u8) {
        if to != from {
            emit!(self; mov Rq(to), Rq(from));
        }
    }

    /// Sign-extends the low half of `reg`, in place.
    #[inline]
    pub fn sign_extend_32(&mut self, reg: u8) {
        emit!(self; movsxd Rq(reg), Rd(reg));
    }

    /// Finishes an operation of `width` whose result is in `reg`.
    #[inline]
    pub fn finish(&mut self, width: Width, reg: u8) {
        if width == Width::W32 {
            self.sign_extend_32(reg);
        }
    }

    /// Sets a register to a constant in the shortest way that leaves the flags alone.
    pub fn load_constant(&mut self, to: u8, value: u64) {
        if let Ok(small) = u32::try_from(value) {
            emit!(self; mov Rd(to), DWORD small as i32);
        } else if let Ok(small) = i32::try_from(value as i64) {
            emit!(self; mov Rq(to), DWORD small);
        } else {
            emit!(self; mov Rq(to), QWORD value as i64);
        }
    }

    /// `lea to, [base + disp]`; a 32-bit result is not yet sign-extended.
    #[inline]
    pub fn lea_disp(&mut self, width: Width, to: u8, base: u8, disp: i32) {
        self.rex(width == Width::W64, to, 0, base);
        self.ops.push(0x8d);
        self.modrm_disp(to, base, disp);
    }

    /// `lea to, [base + index]`; a 32-bit result is not yet sign-extended.
    #[inline]
    pub fn lea_sum(&mut self, width: Width, to: u8, base: u8, index: u8) {
        // rbp and r13 as base need a displacement, rsp cannot be an index.
        let (base, index) = if base & 7 == 5 { (index, base) } else { (base, index) };
        self.rex(width == Width::W64, to, index, base);
        self.ops.push(0x8d);
        let sib = (index & 7) << 3 | base & 7;
        if base & 7 == 5 {
            self.ops.extend([0x44 | (to & 7) << 3, sib, 0]);
        } else {
            self.ops.extend([0x04 | (to & 7) << 3, sib]);
        }
    }

    /// `cmp reg, imm` in 64 bits with a one-byte immediate, a form that dynasm-rs does not choose.
    #[inline]
    pub fn compare_imm8(&mut self, reg: u8, imm: i8) {
        self.rex(true, 0, 0, reg);
        self.ops.extend([0x83, 0xf8 | reg & 7, imm as u8]);
    }

    /// An instruction on guest memory at `(base + disp) mod 2^32`, or at `disp mod 2^32` without base. The address-size
    /// prefix makes the processor compute the address in 32 bits.
    #[inline]
    pub fn guest_operand(&mut self, form: GuestForm, opcode: &[u8], reg: u8, base: Option<u8>, disp: i32) {
        self.ops.extend([0x65, 0x67]);
        if form == GuestForm::Word {
            self.ops.push(0x66);
        }
        let high = base.unwrap_or(0);
        if form == GuestForm::ByteReg && (4..8).contains(&reg) && high < 8 {
            // Without a REX prefix these numbers would name ah to bh.
            self.ops.push(0x40);
        } else {
            self.rex(form == GuestForm::Wide, reg, 0, high);
        }
        self.ops.extend(opcode.iter().copied());
        match base {
            Some(base) => self.modrm_disp(reg, base, disp),
            None => {
                self.ops.extend([0x04 | (reg & 7) << 3, 0x25]);
                self.ops.extend(disp.to_le_bytes());
            }
        }
    }

    /// A REX prefix where one is needed.
    #[inline]
    fn rex(&mut self, wide: bool, reg: u8, index: u8, base: u8) {
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        if rex != 0x40 {
            self.ops.push(rex);
        }
    }

    /// ModRM, SIB where the base needs one, and the shortest displacement.
    #[inline]
    fn modrm_disp(&mut self, reg: u8, base: u8, disp: i32) {
        let (reg, low) = ((reg & 7) << 3, base & 7);
        let mode = match disp {
            0 if low != 5 => 0x00,
            -128..=127 => 0x40,
            _ => 0x80,
        };
        self.ops.push(mode | reg | low);
        if low == 4 {
            self.ops.push(0x24);
        }
        match mode {
            0x00 => {}
            0x40 => self.ops.push(disp as u8),
            _ => self.ops.extend(disp.to_le_bytes()),
        }
    }

    /// A jump ahead over less than 128 bytes, to where [`Self::land`] is called. `opcode` is that of the short form.
    ///
    /// For jumps within one guest instruction's code. dynasm-rs keeps every local label and every jump to one until the
    /// end: in a program of divisions that took most of the time and memory.
    pub fn jump_ahead(&mut self, opcode: u8) -> JumpAhead {
        self.ops.extend([opcode, 0]);
        JumpAhead(self.here())
    }

    /// Lets `jump` lead here.
    pub fn land(&mut self, jump: JumpAhead) {
        let JumpAhead(TextOffset(from)) = jump;
        let distance = i8::try_from(self.here().0 - from).expect("one instruction's code is shorter than that");
        let mut displacement = self.ops.alter();
        displacement.goto(AssemblyOffset(from as usize - 1));
        displacement.push_i8(distance);
    }

    /// A new label without a place.
    pub fn new_label(&mut self) -> DynamicLabel {
        self.ops.new_dynamic_label()
    }

    /// Gives `label` its place: here.
    pub fn bind(&mut self, label: DynamicLabel) {
        dynasm!(self.ops ; .arch x64 ; =>label);
    }

    /// Resolves all labels; gives the machine code.
    pub fn finalize(self) -> Result<Vec<u8>, dynasmrt::DynasmError> {
        self.ops.finalize()
    }
}
