//! Accesses come before what overwrites their addresses' parts.
//!
//! Compilers' schedulers put a step between an address and its access: `t = i + base; i = i + 1; [t] = x`. When the access came first, it
//! could add `i + base` itself ([`super::address`]), and the sum would go.
//!
//! *Assumes* that a fault ends execution and nobody sees registers then: done in services only. *Keeps* everything else: what moves behind an
//! access touches nothing that the access, or what is in between, reads or writes, and computes its result only. When the access
//! faults, the interpreter starts with it; what moved behind it comes before it in the program, and was charged with it.

use tvm_isa::{Instruction, Op, Reg};

use super::effects;
use super::registers::RegSet;
use crate::lower;

/// Most instructions before an access that are looked at.
pub(super) const WINDOW: usize = 8;

/// Puts a region's instructions, and their places in the program with them, in another order.
pub fn sink(region: &mut [Instruction], order: &mut [u16]) {
    // Where each register was last written a sum. Most accesses are at none, and need not be looked into.
    let mut sums = [None; Reg::COUNT];
    // The last instruction stays where it is.
    for index in 0..region.len().saturating_sub(1) {
        let instruction = region[index];
        let sum = lower::address_register(&instruction).and_then(|base| sums[base.index()]);
        if let Some(reg) = effects::written(&instruction) {
            sums[reg.index()] = is_sum(instruction.op).then_some(index);
        }
        if sum.is_none_or(|sum| index - sum > WINDOW) {
            continue;
        }
        let mut access = index;
        while let Some(step) = step_before(region, access) {
            region[step..=access].rotate_left(1);
            order[step..=access].rotate_left(1);
            access -= 1;
        }
    }
}

/// The instruction that is better behind the access at `access`: it overwrites what the address is made of.
fn step_before(region: &[Instruction], access: usize) -> Option<usize> {
    let base = lower::address_register(&region[access])?;
    let mut parts = RegSet::of(base);
    let mut reads = effects::read_set(&region[access]);
    let mut writes = effects::written_set(&region[access]);
    let mut movable: [Option<usize>; WINDOW] = [None; WINDOW];
    for (slot, at) in (0..WINDOW).zip((0..access).rev()) {
        let instruction = &region[at];
        let (own_reads, written) = (effects::read_set(instruction), effects::written_set(instruction));
        if written.meets(parts) {
            if !is_sum(instruction.op) {
                return None;
            }
            parts = parts.without(written).with(own_reads);
            let overwrites = |&step: &usize| effects::written_set(&region[step]).meets(own_reads);
            if let Some(step) = movable.iter().flatten().copied().find(overwrites) {
                return Some(step);
            }
        } else if effects::is_pure(instruction.op) && !written.meets(reads.with(writes)) && !own_reads.meets(writes) {
            movable[slot] = Some(at);
        }
        reads = reads.with(own_reads);
        writes = writes.with(written);
    }
    None
}

/// Whether addresses may be taken apart into what this operation reads.
fn is_sum(op: Op) -> bool {
    matches!(
        op,
        Op::MoveReg
            | Op::Add64
            | Op::Add32
            | Op::AddImm64
            | Op::AddImm32
            | Op::ShloLImm64
            | Op::ShloLImm32
            | Op::ShloRImm64
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tvm_isa::Pc;

    fn instruction(op: Op, a: u8, b: u8, d: u8) -> Instruction {
        let [a, b, d] = [a, b, d].map(Reg::clamped);
        Instruction { op, pc: Pc(0), length: 3, a, b, d, x: 1, y: 0 }
    }

    fn order(region: &[Instruction]) -> Vec<u16> {
        let mut order: Vec<_> = (0..).take(region.len()).collect();
        sink(&mut region.to_vec(), &mut order);
        order
    }

    /// `r3 = r1 + r2`
    const SUM: (Op, u8, u8, u8) = (Op::Add64, 1, 2, 3);
    /// `r1 = r1 + 1`
    const STEP: (Op, u8, u8, u8) = (Op::AddImm64, 1, 1, 0);
    /// `[r3] = r4`
    const STORE: (Op, u8, u8, u8) = (Op::StoreIndU8, 4, 3, 0);
    const END: (Op, u8, u8, u8) = (Op::Jump, 0, 0, 0);

    fn region(list: &[(Op, u8, u8, u8)]) -> Vec<Instruction> {
        list.iter().map(|&(op, a, b, d)| instruction(op, a, b, d)).collect()
    }

    #[test]
    fn a_step_moves_behind_the_access() {
        assert_eq!(order(&region(&[SUM, STEP, STORE, END])), [0, 2, 1, 3]);
        let other = (Op::AddImm64, 2, 2, 0);
        assert_eq!(order(&region(&[SUM, STEP, other, STORE, END])), [0, 3, 1, 2, 4], "both, in their order");
        assert_eq!(order(&region(&[SUM, STEP, STORE])), [0, 1, 2], "the last stays");
        assert_eq!(order(&region(&[STEP, SUM, STORE, END])), [0, 1, 2, 3], "nothing is overwritten");
    }

    /// An address that was loaded has no parts.
    #[test]
    fn a_step_moves_no_further_than_it_must() {
        let load = (Op::LoadIndU8, 3, 3, 0);
        assert_eq!(order(&region(&[SUM, STEP, load, STORE, END])), [0, 2, 1, 3, 4]);
    }

    #[test]
    fn nothing_moves_over_what_it_has_to_do_with() {
        let stays = |between: &[(Op, u8, u8, u8)], access| {
            let list = [&[SUM][..], between, &[access, END]].concat();
            let order = order(&region(&list));
            assert!(order.is_sorted(), "{order:?}");
        };
        stays(&[STEP], (Op::StoreIndU8, 1, 3, 0));
        stays(&[STEP], (Op::LoadIndU8, 1, 3, 0));
        stays(&[(Op::Add64, 5, 1, 1)], (Op::LoadIndU8, 5, 3, 0));
        stays(&[STEP, (Op::Add64, 1, 1, 6)], STORE);
        stays(&[(Op::LoadIndU8, 1, 5, 0)], STORE);
    }

    #[test]
    fn from_a_sum_to_its_access() {
        let apart = |between: usize| {
            let list = [vec![SUM, STEP], vec![(Op::LoadImm, 5, 0, 0); between], vec![STORE, END]].concat();
            !order(&region(&list)).is_sorted()
        };
        assert!(apart(0) && apart(WINDOW - 2));
        assert!(!apart(WINDOW - 1));
    }
}
