//! Machine code for single instructions, one file per family of operations.
//!
//! Every function keeps the same promises: all guest registers but the destination keep their values; the destination
//! is written last, or not before the last machine instruction that can fault; only the scratch register and XMM
//! registers are used besides; the flags mean nothing between guest instructions.

mod alu;
mod bits;
mod compare;
mod memory;
mod mul_div;
mod shift;

use tvm_isa::{Encoded, Gas, Instruction, OPERATIONS, Op, Pc, Reg};

use crate::asm::{Assembler, Binary, SCRATCH, Sum, Width, host, host_of_field};
use crate::optimise::{Address, Carry, CarrySide, Extension, Operand as MemoryOperand, Product};

pub use compare::{Condition, Operand, compare, compare_low};
pub use memory::Access;
use mul_div::{Division, HighHalf};
use shift::Shift;

/// What lowering needs to know about an instruction beyond its operands: how to emit it.
#[derive(Clone, Copy, Debug)]
pub enum Lowering {
    /// Straight-line code that cannot leave.
    Plain,
    /// A guest memory access; its machine instruction may fault.
    Memory(Access),
    /// Control flow, which the translator emits itself.
    Control,
}

/// What ends with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// Nothing: execution goes on in the same region.
    Nothing,
    /// The region, but not the block: the exact gas must be there next.
    Region,
    /// The block, and the region with it.
    Block,
}

/// What lowering and translating ask about each operation, in the order of [`Op`]'s discriminants.
static LOWERINGS: [(Lowering, Ends); OPERATIONS.len()] = {
    let mut table = [(Lowering::Plain, Ends::Nothing); OPERATIONS.len()];
    let mut row = 0;
    while row < table.len() {
        let op = OPERATIONS[row].op;
        table[row] = match memory::access(op) {
            Some(access) => (Lowering::Memory(access), Ends::Nothing),
            None if op.terminates_block() => (Lowering::Control, Ends::Block),
            None if op.calls_host() => (Lowering::Control, Ends::Region),
            None => (Lowering::Plain, Ends::Nothing),
        };
        row += 1;
    }
    table
};

/// The kind of lowering of an operation.
#[inline]
pub fn lowering(op: Op) -> &'static Lowering {
    &LOWERINGS[op as usize].0
}

/// Whether the code of an operation may go through registers that x86 fixes: `rax` and `rcx`.
pub fn has_fixed_registers(op: Op) -> bool {
    matches!(
        op,
        Op::RotL64
            | Op::RotL32
            | Op::RotR64
            | Op::RotR32
            | Op::RotR64ImmAlt
            | Op::RotR32ImmAlt
            | Op::ShloL64
            | Op::ShloR64
            | Op::SharR64
            | Op::ShloL32
            | Op::ShloR32
            | Op::SharR32
            | Op::ShloLImmAlt64
            | Op::ShloRImmAlt64
            | Op::SharRImmAlt64
            | Op::ShloLImmAlt32
            | Op::ShloRImmAlt32
            | Op::SharRImmAlt32
            | Op::MulUpperSS
            | Op::MulUpperUU
            | Op::MulUpperSU
            | Op::DivU32
            | Op::DivS32
            | Op::RemU32
            | Op::RemS32
            | Op::DivU64
            | Op::DivS64
            | Op::RemU64
            | Op::RemS64
    )
}

/// Whether the code of an operation leaves the scratch register alone; of some that do it is not said.
pub fn keeps_scratch(op: Op) -> bool {
    let simple = matches!(
        op,
        Op::LoadImm
            | Op::MoveReg
            | Op::AddImm32
            | Op::AddImm64
            | Op::AndImm
            | Op::ShloLImm64
            | Op::ShloRImm64
            | Op::Add32
            | Op::Add64
            | Op::Sub32
            | Op::Sub64
            | Op::And
            | Op::Xor
            | Op::Or
            | Op::MulImm64
            | Op::Mul64
    );
    simple || matches!(lowering(op), Lowering::Memory(_))
}

/// What ends with an operation.
#[inline]
pub const fn ends(op: Op) -> Ends {
    LOWERINGS[op as usize].1
}

