//! Tests: limits of the passes, at and one past them.

use tvm_isa::{Instruction, Op, Pc, Reg};

use super::address::MAX_STEPS;
use super::compare::Comparison;
use super::effects::Demand;
use super::flow::Block;
use super::liveness::MAX_ROUNDS;
use super::testing::{forms, inst, planned};
use super::{Address, Flow, Form, Live, Liveness};
use super::{carry, compare, forward, holders, late, operand, product, question};

/// Blocks that each jump to the one before them, the first of which looks at `reg`.
fn jumping_backwards(count: u32, reg: Reg) -> Flow {
    let mut blocks: Vec<Block> =
        (0..count).map(|number| Block { next: [number.checked_sub(1), None], ..Block::default() }).collect();
    blocks[0].looks_at.add(reg, Demand::Full);
    Flow { loops: vec![None; blocks.len()], blocks, ..Flow::default() }
}

/// Blocks are gone through from the last to the first, so that each round brings it one block further. The last
/// round sees that nothing changes.
#[test]
fn rounds_over_the_blocks() {
    let reg = Reg::clamped(7);
    let mut only = Live::NONE;
    only.add(reg, Demand::Full);
    let at_most = MAX_ROUNDS as u32 - 1;
    let behind_last = |count| Liveness::new(&jumping_backwards(count, reg), false).behind(count - 1);
    assert_eq!(behind_last(at_most), only);
    assert_eq!(behind_last(at_most + 1), Live::ALL);
}

/// The address of a load behind so many additions of 1, each to the register before.
fn address_behind(additions: u8) -> Form {
    // The second register is written once, the others behind it again and again.
    let reg_behind = |additions: u8| if additions < 2 { additions } else { 2 + additions % 9 };
    let add = |number: u8| inst(Op::AddImm64, reg_behind(number), reg_behind(number - 1), 1);
    let mut region: Vec<_> = (1..=additions).map(add).collect();
    region.push(inst(Op::LoadIndU8, 12, reg_behind(additions), 0));
    planned(&region, Live::ALL).last().expect("the load is planned").form
}

#[test]
fn steps_from_an_address_to_what_it_comes_from() {
    let at = |reg: u8| Form::At(Address { base: Some(Reg::clamped(reg)), index: None, disp: MAX_STEPS as i32 });
    assert_eq!(address_behind(MAX_STEPS as u8), at(0));
    assert_eq!(address_behind(MAX_STEPS as u8 + 1), at(1));
}

fn instruction(op: Op, a: u8, b: u8, d: u8) -> Instruction {
    let [a, b, d] = [a, b, d].map(Reg::clamped);
    Instruction { op, pc: Pc(0), length: 3, a, b, d, x: 7, y: 0 }
}

/// Two instructions, the second one so many behind the first, with stores between them.
fn apart(first: Instruction, second: Instruction, distance: usize) -> Vec<Instruction> {
    let mut region = vec![first];
    region.resize(distance, instruction(Op::StoreIndU8, 11, 12, 0));
    region.push(second);
    region
}

#[test]
fn from_a_load_to_its_operation() {
    let combined = |distance| {
        let region = apart(instruction(Op::LoadIndU64, 3, 2, 0), instruction(Op::Xor, 1, 3, 1), distance);
        forms(&region, &[1]).iter().any(|form| matches!(form, Form::Operand(_)))
    };
    assert!(combined(1) && combined(operand::MAX_DISTANCE));
    assert!(!combined(operand::MAX_DISTANCE + 1));
}

#[test]
fn from_an_addition_to_that_of_its_carry() {
    let joined = |distance| {
        let mut region = apart(instruction(Op::Add64, 1, 2, 1), instruction(Op::Add64, 4, 3, 4), distance);
        region[distance - 1] = instruction(Op::SetLtU, 1, 2, 3);
        forms(&region, &[1, 4]).iter().any(|form| matches!(form, Form::Carrying(..)))
    };
    assert!(joined(carry::MAX_DISTANCE) && !joined(carry::MAX_DISTANCE + 1));
}

#[test]
fn from_one_half_of_a_product_to_the_other() {
    // In another register than the first half, and in the same.
    for d in [4, 3] {
        let joined = |distance| {
            let mut region = apart(instruction(Op::Mul64, 1, 2, 3), instruction(Op::MulUpperUU, 1, 2, d), distance);
            region[1] = instruction(Op::StoreIndU64, 3, 12, 0);
            forms(&region, &[3, 4]).iter().any(|form| matches!(form, Form::Product(_)))
        };
        assert!(joined(product::MAX_DISTANCE) && !joined(product::MAX_DISTANCE + 1));
    }
}

