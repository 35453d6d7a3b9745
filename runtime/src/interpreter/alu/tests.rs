//! Expected values are written from the Gray Paper's tables, not computed.

use std::collections::BTreeSet;

use tvm_isa::{OPERATIONS, Op};

use super::*;

const ONES: u64 = u64::MAX;
const MIN64: u64 = 1 << 63;
const MAX64: u64 = MIN64 - 1;
const MIN32: u64 = 0xffff_ffff_8000_0000;
const MINUS_2: u64 = ONES - 1;
const MINUS_3: u64 = ONES - 2;
const MINUS_7: u64 = ONES - 6;
/// Upper half that operations of 32 bits must not look at.
const NOISE: u64 = 0xdead_beef_0000_0000;
const OLD: u64 = 0x0123_4567_89ab_cdef;

/// Operation, left operand, right operand, result; the destination holds [`OLD`] before.
type Case = (Op, u64, u64, u64);

#[rustfmt::skip]
const ONE_OPERAND: &[Case] = &[
    (Op::LoadImm, 0, ONES, ONES),
    (Op::LoadImm64, 0, OLD, OLD),
    (Op::MoveReg, MIN64, 0, MIN64),
    (Op::CountSetBits64, 0, 0, 0),
    (Op::CountSetBits64, ONES, 0, 64),
    (Op::CountSetBits64, NOISE, 0, 24),
    (Op::CountSetBits32, NOISE, 0, 0),
    (Op::CountSetBits32, ONES, 0, 32),
    (Op::LeadingZeroBits64, 0, 0, 64),
    (Op::LeadingZeroBits64, 1, 0, 63),
    (Op::LeadingZeroBits64, MIN64, 0, 0),
    (Op::LeadingZeroBits32, NOISE, 0, 32),
    (Op::LeadingZeroBits32, NOISE | 1, 0, 31),
    (Op::LeadingZeroBits32, 0x8000_0000, 0, 0),
    (Op::TrailingZeroBits64, 0, 0, 64),
    (Op::TrailingZeroBits64, MIN64, 0, 63),
    (Op::TrailingZeroBits64, 1, 0, 0),
    (Op::TrailingZeroBits32, NOISE, 0, 32),
    (Op::TrailingZeroBits32, NOISE | 0x8000_0000, 0, 31),
    (Op::SignExtend8, 0xff7f, 0, 0x7f),
    (Op::SignExtend8, 0x0080, 0, 0xffff_ffff_ffff_ff80),
    (Op::SignExtend16, 0xff_7fff, 0, 0x7fff),
    (Op::SignExtend16, 0x00_8000, 0, 0xffff_ffff_ffff_8000),
    (Op::ZeroExtend16, ONES, 0, 0xffff),
    (Op::ReverseBytes, 0x0123_4567_89ab_cdef, 0, 0xefcd_ab89_6745_2301),
];

#[rustfmt::skip]
const SUMS_AND_PRODUCTS: &[Case] = &[
    (Op::Add32, 0x7fff_ffff, 1, MIN32),
    (Op::Add32, NOISE | 0xffff_ffff, NOISE | 1, 0),
    (Op::AddImm32, 0x7fff_ffff, ONES, 0x7fff_fffe),
    (Op::Sub32, 0, 1, ONES),
    (Op::Sub32, NOISE, 0x8000_0000, MIN32),
    (Op::NegAddImm32, 1, 0, ONES),
    (Op::NegAddImm32, NOISE | 5, 3, MINUS_2),
    (Op::Mul32, NOISE | 0x10000, 0x8000, MIN32),
    (Op::Mul32, 0xffff_ffff, 0xffff_ffff, 1),
    (Op::MulImm32, 0xffff_ffff, ONES, 1),
    (Op::Add64, ONES, 1, 0),
    (Op::AddImm64, MAX64, 1, MIN64),
    (Op::Sub64, 0, 1, ONES),
    (Op::Sub64, MIN64, 1, MAX64),
    (Op::NegAddImm64, 1, 0, ONES),
    (Op::NegAddImm64, ONES, ONES, 0),
    (Op::Mul64, MIN64, 2, 0),
    (Op::Mul64, ONES, ONES, 1),
    (Op::MulImm64, MIN64, ONES, MIN64),
    (Op::MulUpperSS, ONES, ONES, 0),
    (Op::MulUpperSS, MIN64, MIN64, 1 << 62),
    (Op::MulUpperSS, MIN64, MAX64, 0xc000_0000_0000_0000),
    (Op::MulUpperSS, ONES, 1, ONES),
    (Op::MulUpperUU, ONES, ONES, MINUS_2),
    (Op::MulUpperUU, MIN64, 2, 1),
    (Op::MulUpperSU, ONES, ONES, ONES),
    (Op::MulUpperSU, MIN64, ONES, MIN64),
    (Op::MulUpperSU, MAX64, ONES, MAX64 - 1),
    (Op::MulUpperSU, 1, ONES, 0),
];

