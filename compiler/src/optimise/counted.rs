//! Small loops that count: several turns in a row without a branch between them.
//!
//! Where a loop of one block adds the same to a register in each turn, a constant or what another register holds, and goes on as long as that has
//! not come to its bound, one question where it goes back, *how far is it?*, says that so many turns are left at least. They are planned as one
//! region: constants are added up once, and accesses have their distance in their displacement. The loop's own code remains for all turns of
//! which that is not certain; where they are few, only the question was in vain. Loops that are left elsewhere too are none of these: they mostly
//! find what they look for soon, and lose by the question as much as they gain.
//!
//! *Assumes* that nobody sees registers where an access faults ([`crate::Observed`]), and copies of the loop ([`super::copies`]), behind whose code
//! there is no credit. *Keeps* everything else: each turn's accesses are there in their order and with what they give back; what the turns cost is
//! charged before them, or they are left to the loop's own code.

use std::collections::BTreeMap;

use tvm_isa::{Instruction, Op, Program, Reg, Rules};

use super::copies::Copied;
use super::effects;
use super::flow::Block;
use crate::asm::{Condition, Width, host};
use crate::lower::{self, Operand, branch_operands};

/// Most turns in a row.
pub(super) const MAX_TURNS: u32 = 5;
/// Fewest turns that are worth asking for.
const MIN_TURNS: u32 = 3;
/// Most bytes of guest code in all of them.
const MAX_BYTES: u32 = 160;
/// Most times that the loop's code is there, copies included, for each byte that an instruction of it has.
const MAX_BODIES_PER_BYTE: u32 = 4;

/// A loop of which several turns are there in a row.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The register that counts.
    pub counter: Reg,
    /// What is added to it in each turn.
    pub step: Step,
    /// In how many bits it is added.
    pub width: Width,
    /// The loop goes on while this holds between the counter, on the left, and the bound.
    pub condition: Condition,
    /// What the counter is compared with.
    pub bound: Operand,
    /// How many turns there are in a row.
    pub turns: u32,
}

/// What is added to a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A constant other than 0.
    Constant(i32),
    /// What this register holds, which the loop does not change.
    Register(Reg),
}

/// How a register changes in a turn: how often it is written, and by what the last time.
type Writes = [(u32, Option<Instruction>); Reg::COUNT];

/// The loops that count, by block.
pub fn of_blocks(
    program: &Program<'_>,
    rules: &Rules,
    blocks: &[Block],
    copied: &[Option<Copied>],
) -> BTreeMap<u32, Counted> {
    let of_block = |(number, (block, copied)): (u32, (&Block, &Option<Copied>))| {
        let copied = copied.filter(|copied| copied.first(number) == copied.last(number))?;
        let turns = turns(block, copied.copies())?;
        let mut pc = block.start;
        let instructions = (0..block.instructions).map(|_| {
            let instruction = Instruction::decode(program, rules, pc);
            pc = instruction.next_pc();
            instruction
        });
        Some((number, counted(instructions, turns)?))
    };
    (0..).zip(blocks.iter().zip(copied)).filter_map(of_block).collect()
}

/// How many turns of a loop there may be in a row, if enough.
fn turns(block: &Block, copies: u32) -> Option<u32> {
    let room = (MAX_BODIES_PER_BYTE * block.len / block.instructions).saturating_sub(copies);
    Some((MAX_BYTES / block.len).min(MAX_TURNS).min(room)).filter(|&turns| turns >= MIN_TURNS)
}

/// How a loop of these instructions counts.
fn counted(instructions: impl Iterator<Item = Instruction>, turns: u32) -> Option<Counted> {
    let mut writes: Writes = [(0, None); Reg::COUNT];
    let mut last = None;
    for instruction in instructions {
        if lower::is_long(instruction.op) {
            return None;
        }
        if let Some(reg) = effects::written(&instruction) {
            let (times, by) = &mut writes[reg.index()];
            *times += 1;
            *by = Some(instruction);
        }
        last = Some(instruction);
    }
    let branch = last.filter(|last| effects::is_branch(last.op))?;
    let of = |counter: Reg, condition, bound| {
        let (step, width) = step(counter, &writes)?;
        if let Step::Constant(step) = step {
            step.checked_abs()?.checked_mul(turns as i32)?;
        }
        let counted = Counted { counter, step, width, condition, bound, turns };
        counted.leads_to_the_bound().then_some(counted)
    };
    let Instruction { a, b, .. } = branch;
    match branch_operands(&branch) {
        (condition, bound @ Operand::Imm(_)) => of(a, condition, bound),
        (condition, _) => match [b, a].map(|reg| bound(reg, &writes)) {
            [Some(bound), _] => of(a, condition, bound),
            [None, Some(bound)] => of(b, condition.swapped(), bound),
            [None, None] => None,
        },
    }
}