/// Emits a guest memory access. Gives the offset of the one machine instruction that may fault.
#[inline]
pub fn memory_access(asm: &mut Assembler, access: &Access, instruction: &Instruction) -> tvm_abi::TextOffset {
    memory::lower(asm, access, instruction)
}

/// The same for an operation that is known beforehand, of the commonest form ([`Access::is_common`]) and not taken apart.
#[inline(always)]
pub fn common_access<const ROW: usize>(asm: &mut Assembler, encoded: Encoded<'_>) -> tvm_abi::TextOffset {
    let access = const {
        match memory::access(OPERATIONS[ROW].op) {
            Some(access) if access.is_common() => access,
            _ => panic!("another operation"),
        }
    };
    memory::lower_encoded(asm, &access, encoded)
}

/// The same for one of another form that is taken apart.
#[inline(always)]
pub fn known_access<const ROW: usize>(asm: &mut Assembler, instruction: &Instruction) -> tvm_abi::TextOffset {
    memory::lower(asm, &const { memory::access(OPERATIONS[ROW].op).expect("an access") }, instruction)
}

/// Emits a guest memory access at an address made of other registers than the one the instruction names.
pub fn memory_access_at(
    asm: &mut Assembler,
    access: &Access,
    instruction: &Instruction,
    address: &Address,
) -> tvm_abi::TextOffset {
    memory::lower_at(asm, access, instruction, host_sum(address))
}

fn host_sum(address: &Address) -> Sum {
    let Address { base, index, disp } = *address;
    Sum { base: base.map(host), index: index.map(|(reg, scale)| (host(reg), scale)), disp }
}

/// Emits an operation with an operand in guest memory. Gives the offset of the machine instruction that may fault.
pub fn with_operand(asm: &mut Assembler, instruction: &Instruction, operand: &MemoryOperand) -> tvm_abi::TextOffset {
    let MemoryOperand { ref address, wide, extended, .. } = *operand;
    let to = host(instruction.d);
    let site = asm.here();
    asm.guest_operand_at(memory::operation(instruction.op, wide), to, host_sum(address));
    if extended {
        asm.sign_extend_32(to);
    }
    site
}

/// Emits what an instruction does for the unsigned product of its operands.
pub fn product(asm: &mut Assembler, instruction: &Instruction, product: &Product) {
    let (d, a, b) = instruction.reg_reg_reg();
    match *product {
        Product::Both { low, high } => mul_div::product(asm, host(low), host(high), a, b),
        Product::OwnHalf(half) => mul_div::half_of_product(asm, half, d, a, b),
        Product::OtherHalf => asm.move_reg(d, SCRATCH),
    }
}

/// Emits a bitwise operation on lower halves and sign-extends the result.
pub fn late(asm: &mut Assembler, instruction: &Instruction) {
    let (d, a, b) = instruction.reg_reg_reg();
    let op = match instruction.op {
        Op::And => Binary::And,
        Op::Or => Binary::Or,
        Op::Xor => Binary::Xor,
        other => unreachable!("{} is not bitwise", other.name()),
    };
    alu::binary_low(asm, op, d, a, b);
}

/// The register whose sum with the first immediate an instruction accesses memory at.
pub fn address_register(instruction: &Instruction) -> Option<Reg> {
    memory::access(instruction.op)?.base(instruction)
}

/// The register that a store stores.
pub fn data_register(instruction: &Instruction) -> Option<Reg> {
    memory::access(instruction.op)?.data(instruction)
}

/// Emits a 64-bit sum with a scaled register.
pub fn sum(asm: &mut Assembler, to: Reg, address: &Address) {
    let Address { base, index, disp } = *address;
    if let Some((index, scale)) = index {
        asm.lea_scaled(host(to), base.map(host), host(index), scale, disp);
    } else if let Some(base) = base {
        asm.lea_disp(Width::W64, host(to), host(base), disp);
    }
}

/// Emits the addition or subtraction of a carry.
pub fn carry(asm: &mut Assembler, to: Reg, carry: &Carry) {
    let right = match carry.right {
        CarrySide::Reg(reg) => Operand::Reg(host(reg)),
        CarrySide::Imm(imm) => Operand::Imm(imm),
    };
    compare(asm, host(carry.left), right);
    add_carry(asm, to, carry);
}

