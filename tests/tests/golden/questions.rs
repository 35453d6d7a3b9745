//! What becomes of branches, conditional moves and comparisons: what they ask, and how that is compared.

use tvm_isa::Op;
use tvm_tests::assemble::Inst;

use super::entry::Entry;
use super::passes::{A, both, service};

pub fn compare() -> Vec<Entry> {
    let word = |to, from| Inst::two(Op::AddImm32, to, from, 1);
    let branch = |op| Inst::two(op, A[0], A[1], 0);
    let mut entries = Vec::new();
    for op in [Op::BranchLtU, Op::BranchGeS] {
        let region = [word(A[0], A[0]), word(A[1], A[1]), Inst { x: BRANCH_BYTES, ..branch(op) }];
        entries.extend(both("", &region, &[]));
    }
    let one = [word(A[0], A[0]), Inst { x: BRANCH_BYTES, ..branch(Op::BranchEq) }];
    entries.push(service("one side unknown", &one, &[]));
    entries.push(service("one side unknown and the other one wanted behind", &one, &[A[0]]));
    let turned = [word(A[1], A[1]), Inst { x: BRANCH_BYTES, ..branch(Op::BranchLtS) }];
    entries.extend(both("the left side unknown", &turned, &[]));
    let looked_at = [one[0], Inst::three(Op::Add64, A[2], A[2], A[0]), one[1]];
    entries.push(service("one side unknown and the other one looked at", &looked_at, &[A[2]]));
    let imm = Inst { y: BRANCH_BYTES + 1, ..Inst::imm(Op::BranchNeImm, A[0], 9) };
    entries.push(service("", &[word(A[0], A[0]), imm], &[]));
    entries.push(service("wanted behind", &[word(A[0], A[0]), imm], &[A[0]]));
    entries.push(service("leads nowhere", &[word(A[0], A[0]), Inst { y: 1, ..imm }], &[]));
    entries
}

/// Length of a branch on two registers: one this far leads to the next block.
const BRANCH_BYTES: i64 = 6;

pub fn question() -> Vec<Entry> {
    let [one, two, answer, out, other, ..] = A;
    let less = Inst::three(Op::SetLtU, answer, one, two);
    let moves = |op| Inst::three(op, out, other, answer);
    let mut entries = Vec::new();
    entries.extend(both("", &[less, moves(Op::CmovNz)], &[out]));
    entries.push(service("wanted behind", &[less, moves(Op::CmovIz)], &[answer, out]));
    let imm = Inst::two(Op::CmovIzImm, out, answer, 5);
    entries.push(service("", &[Inst::two(Op::SetGtSImm, answer, one, -7), imm], &[out]));
    for op in [Op::Xor, Op::And, Op::Sub64] {
        entries.push(service("", &[Inst::three(op, answer, one, two), moves(Op::CmovIz)], &[out]));
    }
    for (op, x) in [(Op::AndImm, 8), (Op::AndImm, -8), (Op::XorImm, 8), (Op::AddImm64, 8), (Op::ShloRImm64, 63)] {
        entries.push(service("", &[Inst::two(op, answer, one, x), moves(Op::CmovNz)], &[out]));
    }
    let turned = Inst::two(Op::XorImm, out, answer, 1);
    entries.push(service("", &[less, turned], &[out]));
    entries.push(service("wanted behind", &[less, turned], &[answer, out]));
    let differ = Inst::three(Op::Xor, answer, one, two);
    let equal = Inst::two(Op::SetLtUImm, answer, answer, 1);
    entries.push(service("", &[differ, equal], &[answer]));
    entries.push(service("", &[differ, equal, Inst::two(Op::XorImm, answer, answer, 1), moves(Op::CmovNz)], &[out]));
    let branch = |op| Inst { y: BRANCH_BYTES, ..Inst::imm(op, answer, 0) };
    entries.push(service("", &[Inst::two(Op::AndImm, answer, one, 4), branch(Op::BranchNeImm)], &[]));
    entries.push(service("", &[Inst::two(Op::ShloLImm64, answer, one, 52), branch(Op::BranchGeSImm)], &[]));
    let words = [one, two].map(|reg| Inst::two(Op::AddImm32, reg, reg, 1));
    let least = Inst::three(Op::MinU, out, one, two);
    entries.push(service("", &[words[0], words[1], least, Inst::imm(Op::StoreU32, out, 0x2_0000)], &[]));
    entries.push(service("", &[words[0], words[1], less, moves(Op::CmovIz)], &[out]));
    entries
}