/// Rotated words, each combined with all before it.
#[test]
fn bitwise_operations_before_a_late_extension() {
    let last_form = |operations: usize| {
        let mut region: Vec<_> = (0..=1).map(|reg| instruction(Op::RotR32Imm, reg, reg, 0)).collect();
        region.push(instruction(Op::Xor, 0, 1, 0));
        for _ in 1..operations {
            // With a word that has no extension to save.
            region.push(instruction(Op::SetLtUImm, 2, 3, 0));
            region.push(instruction(Op::Xor, 0, 2, 0));
        }
        *forms(&region, &[0]).last().expect("there are instructions")
    };
    assert_eq!(last_form(1), Form::Late);
    assert_eq!(last_form(late::MAX_DEPTH + 1), Form::Late);
    assert_eq!(last_form(late::MAX_DEPTH + 2), Form::Plain);
}

/// Ones that are added in one register: nobody looks at the sums in between.
#[test]
fn additions_taken_together() {
    let all_but_last_go = |additions: usize| {
        let region = vec![Instruction { x: 1, ..instruction(Op::AddImm64, 3, 3, 0) }; additions];
        let forms = forms(&region, &[3]);
        forms[..additions - 1].iter().all(|&form| form == Form::Nothing)
    };
    assert!(all_but_last_go(2) && all_but_last_go(holders::MAX_WRITES));
    assert!(!all_but_last_go(holders::MAX_WRITES + 1));
}

/// Whether a conditional move behind so many of these, each made of the one before and the first of a comparison, asks that comparison.
fn asks_the_comparison(between: Instruction, count: usize) -> bool {
    let mut region = vec![instruction(Op::SetLtS, 1, 2, 3)];
    region.resize(1 + count, between);
    region.push(instruction(Op::CmovIz, 4, 3, 5));
    let form = forms(&region, &[5]).pop();
    form.and_then(|form| form.question().copied()).is_some_and(|question| question.left == Reg::clamped(1))
}

#[test]
fn steps_from_a_question_to_what_it_is_asked_of() {
    let is_zero = Instruction { x: 1, ..instruction(Op::SetLtUImm, 3, 3, 0) };
    assert!(asks_the_comparison(is_zero, question::MAX_STEPS - 1));
    assert!(!asks_the_comparison(is_zero, question::MAX_STEPS));
}

#[test]
fn steps_in_which_a_value_must_turn_out_to_be_a_truth() {
    let turned_round = Instruction { x: 1, ..instruction(Op::XorImm, 3, 3, 0) };
    // The first of these is the step to what must be 0 or 1.
    assert!(asks_the_comparison(turned_round, question::MAX_TRUTH_STEPS + 1));
    assert!(!asks_the_comparison(turned_round, question::MAX_TRUTH_STEPS + 2));
}

#[test]
fn steps_in_which_a_value_must_turn_out_to_be_extended() {
    let comparison = |operations: usize| {
        let mut region = vec![instruction(Op::AddImm32, 1, 1, 0)];
        region.resize(1 + operations, Instruction { x: 7, ..instruction(Op::XorImm, 1, 1, 0) });
        region.push(instruction(Op::BranchLtUImm, 1, 0, 0));
        let form = forms(&region, &[]).pop();
        form.and_then(|form| form.question().copied()).map(|question| question.comparison)
    };
    assert_eq!(comparison(compare::MAX_DEPTH), Some(Comparison::Low));
    assert_eq!(comparison(compare::MAX_DEPTH + 1), None);
}

/// A word, and others behind it that are stored before it is loaded.
#[test]
fn stores_that_are_remembered() {
    let is_held = |others: usize| {
        let place = |number: usize| Instruction { x: 8 * number as u64, ..instruction(Op::StoreIndU64, 3, 2, 0) };
        let mut region: Vec<_> = (0..=others).map(place).collect();
        region.push(Instruction { x: 0, ..instruction(Op::LoadIndU64, 4, 2, 0) });
        forms(&region, &[4]).pop() == Some(Form::Held)
    };
    assert!(is_held(forward::MAX_STORES - 1) && !is_held(forward::MAX_STORES));
}