/// Emits an addition or subtraction, and that of its carry.
pub fn carrying(asm: &mut Assembler, instruction: &Instruction, to: Reg, carry: &Carry) {
    let (d, a, b) = instruction.reg_reg_reg();
    match instruction.op {
        Op::Add64 => alu::binary(asm, Binary::Add, d, a, b),
        Op::Sub64 => alu::sub(asm, Width::W64, d, a, b),
        other => unreachable!("{} has no carry", other.name()),
    }
    add_carry(asm, to, carry);
}

fn add_carry(asm: &mut Assembler, to: Reg, carry: &Carry) {
    let width = if carry.word { Width::W32 } else { Width::W64 };
    alu::add_carry(asm, width, host(to), host(carry.from), carry.subtract);
}

/// Emits the extension of a lower half to 64 bits, and a shift after it.
pub fn extension(asm: &mut Assembler, to: Reg, extension: Extension) {
    shift::extension(asm, host(to), host(extension.source), extension.signed, extension.left);
}

/// Operands of an instruction, as host registers and immediates, by format.
pub trait Operands {
    /// [`Format::RegImm`](tvm_isa::Format::RegImm)
    fn reg_imm(&self) -> (u8, u64);
    /// [`Format::RegImm64`](tvm_isa::Format::RegImm64)
    fn reg_imm_64(&self) -> (u8, u64);
    /// [`Format::RegReg`](tvm_isa::Format::RegReg): the destination first.
    fn reg_reg(&self) -> (u8, u8);
    /// [`Format::RegRegImm`](tvm_isa::Format::RegRegImm)
    fn reg_reg_imm(&self) -> (u8, u8, i32);
    /// [`Format::RegRegReg`](tvm_isa::Format::RegRegReg): the destination first.
    fn reg_reg_reg(&self) -> (u8, u8, u8);
}

impl Operands for Instruction {
    #[inline]
    fn reg_imm(&self) -> (u8, u64) {
        (host(self.a), self.x)
    }

    #[inline]
    fn reg_imm_64(&self) -> (u8, u64) {
        (host(self.a), self.x)
    }

    #[inline]
    fn reg_reg(&self) -> (u8, u8) {
        (host(self.d), host(self.a))
    }

    #[inline]
    fn reg_reg_imm(&self) -> (u8, u8, i32) {
        (host(self.a), host(self.b), self.x as i32)
    }

    #[inline]
    fn reg_reg_reg(&self) -> (u8, u8, u8) {
        (host(self.d), host(self.a), host(self.b))
    }
}

impl<O: Operands> Operands for &O {
    #[inline]
    fn reg_imm(&self) -> (u8, u64) {
        O::reg_imm(self)
    }

    #[inline]
    fn reg_imm_64(&self) -> (u8, u64) {
        O::reg_imm_64(self)
    }

    #[inline]
    fn reg_reg(&self) -> (u8, u8) {
        O::reg_reg(self)
    }

    #[inline]
    fn reg_reg_imm(&self) -> (u8, u8, i32) {
        O::reg_reg_imm(self)
    }

    #[inline]
    fn reg_reg_reg(&self) -> (u8, u8, u8) {
        O::reg_reg_reg(self)
    }
}

impl Operands for Encoded<'_> {
    #[inline(always)]
    fn reg_imm(&self) -> (u8, u64) {
        (host_of_field(self.low()), self.immediate())
    }

    #[inline(always)]
    fn reg_imm_64(&self) -> (u8, u64) {
        (host_of_field(self.low()), self.immediate_64())
    }

    #[inline(always)]
    fn reg_reg(&self) -> (u8, u8) {
        (host_of_field(self.low()), host_of_field(self.high()))
    }

    #[inline(always)]
    fn reg_reg_imm(&self) -> (u8, u8, i32) {
        (host_of_field(self.low()), host_of_field(self.high()), self.immediate() as i32)
    }

    #[inline(always)]
    fn reg_reg_reg(&self) -> (u8, u8, u8) {
        (host_of_field(self.next()), host_of_field(self.low()), host_of_field(self.high()))
    }
}