#[rustfmt::skip]
const DIVISIONS: &[Case] = &[
    (Op::DivU32, NOISE | 7, NOISE, ONES),
    (Op::DivU32, 0xffff_ffff, 1, ONES),
    (Op::DivU32, NOISE | 7, NOISE | 2, 3),
    (Op::DivS32, 7, NOISE, ONES),
    (Op::DivS32, 0, 0, ONES),
    (Op::DivS32, 0x8000_0000, 0xffff_ffff, MIN32),
    (Op::DivS32, 0xffff_fff9, 2, MINUS_3),
    (Op::DivS32, 7, MINUS_2, MINUS_3),
    (Op::RemU32, NOISE | 0x8000_0001, NOISE, 0xffff_ffff_8000_0001),
    (Op::RemU32, 0xffff_ffff, 0x1_0000, 0xffff),
    (Op::RemU32, 0xffff_fffe, 0xffff_ffff, MINUS_2),
    (Op::RemS32, NOISE | 0x8000_0001, NOISE, 0xffff_ffff_8000_0001),
    (Op::RemS32, 0x8000_0000, 0xffff_ffff, 0),
    (Op::RemS32, 0xffff_fff9, 4, MINUS_3),
    (Op::RemS32, 7, 0xffff_fffc, 3),
    (Op::DivU64, 7, 0, ONES),
    (Op::DivU64, ONES, 2, MAX64),
    (Op::DivS64, 7, 0, ONES),
    (Op::DivS64, MIN64, ONES, MIN64),
    (Op::DivS64, MINUS_7, 2, MINUS_3),
    (Op::RemU64, MIN64, 0, MIN64),
    (Op::RemU64, ONES, 1 << 32, 0xffff_ffff),
    (Op::RemS64, MIN64, 0, MIN64),
    (Op::RemS64, MIN64, ONES, 0),
    (Op::RemS64, MINUS_7, 4, MINUS_3),
    (Op::RemS64, 7, ONES - 3, 3),
];

#[rustfmt::skip]
const SHIFTS: &[Case] = &[
    (Op::ShloL32, 1, 31, MIN32),
    (Op::ShloL32, 1, 32, 1),
    (Op::ShloL32, 3, ONES, MIN32),
    (Op::ShloLImm32, NOISE | 1, 63, MIN32),
    (Op::ShloLImmAlt32, 33, 5, 10),
    (Op::ShloR32, NOISE | 0x8000_0000, 31, 1),
    (Op::ShloR32, NOISE | 0x8000_0000, 32, MIN32),
    (Op::ShloRImm32, 0xffff_ffff, ONES, 1),
    (Op::ShloRImmAlt32, 4, ONES, 0x0fff_ffff),
    (Op::ShloRImmAlt32, 32, ONES, ONES),
    (Op::SharR32, NOISE | 0x8000_0000, 31, ONES),
    (Op::SharR32, 0x7fff_ffff, 30, 1),
    (Op::SharR32, 0x8000_0000, 64, MIN32),
    (Op::SharRImm32, 0x8000_0000, 33, 0xffff_ffff_c000_0000),
    (Op::SharRImmAlt32, NOISE | 35, MIN32, 0xffff_ffff_f000_0000),
    (Op::ShloL64, 1, 63, MIN64),
    (Op::ShloL64, 1, 64, 1),
    (Op::ShloLImm64, 3, ONES, MIN64),
    (Op::ShloLImmAlt64, 65, 5, 10),
    (Op::ShloR64, MIN64, 63, 1),
    (Op::ShloR64, MIN64, 128, MIN64),
    (Op::ShloRImm64, ONES, 32, 0xffff_ffff),
    (Op::ShloRImmAlt64, 60, ONES, 15),
    (Op::SharR64, MIN64, 63, ONES),
    (Op::SharR64, MIN64, 64, MIN64),
    (Op::SharRImm64, MIN64, 65, 0xc000_0000_0000_0000),
    (Op::SharRImmAlt64, 62, MIN64, MINUS_2),
    (Op::RotL64, MIN64 | 1, 1, 3),
    (Op::RotL64, OLD, 64, OLD),
    (Op::RotL32, NOISE | 0x4000_0001, 1, 0xffff_ffff_8000_0002),
    (Op::RotL32, NOISE | 0x8000_0001, 33, 3),
    (Op::RotR64, 1, 65, MIN64),
    (Op::RotR64, OLD, 0, OLD),
    (Op::RotR64Imm, 3, ONES, 6),
    (Op::RotR64ImmAlt, 1, 1, MIN64),
    (Op::RotR32, NOISE | 1, 33, MIN32),
    (Op::RotR32, NOISE | 0x8000_0000, 0, MIN32),
    (Op::RotR32Imm, NOISE | 2, 1, 1),
    (Op::RotR32ImmAlt, NOISE | 4, ONES << 4, 0x0fff_ffff),
];

