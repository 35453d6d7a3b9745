//! Instructions with control flow: where they lead, and what is left to the interpreter.

use tvm_abi::{HostCall, Site, Stub};
use tvm_isa::{BranchRule, Gas, Instruction, Op, Pc};

use super::Translator;
use crate::asm::{Condition, Target, host};
use crate::control::{self, DynamicJump};
use crate::lower::{self, Operand};
use crate::optimise::{Guess, Question};

impl Translator<'_> {
    /// Emits control flow; a branch asks this instead of its own question, if anything.
    #[inline(always)]
    pub(super) fn control(&mut self, instruction: &Instruction, give_back: Gas, question: Option<&Question>) {
        let Instruction { op, pc, x, y, .. } = *instruction;
        match op {
            Op::Fallthrough if self.may_fall_through(instruction.next_pc()) => {}
            Op::Fallthrough | Op::Trap | Op::Sbrk => self.interpret(pc, give_back),
            Op::Ecalli => {
                control::host_call(&mut self.asm, HostCall { pc, immediate: x as i32 });
                // The counter is exact here: the region ends with this instruction, which the charge includes.
                self.call_site(pc, Gas(0));
            }
            Op::Jump => self.jump(instruction, x, give_back),
            Op::LoadImmJump => match self.targets.index(y) {
                Some(_) => {
                    self.asm.load_constant(host(instruction.a), x);
                    self.jump(instruction, y, give_back);
                }
                None => self.interpret(pc, give_back),
            },
            Op::JumpInd => {
                if self.ways.is_some() {
                    self.guess(instruction);
                }
                self.dynamic_jump(instruction, host(instruction.a), x as i32, None, give_back);
            }
            Op::LoadImmJumpInd => {
                let load = Some((host(instruction.a), x));
                self.dynamic_jump(instruction, host(instruction.b), y as i32, load, give_back);
            }
            _ => self.branch(instruction, give_back, question),
        }
    }

    /// Whether execution may go on at `next`, behind a terminator. Versions that check every side of a branch panic where no block
    /// starts there, which is at the end of the code.
    pub(super) fn may_fall_through(&self, next: Pc) -> bool {
        match self.rules.branch {
            BranchRule::WhenTaken => true,
            BranchRule::Always => self.targets.contains(next),
        }
    }

    pub(super) fn jump(&mut self, instruction: &Instruction, target: u64, give_back: Gas) {
        match self.targets.index(target) {
            Some(_) if target == u64::from(instruction.next_pc().0) => {}
            Some(block) => {
                let target = self.way_to(block);
                self.asm.jump(target);
            }
            None => self.interpret(instruction.pc, give_back),
        }
    }

    #[inline(always)]
    pub(super) fn branch(&mut self, instruction: &Instruction, give_back: Gas, question: Option<&Question>) {
        let target = instruction.target().expect("branches have a static target");
        if let Some(target) = self.branch_target(instruction.pc, instruction.next_pc(), target, give_back) {
            let condition = self.ask(instruction, question);
            self.asm.jump_if(condition, target);
        }
    }

    /// Where a branch leads. `None` if it is left to the interpreter.
    pub(super) fn branch_target(&mut self, pc: Pc, next: Pc, target: u64, give_back: Gas) -> Option<Target> {
        if !self.may_fall_through(next) {
            self.interpret(pc, give_back);
            return None;
        }
        match (self.targets.index(target), self.rules.branch) {
            (Some(block), _) => Some(self.way_to(block)),
            (None, BranchRule::WhenTaken) => Some(self.cold_site(Stub::Interpret, pc, give_back)),
            (None, BranchRule::Always) => {
                self.interpret(pc, give_back);
                None
            }
        }
    }

    /// Sets the flags to what a branch asks. Gives the condition under which it is taken.
    #[inline(always)]
    pub(super) fn ask(&mut self, branch: &Instruction, question: Option<&Question>) -> Condition {
        if let Some(question) = question {
            return lower::ask(&mut self.asm, question);
        }
        let (condition, right) = lower::branch_operands(branch);
        lower::compare(&mut self.asm, host(branch.a), right);
        condition
    }

    /// Where a jump to a block leads from the end of the region being emitted.
    #[inline(always)]
    pub(super) fn way_to(&mut self, block: u32) -> Target {
        match &mut self.ways {
            Some(ways) => ways.to(block, ways.credit, &mut self.asm),
            None => Target::Block(block),
        }
    }

    /// Compares a dynamic jump with where it mostly leads, and goes there.
    #[cold]
    fn guess(&mut self, jump: &Instruction) {
        if let Some(Guess { address, block }) = self.ways.as_ref().and_then(|ways| ways.guess(jump.pc)) {
            let target = self.way_to(block);
            lower::compare_low(&mut self.asm, host(jump.a), Operand::Imm(address as i32));
            self.asm.jump_if(Condition::Equal, target);
        }
    }

    pub(super) fn dynamic_jump(
        &mut self,
        instruction: &Instruction,
        base: u8,
        disp: i32,
        load: Option<(u8, u64)>,
        give_back: Gas,
    ) {
        // The interpreter writes a register of such a jump before it halts.
        let unusual = if load.is_none() { Stub::Jump } else { Stub::Interpret };
        if self.jump_slots == 1 {
            if load.is_some() {
                return self.interpret(instruction.pc, give_back);
            }
            control::jump_key(&mut self.asm, base, disp);
            let text = control::leave_at_jump(&mut self.asm);
            return self.map.site(Site { text, pc: instruction.pc, give_back, base: None });
        }
        let unusual = self.cold_site(unusual, instruction.pc, give_back);
        control::dynamic_jump(&mut self.asm, DynamicJump { slots: self.jump_slots, unusual }, base, disp, load);
    }

    /// Leaves the instruction at `pc` to the interpreter.
    pub(super) fn interpret(&mut self, pc: Pc, give_back: Gas) {
        control::call(&mut self.asm, Stub::Interpret);
        self.call_site(pc, give_back);
    }
}