/// Emits an instruction without control flow and memory access.
pub fn plain(asm: &mut Assembler<'_>, instruction: &Instruction) {
    let emit = plain_emitter(instruction.op)
        .unwrap_or_else(|| unreachable!("{} is not straight-line code", instruction.op.name()));
    emit(asm, instruction, instruction.pc, Gas(0));
}

/// Who has an assembler.
pub trait Emits<'m> {
    /// The assembler.
    fn asm(&mut self) -> &mut Assembler<'m>;
}

impl<'m> Emits<'m> for Assembler<'m> {
    #[inline(always)]
    fn asm(&mut self) -> &mut Assembler<'m> {
        self
    }
}

/// Emits one instruction of a certain operation: from its operands, where it stands, and what it and those behind it were charged.
/// Who knows all operations beforehand has one of these for each, and calls it without asking what kind of operation it is.
pub type Emitter<T, O> = fn(&mut T, O, Pc, Gas);

/// What emits an operation without control flow and memory access. `None` for others.
#[rustfmt::skip]
pub const fn plain_emitter<'m, T: Emits<'m>, O: Operands>(op: Op) -> Option<Emitter<T, O>> {
    use Width::{W32, W64};
    /// A function that no instruction needs to know the place of.
    macro_rules! emit {
        (|$asm:ident, $operands:ident| $body:expr) => {{
            let emit: Emitter<T, O> = |emits, $operands, _, _| { let $asm = emits.asm(); $body };
            emit
        }};
    }
    /// Calls what emits a destination and a source, after the arguments given.
    macro_rules! rr {
        ($emit:path $(, $argument:expr)*) => {
            emit!(|asm, operands| { let (d, a) = operands.reg_reg(); $emit(asm, $($argument,)* d, a) })
        };
    }
    /// The same for a destination, a source and an immediate.
    macro_rules! rri {
        ($emit:path $(, $argument:expr)*) => {
            emit!(|asm, operands| { let (a, b, imm) = operands.reg_reg_imm(); $emit(asm, $($argument,)* a, b, imm) })
        };
    }
    /// The same for a destination and two sources.
    macro_rules! rrr {
        ($emit:path $(, $argument:expr)*) => {
            emit!(|asm, operands| { let (d, a, b) = operands.reg_reg_reg(); $emit(asm, $($argument,)* d, a, b) })
        };
    }
    Some(match op {
        Op::Unlikely => emit!(|_asm, _operands| {}),
        Op::LoadImm => emit!(|asm, operands| { let (a, x) = operands.reg_imm(); asm.load_constant(a, x) }),
        Op::LoadImm64 => emit!(|asm, operands| { let (a, x) = operands.reg_imm_64(); asm.load_constant(a, x) }),
        Op::MoveReg => rr!(Assembler::move_reg),

        Op::CountSetBits64 => rr!(bits::count_set, W64),
        Op::CountSetBits32 => rr!(bits::count_set, W32),
        Op::LeadingZeroBits64 => rr!(bits::leading_zeros, W64),
        Op::LeadingZeroBits32 => rr!(bits::leading_zeros, W32),
        Op::TrailingZeroBits64 => rr!(bits::trailing_zeros, W64),
        Op::TrailingZeroBits32 => rr!(bits::trailing_zeros, W32),
        Op::SignExtend8 => rr!(bits::sign_extend_8),
        Op::SignExtend16 => rr!(bits::sign_extend_16),
        Op::ZeroExtend16 => rr!(bits::zero_extend_16),
        Op::ReverseBytes => rr!(bits::reverse_bytes),

        Op::AddImm32 => rri!(alu::add_imm, W32),
        Op::AddImm64 => rri!(alu::add_imm, W64),
        Op::NegAddImm32 => rri!(alu::neg_add_imm, W32),
        Op::NegAddImm64 => rri!(alu::neg_add_imm, W64),
        Op::AndImm => rri!(alu::and_imm),
        Op::XorImm => rri!(alu::xor_imm),
        Op::OrImm => rri!(alu::or_imm),
        Op::MulImm32 => rri!(mul_div::mul_imm, W32),
        Op::MulImm64 => rri!(mul_div::mul_imm, W64),

        Op::SetLtUImm => rri!(compare::set_imm, Condition::Below),
        Op::SetLtSImm => rri!(compare::set_imm, Condition::Less),
        Op::SetGtUImm => rri!(compare::set_imm, Condition::Above),
        Op::SetGtSImm => rri!(compare::set_imm, Condition::Greater),
        Op::CmovIzImm => rri!(compare::move_imm_if, true),
        Op::CmovNzImm => rri!(compare::move_imm_if, false),

        Op::ShloLImm32 => rri!(shift::by_imm, Shift::Shl, W32),
        Op::ShloRImm32 => rri!(shift::by_imm, Shift::Shr, W32),
        Op::SharRImm32 => rri!(shift::by_imm, Shift::Sar, W32),
        Op::ShloLImm64 => rri!(shift::by_imm, Shift::Shl, W64),
        Op::ShloRImm64 => rri!(shift::by_imm, Shift::Shr, W64),
        Op::SharRImm64 => rri!(shift::by_imm, Shift::Sar, W64),
        Op::RotR64Imm => rri!(shift::by_imm, Shift::Ror, W64),
        Op::RotR32Imm => rri!(shift::by_imm, Shift::Ror, W32),
        Op::ShloLImmAlt32 => rri!(shift::of_imm, Shift::Shl, W32),
        Op::ShloRImmAlt32 => rri!(shift::of_imm, Shift::Shr, W32),
        Op::SharRImmAlt32 => rri!(shift::of_imm, Shift::Sar, W32),
        Op::ShloLImmAlt64 => rri!(shift::of_imm, Shift::Shl, W64),
        Op::ShloRImmAlt64 => rri!(shift::of_imm, Shift::Shr, W64),
        Op::SharRImmAlt64 => rri!(shift::of_imm, Shift::Sar, W64),
        Op::RotR64ImmAlt => rri!(shift::of_imm, Shift::Ror, W64),
        Op::RotR32ImmAlt => rri!(shift::of_imm, Shift::Ror, W32),

        Op::Add32 => rrr!(alu::add, W32),
        Op::Add64 => rrr!(alu::add, W64),
        Op::Sub32 => rrr!(alu::sub, W32),
        Op::Sub64 => rrr!(alu::sub, W64),
        Op::And => rrr!(alu::binary, Binary::And),
        Op::Xor => rrr!(alu::binary, Binary::Xor),
        Op::Or => rrr!(alu::binary, Binary::Or),
        Op::AndInv => rrr!(alu::and_inv),
        Op::OrInv => rrr!(alu::or_inv),
        Op::Xnor => rrr!(alu::xnor),
        Op::Max => rrr!(alu::select, Condition::Greater),
        Op::MaxU => rrr!(alu::select, Condition::Above),
        Op::Min => rrr!(alu::select, Condition::Less),
        Op::MinU => rrr!(alu::select, Condition::Below),
        Op::SetLtU => rrr!(compare::set, Condition::Below),
        Op::SetLtS => rrr!(compare::set, Condition::Less),
        Op::CmovIz => rrr!(compare::move_if, true),
        Op::CmovNz => rrr!(compare::move_if, false),

        Op::ShloL32 => rrr!(shift::by_reg, Shift::Shl, W32),
        Op::ShloR32 => rrr!(shift::by_reg, Shift::Shr, W32),
        Op::SharR32 => rrr!(shift::by_reg, Shift::Sar, W32),
        Op::ShloL64 => rrr!(shift::by_reg, Shift::Shl, W64),
        Op::ShloR64 => rrr!(shift::by_reg, Shift::Shr, W64),
        Op::SharR64 => rrr!(shift::by_reg, Shift::Sar, W64),
        Op::RotL64 => rrr!(shift::by_reg, Shift::Rol, W64),
        Op::RotL32 => rrr!(shift::by_reg, Shift::Rol, W32),
        Op::RotR64 => rrr!(shift::by_reg, Shift::Ror, W64),
        Op::RotR32 => rrr!(shift::by_reg, Shift::Ror, W32),

        Op::Mul32 => rrr!(mul_div::mul, W32),
        Op::Mul64 => rrr!(mul_div::mul, W64),
        Op::MulUpperSS => rrr!(mul_div::mul_upper, HighHalf::SignedSigned),
        Op::MulUpperUU => rrr!(mul_div::mul_upper, HighHalf::UnsignedUnsigned),
        Op::MulUpperSU => rrr!(mul_div::mul_upper, HighHalf::SignedUnsigned),
        Op::DivU32 => rrr!(mul_div::divide, Division::QuotientUnsigned, W32),
        Op::DivS32 => rrr!(mul_div::divide, Division::QuotientSigned, W32),
        Op::RemU32 => rrr!(mul_div::divide, Division::RemainderUnsigned, W32),
        Op::RemS32 => rrr!(mul_div::divide, Division::RemainderSigned, W32),
        Op::DivU64 => rrr!(mul_div::divide, Division::QuotientUnsigned, W64),
        Op::DivS64 => rrr!(mul_div::divide, Division::QuotientSigned, W64),
        Op::RemU64 => rrr!(mul_div::divide, Division::RemainderUnsigned, W64),
        Op::RemS64 => rrr!(mul_div::divide, Division::RemainderSigned, W64),

        // Listed, so that a new operation cannot be forgotten: these are not plain (see `lowering`).
        Op::Trap | Op::Fallthrough | Op::Ecalli | Op::Sbrk | Op::Jump | Op::JumpInd | Op::LoadImmJump | Op::LoadImmJumpInd
        | Op::BranchEqImm | Op::BranchNeImm | Op::BranchLtUImm | Op::BranchLeUImm | Op::BranchGeUImm | Op::BranchGtUImm
        | Op::BranchLtSImm | Op::BranchLeSImm | Op::BranchGeSImm | Op::BranchGtSImm
        | Op::BranchEq | Op::BranchNe | Op::BranchLtU | Op::BranchLtS | Op::BranchGeU | Op::BranchGeS
        | Op::StoreImmU8 | Op::StoreImmU16 | Op::StoreImmU32 | Op::StoreImmU64
        | Op::LoadU8 | Op::LoadI8 | Op::LoadU16 | Op::LoadI16 | Op::LoadU32 | Op::LoadI32 | Op::LoadU64
        | Op::StoreU8 | Op::StoreU16 | Op::StoreU32 | Op::StoreU64
        | Op::StoreImmIndU8 | Op::StoreImmIndU16 | Op::StoreImmIndU32 | Op::StoreImmIndU64
        | Op::StoreIndU8 | Op::StoreIndU16 | Op::StoreIndU32 | Op::StoreIndU64
        | Op::LoadIndU8 | Op::LoadIndI8 | Op::LoadIndU16 | Op::LoadIndI16 | Op::LoadIndU32 | Op::LoadIndI32 | Op::LoadIndU64 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::{Jumps, READY};
    use tvm_abi::CpuFeatures;

    /// Nothing is asked while an instruction's code is written: see [`Assembler::is_ready`].
    #[test]
    fn no_code_of_one_instruction_is_longer_than_what_there_is_room_for() {
        let registers = || (0..Reg::COUNT as u8).map(Reg::clamped);
        let mut longest = 0;
        for cpu in [CpuFeatures::BASELINE, CpuFeatures::V3] {
            for operation in &OPERATIONS {
                for (a, b) in registers().flat_map(|a| registers().map(move |b| (a, b))) {
                    for d in registers() {
                        let mut bytes = [0; 2 * READY];
                        let mut asm = Assembler::new(cpu, &mut bytes, Jumps::default());
                        let (x, y) = (0x8765_4321_8765_4321, 0x7654_3210);
                        let instruction = Instruction { op: operation.op, pc: Pc(0), length: 1, a, b, d, x, y };
                        let before = asm.here().0;
                        match lowering(operation.op) {
                            Lowering::Plain => plain(&mut asm, &instruction),
                            Lowering::Memory(access) => {
                                memory_access(&mut asm, access, &instruction);
                            }
                            Lowering::Control => {}
                        }
                        longest = longest.max(asm.here().0 - before);
                    }
                }
            }
        }
        assert!(longest as usize <= READY, "{longest} bytes");
    }
}