#[rustfmt::skip]
const LOGIC_AND_ORDER: &[Case] = &[
    (Op::And, 0b1100, 0b1010, 0b1000),
    (Op::AndImm, OLD, ONES, OLD),
    (Op::Xor, 0b1100, 0b1010, 0b0110),
    (Op::XorImm, OLD, ONES, !OLD),
    (Op::Or, 0b1100, 0b1010, 0b1110),
    (Op::OrImm, MIN64, 1, MIN64 | 1),
    (Op::AndInv, 0b1100, 0b1010, 0b0100),
    (Op::OrInv, 0b1100, 0b1010, !0b0010),
    (Op::Xnor, 0b1100, 0b1010, !0b0110),
    (Op::SetLtU, MAX64, MIN64, 1),
    (Op::SetLtU, 5, 5, 0),
    (Op::SetLtUImm, 0, ONES, 1),
    (Op::SetLtS, MAX64, MIN64, 0),
    (Op::SetLtS, MIN64, MAX64, 1),
    (Op::SetLtSImm, 0, ONES, 0),
    (Op::SetLtSImm, ONES, 0, 1),
    (Op::SetGtUImm, 0, ONES, 0),
    (Op::SetGtUImm, ONES, 0, 1),
    (Op::SetGtUImm, 5, 5, 0),
    (Op::SetGtSImm, 0, ONES, 1),
    (Op::SetGtSImm, MIN64, 0, 0),
    (Op::Max, MIN64, 1, 1),
    (Op::MaxU, MIN64, 1, MIN64),
    (Op::Min, MIN64, 1, MIN64),
    (Op::MinU, MIN64, 1, 1),
    (Op::CmovIz, 7, 0, 7),
    (Op::CmovIz, 7, MIN64, OLD),
    (Op::CmovNz, 7, MIN64, 7),
    (Op::CmovNz, 7, 0, OLD),
    (Op::CmovIzImm, 0, 7, 7),
    (Op::CmovIzImm, 1 << 32, 7, OLD),
    (Op::CmovNzImm, 1 << 32, 7, 7),
    (Op::CmovNzImm, 0, 7, OLD),
];

fn all_cases() -> impl Iterator<Item = &'static Case> {
    [ONE_OPERAND, SUMS_AND_PRODUCTS, DIVISIONS, SHIFTS, LOGIC_AND_ORDER].into_iter().flatten()
}

#[test]
fn results_are_the_gray_papers() {
    for &(op, left, right, expected) in all_cases() {
        let found = evaluate(op, left, right, OLD);
        assert_eq!(found, Some(expected), "{} {left:#x} {right:#x}: expected {expected:#x}", op.name());
    }
}

#[test]
fn every_arithmetic_operation_is_among_the_cases() {
    let tested: BTreeSet<Op> = all_cases().map(|case| case.0).collect();
    let known: BTreeSet<Op> =
        OPERATIONS.iter().map(|row| row.op).filter(|&op| evaluate(op, 0, 0, 0).is_some()).collect();
    assert_eq!(tested, known);
}

#[test]
fn operands_come_from_the_fields_of_the_format() {
    let instruction = |op, x| Instruction {
        op,
        pc: tvm_isa::Pc(0),
        length: 3,
        a: Reg::clamped(1),
        b: Reg::clamped(2),
        d: Reg::clamped(3),
        x,
        y: 0,
    };
    let mut regs = [0; Reg::COUNT];
    (regs[1], regs[2], regs[3]) = (10, 20, 30);
    let cases = [
        (Op::LoadImm, 1, 7),
        (Op::MoveReg, 3, 10),
        (Op::NegAddImm64, 1, 7_u64.wrapping_sub(20)),
        (Op::CmovIzImm, 1, 10),
        (Op::Sub64, 3, 10_u64.wrapping_sub(20)),
        (Op::CmovIz, 3, 30),
    ];
    for (op, destination, value) in cases {
        assert_eq!(result(&instruction(op, 7), &regs), Some((Reg::clamped(destination), value)), "{}", op.name());
    }
    assert_eq!(result(&instruction(Op::LoadU8, 7), &regs), None);
    assert_eq!(result(&instruction(Op::StoreIndU8, 7), &regs), None);
    assert_eq!(result(&instruction(Op::Sbrk, 7), &regs), None);
}