/// What is added to a register in each turn, and in how many bits, if it is written in no other way.
fn step(reg: Reg, writes: &Writes) -> Option<(Step, Width)> {
    let (times, by) = writes[reg.index()];
    let Instruction { op, a, b, x, .. } = by.filter(|_| times == 1)?;
    let constant = |width| {
        let step = i32::try_from(x as i64).ok().filter(|&step| b == reg && step != 0)?;
        Some((Step::Constant(step), width))
    };
    let register = |width| {
        let step = if a == reg { b } else { a };
        ((a == reg || b == reg) && is_unchanged(step, writes)).then_some((Step::Register(step), width))
    };
    match op {
        Op::AddImm64 => constant(Width::W64),
        Op::AddImm32 => constant(Width::W32),
        Op::Add64 => register(Width::W64),
        Op::Add32 => register(Width::W32),
        _ => None,
    }
}

/// What a register holds in all turns where the branch looks at it.
fn bound(reg: Reg, writes: &Writes) -> Option<Operand> {
    let in_register = Some(Operand::Reg(host(reg)));
    let (_, Some(by)) = writes[reg.index()] else { return in_register };
    match by.op {
        Op::LoadImm | Op::LoadImm64 => i32::try_from(by.x as i64).ok().map(Operand::Imm),
        // Where the branch alone looks at it, it may be extended for the comparison only: see `super::compare`.
        _ if effects::is_sign_extended(&by) => None,
        // Computed in each turn from what no turn changes.
        _ if !effects::is_pure(by.op) => None,
        _ => in_register.filter(|_| effects::reads(&by).iter().all(|read| is_unchanged(read.reg, writes))),
    }
}

fn is_unchanged(reg: Reg, writes: &Writes) -> bool {
    writes[reg.index()].0 == 0
}

impl Counted {
    /// How far the turns but the last one lead by this constant step.
    pub fn reach(&self, step: i32) -> i32 {
        (self.turns - 1) as i32 * step.saturating_abs()
    }

    /// The bound's register, if several turns may be taken only when that holds a sign-extended word: the sign extensions of both sides compare as
    /// words do, but a whole register may be no sign extension.
    pub fn must_be_word(&self) -> Option<u8> {
        match (self.width, self.bound) {
            (Width::W32, Operand::Reg(bound)) if self.condition != Condition::NotEqual => Some(bound),
            _ => None,
        }
    }

    /// Whether it counts up; what a register holds may do that.
    pub fn is_up(&self) -> bool {
        match self.step {
            Step::Constant(step) => step > 0,
            Step::Register(_) => true,
        }
    }

