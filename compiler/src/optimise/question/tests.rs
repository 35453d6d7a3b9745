//! Tests: what is asked instead of what.

use super::*;
use crate::optimise::testing::{forms, inst, three};

/// What the last instruction of a region asks, whose result alone is looked at; the others go.
fn asks(region: &[Instruction]) -> Option<(Condition, Reg, Side, Comparison)> {
    let last = region.last().expect("there is one");
    let result = effects::written(last).map(|reg| reg.index() as u8);
    let forms = forms(region, result.as_slice());
    let (last, others) = forms.split_last().expect("there is one");
    assert!(others.iter().all(|&form| form == Form::Nothing), "{forms:?}");
    let Question { condition, left, right, comparison, .. } = *last.question()?;
    Some((condition, left, right, comparison))
}

const MOVE: (Op, u8, u8, u8) = (Op::CmovNz, 9, 8, 3);

/// `r9 = r8 unless r3 is 0`, behind what makes r3.
fn moves_when(answer: Instruction) -> Option<(Condition, Reg, Side, Comparison)> {
    let (op, d, a, b) = MOVE;
    asks(&[answer, three(op, d, a, b)])
}

#[test]
fn of_what_gave_the_answer() {
    let [one, two] = [1, 2].map(Reg::clamped);
    let whole = |condition, right| Some((condition, one, right, Comparison::Whole));
    let common = |right, how| Some((Condition::NotEqual, one, right, how));
    assert_eq!(moves_when(three(Op::SetLtU, 3, 1, 2)), whole(Condition::Below, Side::Reg(two)));
    assert_eq!(moves_when(three(Op::SetLtS, 3, 1, 2)), whole(Condition::Less, Side::Reg(two)));
    assert_eq!(moves_when(inst(Op::SetGtSImm, 3, 1, -5)), whole(Condition::Greater, Side::Imm(-5)));
    for op in [Op::Xor, Op::Sub64] {
        assert_eq!(moves_when(three(op, 3, 1, 2)), whole(Condition::NotEqual, Side::Reg(two)));
    }
    assert_eq!(moves_when(inst(Op::XorImm, 3, 1, 6)), whole(Condition::NotEqual, Side::Imm(6)));
    assert_eq!(moves_when(inst(Op::AddImm64, 3, 1, 6)), whole(Condition::NotEqual, Side::Imm(-6)));
    assert_eq!(moves_when(three(Op::And, 3, 1, 2)), common(Side::Reg(two), Comparison::Common));
    assert_eq!(moves_when(inst(Op::AndImm, 3, 1, 6)), common(Side::Imm(6), Comparison::CommonLow));
    assert_eq!(moves_when(inst(Op::AndImm, 3, 1, -6)), common(Side::Imm(-6), Comparison::Common));
    assert_eq!(moves_when(inst(Op::ShloRImm64, 3, 1, 63)), whole(Condition::Less, Side::Imm(0)));
}

#[test]
fn not_of_what_does_not_say_the_same() {
    let itself = |answer| {
        let (op, d, a, b) = MOVE;
        *forms(&[answer, three(op, d, a, b)], &[9]).last().expect("there is one") == Form::Plain
    };
    assert!(itself(inst(Op::AddImm64, 3, 1, i32::MIN.into())), "no constant has that sign turned round");
    assert!(itself(three(Op::Add64, 3, 1, 2)) && itself(three(Op::Or, 3, 1, 2)));
    assert!(itself(inst(Op::ShloRImm64, 3, 1, 62)) && itself(inst(Op::ShloLImm64, 3, 1, 63)));
    // What it came from is gone.
    let overwritten = [three(Op::SetLtU, 3, 1, 2), inst(Op::LoadIndU64, 1, 7, 0), three(Op::CmovNz, 9, 8, 3)];
    let itself = forms(&overwritten, &[1, 9])[2];
    assert!(itself.question().is_some_and(|question| question.left == Reg::clamped(3)));
}

#[test]
fn turned_round() {
    let less = three(Op::SetLtS, 3, 1, 2);
    let asked = |turn: Instruction| asks(&[less, turn, three(Op::CmovNz, 9, 8, 3)]).map(|(condition, ..)| condition);
    assert_eq!(asked(inst(Op::XorImm, 3, 3, 1)), Some(Condition::GreaterOrEqual));
    assert_eq!(asked(inst(Op::SetLtUImm, 3, 3, 1)), Some(Condition::GreaterOrEqual));
    assert_eq!(asked(inst(Op::SetGtUImm, 3, 3, 0)), Some(Condition::Less));
    assert_eq!(asked(inst(Op::AndImm, 3, 3, 1)), Some(Condition::Less));
    assert_eq!(asked(three(Op::MoveReg, 3, 3, 0)), Some(Condition::Less));
    let itself = [less, inst(Op::XorImm, 3, 3, 2), three(Op::CmovNz, 9, 8, 3)];
    assert!(forms(&itself, &[9])[2].question().is_some_and(|question| question.right == Side::Imm(2)));
}

