//! The operands that every family is tried with.

use tvm_isa::Op;
use tvm_tests::assemble::Inst;

use super::entry::Entry;

/// t1, which rcx holds.
pub const IN_RCX: u8 = 3;
/// t2, which rax holds.
pub const IN_RAX: u8 = 4;
/// Three registers of which none is in rax or rcx; the first needs a REX prefix.
pub const R: [u8; 3] = [9, 7, 8];
/// sp, in rbp: without displacement it cannot be a base.
pub const SP: u8 = 1;
/// a5, in r13: without displacement it cannot be a base.
pub const A5: u8 = 12;
/// a4, in r12: as a base it needs a SIB byte.
pub const A4: u8 = 11;

/// Immediates at the edges of x86's forms.
pub const IMMEDIATES: [i64; 9] = [0, 1, -1, 127, 128, -128, -129, i32::MAX as i64, i32::MIN as i64];

/// Destination and two sources: distinct, and equal in every way.
pub const ALIASES: [[u8; 3]; 5] =
    [[R[0], R[1], R[2]], [R[0], R[0], R[1]], [R[0], R[1], R[0]], [R[0], R[1], R[1]], [R[0], R[0], R[0]]];

/// An operation on three registers in every way of [`ALIASES`].
pub fn three(op: Op) -> impl Iterator<Item = Entry> {
    ALIASES.into_iter().map(move |[d, a, b]| Entry::straight(Inst::three(op, d, a, b)))
}

/// An operation on two registers, distinct and equal.
pub fn two(op: Op) -> impl Iterator<Item = Entry> {
    [[R[0], R[1]], [R[0], R[0]]].into_iter().map(move |[d, a]| Entry::straight(Inst::three(op, d, a, 0)))
}

/// An operation on two registers, distinct and equal, and each of these immediates.
pub fn two_imm(op: Op, immediates: &[i64]) -> impl Iterator<Item = Entry> {
    let registers = [[R[0], R[1]], [R[0], R[0]]];
    immediates.iter().flat_map(move |&x| registers.map(|[a, b]| Entry::straight(Inst::two(op, a, b, x))))
}
