//! What instructions read and write, and how much of it: the one place where the optimiser looks at operations.

use tvm_isa::{Format, Instruction, Op, Reg};

use super::registers::RegSet;

/// How much of a register an instruction looks at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Demand {
    /// The lower 32 bits.
    Low,
    /// All 64 bits.
    Full,
}

/// Which register a read names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// The register.
    pub reg: Reg,
    /// How much of it matters.
    pub demand: Demand,
    /// Whether it is passed on: no more of it matters than of the result.
    pub passed_on: bool,
}

/// What an instruction reads, at most four times a register. Host calls and `sbrk` see all registers; that is not
/// listed here (see [`sees_all`]).
#[derive(Clone, Copy, Default, Debug)]
pub struct Reads {
    list: [Option<Read>; 4],
}

impl Reads {
    /// Adds a read that the operation computes something from.
    fn push(&mut self, reg: Reg, demand: Demand) {
        self.add(Read { reg, demand, passed_on: false });
    }

    /// Adds a read of which no more matters than of the result.
    fn pass_on(&mut self, reg: Reg) {
        self.add(Read { reg, demand: Demand::Full, passed_on: true });
    }

    fn add(&mut self, read: Read) {
        let free = self.list.iter_mut().find(|slot| slot.is_none());
        *free.expect("no instruction reads more than four times") = Some(read);
    }

    /// The reads.
    pub fn iter(&self) -> impl Iterator<Item = Read> + '_ {
        self.list.iter().flatten().copied()
    }
}

/// Whether all registers must be right at this instruction, because a host or the interpreter takes over.
pub fn sees_all(op: Op) -> bool {
    matches!(op, Op::Ecalli | Op::Sbrk)
}

/// The register an instruction writes.
pub fn written(instruction: &Instruction) -> Option<Reg> {
    let Instruction { op, a, d, .. } = *instruction;
    match op.info().format {
        Format::RegRegReg | Format::RegReg => Some(d),
        Format::RegImm64 | Format::RegImmOffset if matches!(op, Op::LoadImm64 | Op::LoadImmJump) => Some(a),
        Format::RegRegImmImm => Some(a),
        Format::RegImm if is_absolute_load(op) || op == Op::LoadImm => Some(a),
        Format::RegRegImm if !is_indirect_store(op) => Some(a),
        _ => None,
    }
}

/// The registers an instruction reads.
pub fn reads(instruction: &Instruction) -> Reads {
    use Demand::{Full, Low};
    let Instruction { op, a, b, d, x, .. } = *instruction;
    let mut reads = Reads::default();
    match op.info().format {
        Format::RegRegReg if matches!(op, Op::CmovIz | Op::CmovNz) => {
            reads.push(b, Full);
            reads.pass_on(a);
            reads.pass_on(d);
        }
        Format::RegRegReg if keeps_low(op) => {
            reads.pass_on(a);
            reads.pass_on(b);
        }
        Format::RegRegReg => {
            let demand = if low_operands(op) { Low } else { Full };
            reads.push(a, demand);
            // Amounts of shifts and rotations are taken modulo 32 or 64.
            reads.push(b, if is_shift_by_reg(op) { Low } else { demand });
            if passes_on(op) {
                reads.pass_on(a);
                reads.pass_on(b);
            }
        }
        Format::RegReg if keeps_low(op) => reads.pass_on(a),
        Format::RegReg => reads.push(a, if low_operands(op) { Low } else { Full }),
        Format::RegRegImm if is_indirect_store(op) => {
            reads.push(a, if op == Op::StoreIndU64 { Full } else { Low });
            reads.push(b, Low);
        }
        Format::RegRegImm if is_indirect_load(op) => reads.push(b, Low),
        Format::RegRegImm if keeps_low(op) && !low_by_immediate(op, x) => reads.pass_on(b),
        Format::RegRegImm => {
            reads.push(b, if low_operands(op) || low_by_immediate(op, x) { Low } else { Full });
            if passes_on(op) {
                reads.pass_on(a);
            }
        }
        Format::RegImmImm => reads.push(a, Low),
        Format::RegImm if is_absolute_store(op) => reads.push(a, if op == Op::StoreU64 { Full } else { Low }),
        Format::RegImm if op == Op::JumpInd => reads.push(a, Low),
        Format::RegRegImmImm => reads.push(b, Low),
        Format::RegImmOffset if op != Op::LoadImmJump => reads.push(a, Full),
        Format::RegRegOffset => {
            reads.push(a, Full);
            reads.push(b, Full);
        }
        _ => {}
    }
    reads
}

/// Whether the operation does nothing but compute its result, so that it need not execute when nobody looks at that.
pub fn is_pure(op: Op) -> bool {
    matches!(crate::lower::lowering(op), crate::lower::Lowering::Plain)
}