#[test]
fn an_answer_again_only_where_the_first_one_goes() {
    let condition = |region: &[Instruction]| asks(region).map(|(condition, ..)| condition);
    let turned = [three(Op::SetLtU, 3, 1, 2), inst(Op::XorImm, 4, 3, 1)];
    assert_eq!(condition(&turned), Some(Condition::AboveOrEqual));
    assert_eq!(forms(&turned, &[3, 4]), [Form::Plain, Form::Plain]);
    assert_eq!(condition(&[three(Op::Xor, 3, 1, 2), inst(Op::SetLtUImm, 3, 3, 1)]), Some(Condition::Equal));
    // A branch asks at no cost.
    let both = [three(Op::SetLtU, 3, 1, 2), inst(Op::BranchEqImm, 3, 0, 0)];
    assert_eq!(asks(&both).map(|(condition, ..)| condition), Some(Condition::AboveOrEqual));
    assert!(forms(&both, &[3])[1].question().is_some());
    assert_eq!(forms(&[inst(Op::LoadIndU8, 3, 1, 0), inst(Op::XorImm, 4, 3, 1)], &[4])[1], Form::Plain, "no truth");
}

#[test]
fn a_sign_that_is_a_bit() {
    let asked = |by, op| asks(&[inst(Op::ShloLImm64, 3, 1, by), inst(op, 3, 0, 0)]);
    let bit = |condition, mask| Some((condition, Reg::clamped(1), Side::Imm(mask), Comparison::CommonLow));
    assert_eq!(asked(63, Op::BranchLtSImm), bit(Condition::NotEqual, 1));
    assert_eq!(asked(33, Op::BranchGeSImm), bit(Condition::Equal, 1 << 30));
    let itself = [inst(Op::ShloLImm64, 3, 1, 32), inst(Op::BranchLtSImm, 3, 0, 0)];
    assert_eq!(forms(&itself, &[])[1], Form::Plain, "a mask of 31 bits has no such bit");
}

#[test]
fn lower_halves_are_chosen_between() {
    let words = [inst(Op::AddImm32, 1, 1, 9), inst(Op::AddImm32, 2, 2, 9)];
    let region = [words[0], words[1], three(Op::MinU, 3, 1, 2), inst(Op::StoreIndU32, 3, 7, 0)];
    let forms_of = forms(&region, &[]);
    assert_eq!(forms_of[..2], [Form::Narrow, Form::Narrow]);
    assert!(forms_of[2].question().is_some_and(|question| question.comparison == Comparison::Low));
    // Of which somebody looks at all 64 bits.
    let region = [words[0], words[1], three(Op::MinU, 3, 1, 2), inst(Op::StoreIndU64, 3, 7, 0)];
    assert_eq!(forms(&region, &[])[..2], [Form::Plain, Form::Plain]);
    // What is moved, and what decides, if that is extended.
    for (moved, decides) in [(1, 5), (5, 1)] {
        let region = [words[0], words[1], three(Op::CmovIz, 2, moved, decides), inst(Op::StoreIndU32, 2, 7, 0)];
        assert_eq!(forms(&region, &[])[..2], [Form::Narrow, Form::Narrow]);
    }
}

#[test]
fn only_what_is_extended_is_compared_by_halves() {
    let word = |reg| inst(Op::AddImm32, reg, reg, 9);
    // What the last instruction before a branch on register 2 makes of registers 1 and 2, of which these are words.
    let is_low = |words: &[u8], last: Instruction| {
        let mut region: Vec<_> = words.iter().map(|&reg| word(reg)).collect();
        region.extend([last, inst(Op::BranchLtUImm, 2, 0, 7)]);
        let question = forms(&region, &[]).pop().and_then(|form| form.question().copied());
        question.is_some_and(|question| question.comparison == Comparison::Low)
    };
    for op in [Op::MinU, Op::Max, Op::And, Op::Or, Op::Xor, Op::CmovIz, Op::CmovNz] {
        let moves = matches!(op, Op::CmovIz | Op::CmovNz);
        let last = three(op, 2, 1, if moves { 5 } else { 2 });
        assert!(is_low(&[1, 2], last), "{}", op.name());
        assert!(!is_low(&[1], last) && !is_low(&[2], last), "{}", op.name());
    }
    for op in [Op::AndImm, Op::OrImm, Op::XorImm] {
        assert!(is_low(&[1], inst(op, 2, 1, -7)) && !is_low(&[2], inst(op, 2, 1, -7)), "{}", op.name());
    }
    assert!(is_low(&[2], inst(Op::CmovIzImm, 2, 5, 7)) && !is_low(&[1], inst(Op::CmovIzImm, 2, 5, 7)));
    assert!(!is_low(&[1, 2], three(Op::Add64, 2, 1, 2)) && !is_low(&[1], inst(Op::AddImm64, 2, 1, 1)));
}

#[test]
fn a_narrow_answer_asks_for_all_of_what_is_compared() {
    for turn in [inst(Op::XorImm, 3, 3, 1), inst(Op::AndImm, 3, 3, 1), inst(Op::SetLtUImm, 3, 3, 1)] {
        for store in [Op::StoreIndU8, Op::StoreIndU32, Op::StoreIndU64] {
            let region = [three(Op::Sub32, 3, 1, 2), three(Op::SetLtS, 3, 3, 1), turn, inst(store, 3, 7, 0)];
            let forms = forms(&region, &[]);
            assert_eq!(forms[..2], [Form::Plain, Form::Nothing], "{} {}", turn.op.name(), store.name());
            assert!(forms[2].question().is_some_and(|question| question.comparison == Comparison::Whole));
        }
    }
}
