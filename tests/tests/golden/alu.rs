//! Arithmetic and logic on registers and immediates.

use tvm_isa::Op;
use tvm_tests::assemble::Inst;

use super::entry::Entry;
use super::forms::{A5, IMMEDIATES, IN_RAX, IN_RCX, R, SP, three, two, two_imm};

pub fn registers() -> Vec<Entry> {
    let ops = [
        Op::Add32,
        Op::Add64,
        Op::Sub32,
        Op::Sub64,
        Op::And,
        Op::Xor,
        Op::Or,
        Op::AndInv,
        Op::OrInv,
        Op::Xnor,
        Op::Max,
        Op::MaxU,
        Op::Min,
        Op::MinU,
    ];
    let mut entries: Vec<Entry> = ops.into_iter().flat_map(three).collect();
    // rbp and r13 as the base of an address need a displacement.
    for [a, b] in [[SP, A5], [A5, SP], [SP, R[0]], [R[0], SP], [SP, SP]] {
        entries.extend([Op::Add32, Op::Add64].map(|op| Entry::straight(Inst::three(op, R[1], a, b))));
    }
    entries.extend(two(Op::MoveReg));
    entries
}

pub fn immediates() -> Vec<Entry> {
    let ops = [
        Op::AddImm32,
        Op::AddImm64,
        Op::NegAddImm32,
        Op::NegAddImm64,
        Op::AndImm,
        Op::XorImm,
        Op::OrImm,
        Op::CmovIzImm,
        Op::CmovNzImm,
    ];
    let mut entries: Vec<Entry> = ops.into_iter().flat_map(|op| two_imm(op, &IMMEDIATES)).collect();
    entries.extend(two_imm(Op::AndImm, &[0xff, 0x100, 0xffff, 0x10000]));
    for x in IMMEDIATES {
        entries.push(Entry::straight(Inst::imm(Op::LoadImm, R[0], x)));
    }
    for x in [0, 1, -1, 0xffff_ffff, 0x1_0000_0000, i64::from(i32::MIN) - 1, i64::MIN, i64::MAX] {
        entries.push(Entry::straight(Inst::imm(Op::LoadImm64, R[0], x)));
    }
    entries
}

pub fn shifts() -> Vec<Entry> {
    let by_register = [
        Op::ShloL32,
        Op::ShloR32,
        Op::SharR32,
        Op::ShloL64,
        Op::ShloR64,
        Op::SharR64,
        Op::RotL64,
        Op::RotL32,
        Op::RotR64,
        Op::RotR32,
    ];
    let by_immediate = [
        Op::ShloLImm32,
        Op::ShloRImm32,
        Op::SharRImm32,
        Op::ShloLImm64,
        Op::ShloRImm64,
        Op::SharRImm64,
        Op::RotR64Imm,
        Op::RotR32Imm,
    ];
    let of_immediate = [
        Op::ShloLImmAlt32,
        Op::ShloRImmAlt32,
        Op::SharRImmAlt32,
        Op::ShloLImmAlt64,
        Op::ShloRImmAlt64,
        Op::SharRImmAlt64,
        Op::RotR64ImmAlt,
        Op::RotR32ImmAlt,
    ];
    let mut entries: Vec<Entry> = by_register.into_iter().flat_map(three).collect();
    entries.extend(by_immediate.into_iter().flat_map(|op| two_imm(op, &[0, 1, -1, 31, 32, 63, 64])));
    entries
        .extend(of_immediate.into_iter().flat_map(|op| two_imm(op, &[0, -1, 127, i32::MAX as i64, i32::MIN as i64])));
    entries
}

pub fn comparisons() -> Vec<Entry> {
    let ops = [Op::SetLtUImm, Op::SetLtSImm, Op::SetGtUImm, Op::SetGtSImm];
    let mut entries: Vec<Entry> =
        [Op::SetLtU, Op::SetLtS, Op::CmovIz, Op::CmovNz].into_iter().flat_map(three).collect();
    entries.extend(ops.into_iter().flat_map(|op| two_imm(op, &IMMEDIATES)));
    entries
}

/// Operations on the bits of one register.
const BITS: [Op; 10] = [
    Op::CountSetBits64,
    Op::CountSetBits32,
    Op::LeadingZeroBits64,
    Op::LeadingZeroBits32,
    Op::TrailingZeroBits64,
    Op::TrailingZeroBits32,
    Op::SignExtend8,
    Op::SignExtend16,
    Op::ZeroExtend16,
    Op::ReverseBytes,
];

pub fn bits() -> Vec<Entry> {
    let mut entries: Vec<Entry> = BITS.into_iter().flat_map(two).collect();
    // Low bytes of rbp, rsi and rdi need a REX prefix, those of the others may not.
    for source in 0..13 {
        if source != R[0] && source != R[1] {
            entries.push(Entry::straight(Inst::three(Op::SignExtend8, R[0], source, 0)));
        }
    }
    entries
}

/// What plain x86-64 does otherwise: shifts by a register, rotations, counting and `and_inv`.
pub fn baseline() -> Vec<Entry> {
    let mut entries = Vec::new();
    for op in [Op::ShloL32, Op::ShloR32, Op::SharR32, Op::ShloL64, Op::ShloR64, Op::SharR64, Op::AndInv] {
        entries.extend(three(op));
    }
    for op in [
        Op::ShloLImmAlt32,
        Op::ShloRImmAlt32,
        Op::SharRImmAlt32,
        Op::ShloLImmAlt64,
        Op::ShloRImmAlt64,
        Op::SharRImmAlt64,
    ] {
        entries.extend(two_imm(op, &[0, -1, i32::MAX as i64]));
    }
    entries.extend([Op::RotR64Imm, Op::RotR32Imm].into_iter().flat_map(|op| two_imm(op, &[0, 1, 31])));
    entries.extend([Op::ShloL64, Op::RotR32].into_iter().flat_map(by_cl));
    let imm = |a, b| Entry::straight(Inst::two(Op::RotR64ImmAlt, a, b, 5));
    entries.extend([[IN_RCX, R[0]], [R[0], IN_RCX], [IN_RCX, IN_RCX]].map(|[a, b]| imm(a, b)));
    let counts = &BITS[..6];
    entries.extend(counts.iter().flat_map(|&op| two(op)));
    // Counting needs a second temporary: rax, or rcx where rax is the destination.
    for op in [Op::CountSetBits64, Op::CountSetBits32] {
        for [d, a] in
            [[IN_RAX, R[0]], [IN_RCX, R[0]], [R[0], IN_RAX], [R[0], IN_RCX], [IN_RAX, IN_RCX], [IN_RCX, IN_RAX]]
        {
            entries.push(Entry::straight(Inst::three(op, d, a, 0)));
        }
    }
    entries
}

/// Destination, value and amount of a shift by `cl` in rcx and two other registers, in every way with rcx.
fn by_cl(op: Op) -> impl Iterator<Item = Entry> {
    let places = [IN_RCX, R[0], R[1]];
    let all = places.into_iter().flat_map(move |d| places.into_iter().flat_map(move |a| places.map(|b| [d, a, b])));
    all.filter(|registers| registers.contains(&IN_RCX)).map(move |[d, a, b]| Entry::straight(Inst::three(op, d, a, b)))
}
