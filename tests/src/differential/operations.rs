//! Operations that idioms are made of ([`super::idioms`]).

use tvm_isa::Op;

/// Loads through a register.
pub const LOADS: [Op; 7] =
    [Op::LoadIndU8, Op::LoadIndI8, Op::LoadIndU16, Op::LoadIndI16, Op::LoadIndU32, Op::LoadIndI32, Op::LoadIndU64];
/// Stores through a register.
pub const STORES: [Op; 4] = [Op::StoreIndU8, Op::StoreIndU16, Op::StoreIndU32, Op::StoreIndU64];
/// Stores of a constant through a register.
pub const STORES_OF_IMMEDIATES: [Op; 4] =
    [Op::StoreImmIndU8, Op::StoreImmIndU16, Op::StoreImmIndU32, Op::StoreImmIndU64];
/// Branches on two registers.
pub const BRANCHES: [Op; 6] = [Op::BranchEq, Op::BranchNe, Op::BranchLtU, Op::BranchLtS, Op::BranchGeU, Op::BranchGeS];
/// Branches on a register and a constant.
pub const BRANCHES_IMM: [Op; 10] = [
    Op::BranchEqImm,
    Op::BranchNeImm,
    Op::BranchLtUImm,
    Op::BranchLeUImm,
    Op::BranchGeUImm,
    Op::BranchGtUImm,
    Op::BranchLtSImm,
    Op::BranchLeSImm,
    Op::BranchGeSImm,
    Op::BranchGtSImm,
];
/// Operations that have a form with an immediate, and some that do not.
pub const ARITHMETIC: [Op; 18] = [
    Op::Add64,
    Op::Add32,
    Op::Sub64,
    Op::Sub32,
    Op::And,
    Op::Or,
    Op::Xor,
    Op::Mul64,
    Op::Mul32,
    Op::SetLtU,
    Op::SetLtS,
    Op::ShloL64,
    Op::ShloR64,
    Op::SharR32,
    Op::CmovNz,
    Op::AndInv,
    Op::MaxU,
    Op::RemU32,
];
/// Operations on 32 bits of two registers.
pub const WORD_OPERATIONS: [Op; 10] = [
    Op::Add32,
    Op::Sub32,
    Op::Mul32,
    Op::ShloL32,
    Op::ShloR32,
    Op::SharR32,
    Op::RotR32,
    Op::RotL32,
    Op::DivU32,
    Op::RemS32,
];
/// Operations on 32 bits of a register and a constant.
pub const WORD_OPERATIONS_IMM: [Op; 8] = [
    Op::AddImm32,
    Op::NegAddImm32,
    Op::MulImm32,
    Op::ShloLImm32,
    Op::ShloRImm32,
    Op::SharRImm32,
    Op::RotR32Imm,
    Op::ShloRImmAlt32,
];
/// Operations that look at the upper half of what they are given.
pub const WIDE: [Op; 7] = [Op::Add64, Op::ShloR64, Op::SetLtU, Op::SetLtS, Op::MulUpperUU, Op::Xor, Op::MaxU];
/// Operations on all of a register and a constant, of which the lower half of the result depends on the lower half, or on both.
pub const WIDE_IMM: [Op; 9] = [
    Op::ShloLImm64,
    Op::ShloRImm64,
    Op::SharRImm64,
    Op::RotR64Imm,
    Op::AddImm64,
    Op::AndImm,
    Op::MulImm64,
    Op::SetLtUImm,
    Op::SetGtSImm,
];
