//! Loads and stores.

use tvm_isa::Op;
use tvm_tests::assemble::Inst;

use super::entry::Entry;
use super::forms::{A4, IMMEDIATES, R, SP};

const ABSOLUTE: [Op; 11] = [
    Op::LoadU8,
    Op::LoadI8,
    Op::LoadU16,
    Op::LoadI16,
    Op::LoadU32,
    Op::LoadI32,
    Op::LoadU64,
    Op::StoreU8,
    Op::StoreU16,
    Op::StoreU32,
    Op::StoreU64,
];

const INDIRECT: [Op; 11] = [
    Op::LoadIndU8,
    Op::LoadIndI8,
    Op::LoadIndU16,
    Op::LoadIndI16,
    Op::LoadIndU32,
    Op::LoadIndI32,
    Op::LoadIndU64,
    Op::StoreIndU8,
    Op::StoreIndU16,
    Op::StoreIndU32,
    Op::StoreIndU64,
];

const STORE_IMM: [Op; 4] = [Op::StoreImmU8, Op::StoreImmU16, Op::StoreImmU32, Op::StoreImmU64];

const STORE_IMM_IND: [Op; 4] = [Op::StoreImmIndU8, Op::StoreImmIndU16, Op::StoreImmIndU32, Op::StoreImmIndU64];

/// The last page of the address space, as the sign-extended immediate that names it.
const LAST_PAGE: i64 = -4096;

pub fn all() -> Vec<Entry> {
    let mut entries = Vec::new();
    for op in ABSOLUTE {
        entries.extend([0, 0x2_0004, LAST_PAGE].map(|x| Entry::straight(Inst::imm(op, R[1], x))));
        entries.push(Entry::straight(Inst::imm(op, R[0], 0x2_0004)));
    }
    for op in STORE_IMM {
        for (x, y) in [(0x2_0004, 0), (0x2_0004, -1), (0x2_0004, 0x1234_5678), (LAST_PAGE, i64::from(i32::MIN))] {
            entries.push(Entry::straight(Inst { x, y, ..Inst::new(op) }));
        }
    }
    for op in INDIRECT {
        // Another register as base, and the register itself.
        for (a, b) in [(R[1], R[2]), (R[1], R[1]), (R[0], A4)] {
            entries.extend([0, 8].map(|x| Entry::straight(Inst::two(op, a, b, x))));
        }
    }
    for op in STORE_IMM_IND {
        for (x, y) in [(0, 0), (127, -1), (128, 0x1234_5678), (-8, i64::from(i32::MIN))] {
            entries.push(Entry::straight(Inst { a: R[1], x, y, ..Inst::new(op) }));
        }
    }
    // Every register as base: some need a displacement, one a SIB byte.
    for base in (0..13).filter(|&base| base != R[1] && base != R[2]) {
        entries.extend([0, 1].map(|x| Entry::straight(Inst::two(Op::LoadIndU64, R[1], base, x))));
    }
    // Every register as an operand of one byte: some need a REX prefix that says nothing.
    for value in (0..13).filter(|&value| value != R[1]) {
        entries.push(Entry::straight(Inst::two(Op::StoreIndU8, value, SP, 0)));
    }
    let edges = IMMEDIATES.into_iter().filter(|x| *x != 0 && *x != 1);
    entries.extend(edges.map(|x| Entry::straight(Inst::two(Op::LoadIndU32, R[1], R[2], x))));
    entries
}
