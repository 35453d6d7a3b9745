//! Loops of which several turns are there in a row, behind all blocks.
//!
//! ```text
//!   block:     the loop's own code, as any other loop's
//!              its branch, to question
//!   …
//!   question:  may it be far, and is it?  otherwise to block
//!   turns:     charge for all turns           if there is less, what is left goes to block
//!              the turns' code
//!              is it still far?  to turns
//!              the loop's branch, to block
//! ```
//!
//! Who goes round a few times only is not asked.

use tvm_isa::Gas;

use super::planned::{LOOP_ALIGNMENT, Optimisation};
use super::ways::CountedLoop;
use super::{Stopped, Translator};
use crate::asm::{Binary, BinaryImm, Condition, SCRATCH, ShiftOp, Target, Width, host};
use crate::control;
use crate::lower::Operand;
use crate::optimise::{Counted, Planned, Step};

impl Translator<'_> {
    /// Whether several turns of the loop that this block is are to be there in a row.
    pub(super) fn is_counted(&self, block: u32) -> bool {
        self.ways.as_ref().is_some_and(|ways| ways.counted(block).is_some())
    }

    /// Emits the branch at the end of a loop of which there are several turns in a row.
    pub(super) fn go_round(&mut self, block: u32, branch: &Planned) -> Result<(), Stopped> {
        self.make_ready()?;
        let question = self.asm.new_labels(1);
        let ways = self.ways.as_mut().expect("there from the start");
        ways.counted.push(CountedLoop { block, question });
        self.branch_if(true, branch, Target::Block(question));
        Ok(())
    }

    /// Jumps to `target` where a branch is taken, or where it is not.
    pub(super) fn branch_if(&mut self, taken: bool, branch: &Planned, target: Target) {
        let condition = self.ask(&branch.instruction, branch.form.question());
        self.asm.jump_if(if taken { condition } else { condition.inverted() }, target);
    }

    /// Jumps to `target` where it is far enough to the bound for as many turns as there are in a row, or where it is not. Assumes that the
    /// counter is not past the bound.
    fn if_far(&mut self, far: bool, counted: &Counted, target: Target) {
        let &Counted { width, bound, step, turns, .. } = counted;
        let asm = &mut self.asm;
        let counter = Operand::Reg(host(counted.counter));
        // The distance, in the direction in which the loop counts.
        let (from, minus) = if counted.is_up() { (bound, counter) } else { (counter, bound) };
        match from {
            Operand::Reg(reg) => asm.move_reg(SCRATCH, reg),
            Operand::Imm(imm) => asm.load_constant(SCRATCH, i64::from(imm) as u64),
        }
        match minus {
            Operand::Reg(reg) => asm.binary(Binary::Sub, width, SCRATCH, reg),
            Operand::Imm(imm) => asm.binary_imm(BinaryImm::Sub, width, SCRATCH, imm),
        }
        match step {
            Step::Constant(step) => asm.binary_imm(BinaryImm::Cmp, width, SCRATCH, counted.reach(step)),
            // What is more than the distance's part for one step is no step towards the bound, or too long a one.
            Step::Register(step) => {
                let steps = (turns - 1).next_power_of_two();
                asm.shift_imm(ShiftOp::Shr, width, SCRATCH, steps.trailing_zeros() as u8);
                asm.binary(Binary::Cmp, width, SCRATCH, host(step));
            }
        }
        asm.jump_if(if far { Condition::Above } else { Condition::BelowOrEqual }, target);
    }

    /// Jumps to `target` if the loop's bound is none up to which several turns may be taken.
    fn unless_word(&mut self, counted: &Counted, target: Target) {
        let Some(bound) = counted.must_be_word() else { return };
        self.asm.move_sign_extended(SCRATCH, bound);
        self.asm.binary(Binary::Cmp, Width::W64, SCRATCH, bound);
        self.asm.jump_if(Condition::NotEqual, target);
    }

    /// Emits all turns in a row.
    pub(super) fn counted_loops(&mut self) -> Result<(), Stopped> {
        let Some(ways) = &mut self.ways else { return Ok(()) };
        let counted = std::mem::take(&mut ways.counted);
        let mut optimisation = self.optimisation.take().expect("there from the start");
        for counted_loop in counted {
            self.turns(&mut optimisation, counted_loop)?;
        }
        self.optimisation = Some(optimisation);
        Ok(())
    }

    fn turns(&mut self, optimisation: &mut Optimisation, counted_loop: CountedLoop) -> Result<(), Stopped> {
        let CountedLoop { block, question } = counted_loop;
        let ways = self.ways.as_mut().expect("there from the start");
        let counted = ways.counted(block).expect("the loop counts");
        let cost = ways.charges(block..block + 1);
        let behind = ways.next_block(block).expect("the loop ends with a branch");
        let behind = ways.to(behind, 0, &mut self.asm);
        let own_code = ways.to(block, 0, &mut self.asm);
        let labels = self.asm.new_labels(2);
        let [turns, poor] = [labels, labels + 1].map(Target::Block);
        let all = Gas(u64::from(cost * counted.turns));
        self.make_ready()?;
        self.asm.bind(question);
        self.unless_word(&counted, own_code);
        self.if_far(false, &counted, own_code);
        self.make_ready()?;
        self.asm.align(LOOP_ALIGNMENT);
        self.asm.bind(labels);
        control::charge(&mut self.asm, all);
        self.asm.leads_to(poor);

        let body = self.collect_turns(block, counted.turns);
        optimisation.block = Some(block);
        self.plan(optimisation, true);
        let give_back = super::give_back(self.rules.gas, body + 1);
        let give_back = |index: usize| {
            let turns_behind = u64::from(counted.turns) - 1 - (index / body) as u64;
            Gas(give_back(index % body).0 + turns_behind * u64::from(cost))
        };
        let Optimisation { exact, ref plan, ref order, .. } = *optimisation;
        let (branch, others) = plan.split_last().expect("the loop ends with a branch");
        self.emit_plan(others, order, exact, give_back)?;

        self.make_ready()?;
        if counted.condition == Condition::NotEqual {
            // Nothing is past this bound, and who has come to it is not far from it.
            self.if_far(true, &counted, turns);
            self.branch_if(true, branch, own_code);
            self.asm.jump(behind);
        } else {
            self.branch_if(false, branch, behind);
            self.if_far(true, &counted, turns);
            self.asm.jump(own_code);
        }
        self.asm.bind(labels + 1);
        control::give_back(&mut self.asm, all);
        self.asm.jump(own_code);
        Ok(())
    }

    /// Collects the instructions of so many turns of a loop of one block, of the last one with its branch. Gives how many they are
    /// without it.
    fn collect_turns(&mut self, block: u32, turns: u32) -> usize {
        self.collect_block(block);
        let branch = self.region.pop().expect("the loop ends with a branch");
        let body = self.region.len();
        for _ in 1..turns {
            self.region.extend_from_within(..body);
        }
        self.region.push(branch);
        body
    }
}