    /// Whether the loop counts towards its end.
    fn leads_to_the_bound(&self) -> bool {
        match self.condition {
            Condition::Equal => false,
            Condition::NotEqual => true,
            Condition::Below | Condition::BelowOrEqual | Condition::Less | Condition::LessOrEqual => self.is_up(),
            Condition::Above | Condition::AboveOrEqual | Condition::Greater | Condition::GreaterOrEqual => {
                !self.is_up()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::testing::{inst, three};

    /// How a loop counts that ends with this branch and has this before it besides counting in register 7.
    fn with(count: Instruction, others: &[Instruction], branch: Instruction) -> Option<Counted> {
        counted(others.iter().copied().chain([count, branch]), 5)
    }

    fn up() -> Instruction {
        inst(Op::AddImm64, 7, 7, 8)
    }

    fn until_8() -> Instruction {
        inst(Op::BranchNe, 7, 8, 0)
    }

    #[test]
    fn to_a_register() {
        let counted = with(up(), &[], until_8()).expect("it counts");
        assert_eq!((counted.step, counted.condition), (Step::Constant(8), Condition::NotEqual));
        assert_eq!(counted.reach(8), 4 * 8);
        assert!(matches!(counted.bound, Operand::Reg(reg) if reg == host(Reg::clamped(8))));
        let swapped = with(up(), &[], inst(Op::BranchLtU, 7, 8, 0)).map(|counted| counted.condition);
        assert_eq!(swapped, Some(Condition::Below));
        let swapped = with(inst(Op::AddImm64, 7, 7, -1), &[], inst(Op::BranchLtS, 8, 7, 0));
        assert_eq!(swapped.map(|counted| counted.condition), Some(Condition::Greater));
    }

    #[test]
    fn to_a_constant() {
        let bound = |counted: Option<Counted>| match counted.expect("it counts").bound {
            Operand::Imm(bound) => bound,
            Operand::Reg(reg) => panic!("register {reg}"),
        };
        assert_eq!(bound(with(up(), &[], inst(Op::BranchNeImm, 7, 0, 96))), 96);
        assert_eq!(bound(with(up(), &[inst(Op::LoadImm, 8, 0, 96)], until_8())), 96);
        assert!(with(up(), &[inst(Op::LoadImm64, 8, 0, 1 << 40)], until_8()).is_none());
    }

    #[test]
    fn to_what_each_turn_computes_anew() {
        let to = |others: &[Instruction]| with(up(), others, until_8()).map(|counted| counted.bound);
        let is_register = |bound| matches!(bound, Some(Operand::Reg(reg)) if reg == host(Reg::clamped(8)));
        assert!(is_register(to(&[inst(Op::AddImm64, 8, 9, 96)])));
        assert!(is_register(to(&[inst(Op::LoadIndU8, 8, 9, 0), inst(Op::AddImm64, 8, 9, 96)])), "the last counts");
        assert!(to(&[inst(Op::AddImm64, 8, 9, 96), inst(Op::LoadIndU8, 8, 9, 0)]).is_none());
        assert!(to(&[inst(Op::AddImm64, 8, 7, 96)]).is_none(), "from the counter");
        assert!(to(&[inst(Op::AddImm64, 8, 8, 96)]).is_none(), "from itself");
        assert!(to(&[inst(Op::AddImm32, 8, 9, 96)]).is_none(), "may be extended for the comparison only");
    }

    #[test]
    fn by_a_register() {
        let add = |op, a, b, d| three(op, d, a, b);
        let step = |counted: Option<Counted>| counted.map(|counted| (counted.step, counted.width));
        let by_9 = Step::Register(Reg::clamped(9));
        assert_eq!(step(with(add(Op::Add64, 7, 9, 7), &[], until_8())), Some((by_9, Width::W64)));
        assert_eq!(step(with(add(Op::Add32, 9, 7, 7), &[], until_8())), Some((by_9, Width::W32)));
        assert!(with(add(Op::Add64, 7, 7, 7), &[], until_8()).is_none(), "itself");
        assert!(with(add(Op::Add64, 9, 10, 7), &[], until_8()).is_none(), "not to itself");
        let changed = inst(Op::LoadIndU8, 9, 10, 0);
        assert!(with(add(Op::Add64, 7, 9, 7), &[changed], until_8()).is_none(), "changed in each turn");
        let ends = |op| with(add(Op::Add64, 7, 9, 7), &[], inst(op, 7, 8, 0)).is_some();
        assert!(ends(Op::BranchLtU) && ends(Op::BranchLtS) && !ends(Op::BranchGeU) && !ends(Op::BranchEq));
    }

    #[test]
    fn only_to_where_it_ends() {
        let ends = |op, step| with(inst(Op::AddImm64, 7, 7, step), &[], inst(op, 7, 8, 0)).is_some();
        assert!(ends(Op::BranchNe, 8) && ends(Op::BranchNe, -8) && !ends(Op::BranchEq, 8));
        assert!(ends(Op::BranchLtU, 8) && !ends(Op::BranchLtU, -8));
        assert!(ends(Op::BranchGeS, -8) && !ends(Op::BranchGeS, 8));
        assert!(!ends(Op::BranchNe, 0));
        // At and past the farthest.
        let farthest = i64::from(i32::MAX / 5);
        assert!(ends(Op::BranchNe, farthest) && !ends(Op::BranchNe, farthest + 1));
        assert!(ends(Op::BranchNe, -farthest) && !ends(Op::BranchNe, i32::MIN.into()));
    }

    #[test]
    fn words_count_to_words() {
        let only_to_words = |op, x| {
            let counted = with(inst(Op::AddImm32, 7, 7, 1), &[], inst(op, 7, 8, x));
            counted.expect("it counts").must_be_word().is_some()
        };
        assert!(
            !only_to_words(Op::BranchNe, 0)
                && !only_to_words(Op::BranchLtUImm, 9)
                && !only_to_words(Op::BranchLtSImm, 9)
        );
        assert!(only_to_words(Op::BranchLtU, 0) && only_to_words(Op::BranchLtS, 0));
        assert!(with(up(), &[], inst(Op::BranchLtU, 7, 8, 0)).expect("it counts").must_be_word().is_none());
    }

    #[test]
    fn nothing_that_is_written_otherwise() {
        assert!(with(up(), &[inst(Op::MoveReg, 0, 0, 0)], until_8()).is_some());
        assert!(with(up(), &[up()], until_8()).is_none(), "twice");
        assert!(with(inst(Op::AddImm64, 7, 9, 8), &[], until_8()).is_none(), "from another register");
        assert!(with(up(), &[inst(Op::LoadIndU64, 8, 9, 0)], until_8()).is_none(), "another bound each time");
        assert!(with(up(), &[], inst(Op::BranchNe, 7, 7, 0)).is_none(), "with itself");
        assert!(with(up(), &[inst(Op::DivU64, 1, 2, 0)], until_8()).is_none(), "long code");
    }

    #[test]
    fn as_many_turns_as_fit() {
        let turns = |len, instructions, copies| turns(&Block { len, instructions, ..Block::default() }, copies);
        assert_eq!(turns(MAX_BYTES / MAX_TURNS, 4, 3), Some(MAX_TURNS));
        assert_eq!(turns(MAX_BYTES / MAX_TURNS + 1, 4, 3), Some(MAX_TURNS - 1));
        assert_eq!(turns(MAX_BYTES / MIN_TURNS, 12, 2), Some(MIN_TURNS));
        assert_eq!(turns(MAX_BYTES / MIN_TURNS + 1, 12, 2), None);
        // Four times three bytes for each of two instructions, less what is there anyhow.
        assert_eq!([1, 2, 3, 4].map(|copies| turns(3, 2, copies)), [Some(5), Some(4), Some(3), None]);
    }
}