/// Whether the result is always the sign-extension of its lower 32 bits.
pub fn is_sign_extended(instruction: &Instruction) -> bool {
    let Instruction { op, x, .. } = *instruction;
    match op {
        Op::LoadImm64 => i32::try_from(x as i64).is_ok(),
        Op::LoadImm
        | Op::LoadU8
        | Op::LoadI8
        | Op::LoadU16
        | Op::LoadI16
        | Op::LoadI32
        | Op::LoadIndU8
        | Op::LoadIndI8
        | Op::LoadIndU16
        | Op::LoadIndI16
        | Op::LoadIndI32
        | Op::SetLtU
        | Op::SetLtS
        | Op::SetLtUImm
        | Op::SetLtSImm
        | Op::SetGtUImm
        | Op::SetGtSImm
        | Op::SignExtend8
        | Op::SignExtend16
        | Op::ZeroExtend16 => true,
        Op::AndImm => (x as i64) >= 0,
        _ => is_word_operation(op),
    }
}

/// Whether the operation works on 32 bits and sign-extends what comes out as its last step, so that this step can be left out
/// when nobody looks at the upper half.
pub fn can_be_narrow(op: Op) -> bool {
    is_word_operation(op) && !matches!(op, Op::DivU32 | Op::DivS32 | Op::RemU32 | Op::RemS32)
}

fn is_word_operation(op: Op) -> bool {
    matches!(
        op,
        Op::AddImm32
            | Op::NegAddImm32
            | Op::MulImm32
            | Op::ShloLImm32
            | Op::ShloRImm32
            | Op::SharRImm32
            | Op::ShloLImmAlt32
            | Op::ShloRImmAlt32
            | Op::SharRImmAlt32
            | Op::RotR32Imm
            | Op::RotR32ImmAlt
            | Op::Add32
            | Op::Sub32
            | Op::Mul32
            | Op::ShloL32
            | Op::ShloR32
            | Op::SharR32
            | Op::RotL32
            | Op::RotR32
            | Op::DivU32
            | Op::DivS32
            | Op::RemU32
            | Op::RemS32
    )
}

/// Operations that look at the lower 32 bits of their operands only.
fn low_operands(op: Op) -> bool {
    is_word_operation(op)
        || matches!(
            op,
            Op::CountSetBits32
                | Op::LeadingZeroBits32
                | Op::TrailingZeroBits32
                | Op::SignExtend8
                | Op::SignExtend16
                | Op::ZeroExtend16
        )
}

/// Operations with an immediate that makes them blind to the upper 32 bits.
fn low_by_immediate(op: Op, x: u64) -> bool {
    match op {
        Op::AndImm => (x as i64) >= 0,
        Op::ShloLImm64 => x % 64 >= 32,
        // The amount is in the register.
        Op::ShloLImmAlt64 | Op::ShloRImmAlt64 | Op::SharRImmAlt64 | Op::RotR64ImmAlt => true,
        _ => false,
    }
}

/// Operations of which each 32 low bits of the result depend on the 32 low bits of the operands only.
fn keeps_low(op: Op) -> bool {
    matches!(
        op,
        Op::MoveReg
            | Op::Add64
            | Op::Sub64
            | Op::Mul64
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::AndInv
            | Op::OrInv
            | Op::Xnor
            | Op::AddImm64
            | Op::NegAddImm64
            | Op::MulImm64
            | Op::AndImm
            | Op::OrImm
            | Op::XorImm
            | Op::ShloLImm64
    )
}

/// Whether the result of the operation is one of its operands, or a constant.
pub fn passes_on(op: Op) -> bool {
    matches!(op, Op::CmovIz | Op::CmovNz | Op::CmovIzImm | Op::CmovNzImm | Op::Min | Op::MinU | Op::Max | Op::MaxU)
}

fn is_shift_by_reg(op: Op) -> bool {
    matches!(
        op,
        Op::ShloL64
            | Op::ShloR64
            | Op::SharR64
            | Op::RotL64
            | Op::RotR64
            | Op::ShloL32
            | Op::ShloR32
            | Op::SharR32
            | Op::RotL32
            | Op::RotR32
    )
}

fn is_indirect_store(op: Op) -> bool {
    matches!(op, Op::StoreIndU8 | Op::StoreIndU16 | Op::StoreIndU32 | Op::StoreIndU64)
}

fn is_absolute_store(op: Op) -> bool {
    matches!(op, Op::StoreU8 | Op::StoreU16 | Op::StoreU32 | Op::StoreU64)
}

fn is_indirect_load(op: Op) -> bool {
    matches!(
        op,
        Op::LoadIndU8
            | Op::LoadIndI8
            | Op::LoadIndU16
            | Op::LoadIndI16
            | Op::LoadIndU32
            | Op::LoadIndI32
            | Op::LoadIndU64
    )
}

fn is_absolute_load(op: Op) -> bool {
    matches!(op, Op::LoadU8 | Op::LoadI8 | Op::LoadU16 | Op::LoadI16 | Op::LoadU32 | Op::LoadI32 | Op::LoadU64)
}

/// The registers that are written, as a set.
pub fn written_set(instruction: &Instruction) -> RegSet {
    written(instruction).map_or(RegSet::EMPTY, RegSet::of)
}

/// The registers that are read, as a set.
pub fn read_set(instruction: &Instruction) -> RegSet {
    reads(instruction).iter().fold(RegSet::EMPTY, |set, read| set.with(RegSet::of(read.reg)))
}

/// Whether the operation compares and branches.
pub fn is_branch(op: Op) -> bool {
    matches!(op.info().format, Format::RegRegOffset)
        || op.info().format == Format::RegImmOffset && op != Op::LoadImmJump
}
