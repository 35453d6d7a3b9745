//! Regions on the best tier: what is known about the program, and the code of planned instructions.

use std::ops::Range;

use tvm_abi::{AddressParts, Observed, Site};
use tvm_isa::{Gas, Instruction, Pc};

use super::ways::{CopiedLoop, Ways};
use super::{Stopped, Translator};
use crate::asm::{SCRATCH, host};
use crate::lower::{self, Lowering};
use crate::optimise::{self, Address, Duties, Flow, Form, Live, Liveness, Planned, RegSet};

/// Where loops start: the processor fetches from there in one piece.
pub(super) const LOOP_ALIGNMENT: u32 = 32;
/// Where small loops start, so that all of their code is in one line of the caches of code and of decoded instructions.
const SMALL_LOOP_ALIGNMENT: u32 = 64;
/// Most bytes of guest code in a small loop: machine code is about twice as long.
const SMALL_LOOP_BYTES: u32 = 32;

/// What is known about a program that is optimised.
pub(super) struct Optimisation {
    pub exact: bool,
    loops: Vec<Option<u32>>,
    liveness: Liveness,
    /// The block that the region being emitted is a part of.
    pub block: Option<u32>,
    /// How the instructions of that region are emitted.
    pub plan: Vec<Planned>,
    /// Which of the region's instructions, as the program has them, each is.
    pub order: Vec<u16>,
}

impl Translator<'_> {
    /// Looks at the whole program before the best tier.
    pub(super) fn optimise(&mut self, observed: Observed) {
        let exact = observed == Observed::EveryExit;
        let mut flow = Flow::new(self.program, self.rules, &self.targets, exact);
        let liveness = Liveness::new(&flow, exact);
        let loops = std::mem::take(&mut flow.loops);
        self.optimisation =
            Some(Optimisation { exact, loops, liveness, block: None, plan: Vec::new(), order: Vec::new() });
        self.ways = Some(Ways::new(flow, self.program, &self.targets, &mut self.asm));
    }

    /// Emits what comes before a block on the best tier; gives what is paid behind it.
    #[inline(never)]
    pub(super) fn begin_planned(&mut self, block: u32, pc: Pc) -> Gas {
        let bytes = self.optimisation.as_mut().and_then(|optimisation| {
            optimisation.block = Some(block);
            optimisation.loops[block as usize]
        });
        let small = |bytes| bytes <= SMALL_LOOP_BYTES;
        let alignment = bytes.map(|bytes| if small(bytes) { SMALL_LOOP_ALIGNMENT } else { LOOP_ALIGNMENT });
        let mut ways = self.ways.take().expect("there from the start");
        let paid = self.begin_block(&mut ways, block, pc, alignment);
        self.ways = Some(ways);
        paid
    }

    /// Emits the collected region on the best tier. `block` is the block that starts with it, if one does. `give_back` gives what
    /// each instruction and those behind it in the region cost.
    #[inline(never)]
    pub(super) fn emit_planned(
        &mut self,
        mut optimisation: Optimisation,
        block: Option<u32>,
        ends_block: bool,
        give_back: impl Fn(usize) -> Gas,
    ) -> Result<Pc, Stopped> {
        let whole = block.filter(|_| ends_block);
        let ways = self.ways.as_mut().expect("there from the start");
        let copied = whole.and_then(|block| ways.copied_behind(block));
        let tail = whole.and_then(|block| ways.tail(block));
        ways.credit = whole.map_or(0, |block| ways.behind(block));
        let credit = ways.credit;
        self.plan(&mut optimisation, ends_block);
        if let (Some(block), Some(copied)) = (whole, copied) {
            self.emit_copies_but_last(&mut optimisation, block, copied, credit, &give_back)?;
        }
        let counted = whole.filter(|&block| self.is_counted(block));
        let Optimisation { exact, ref plan, ref order, .. } = optimisation;
        let (others, last) = match plan.split_last() {
            Some((last, others)) if tail.is_some() || counted.is_some() => (others, Some(last)),
            _ => (&plan[..], None),
        };
        self.emit_plan(others, order, exact, |index| Gas(give_back(index).0 + u64::from(credit)))?;
        if let (Some(block), Some(branch)) = (counted, last) {
            self.go_round(block, branch)?;
        }
        let behind = self.region.last().map_or(Pc(u32::MAX), Instruction::next_pc);
        if let Some(tail) = tail {
            self.emit_tail(&mut optimisation, tail, credit)?;
        }
        if ends_block {
            // What no jump leads to may begin here: it is no part of any block.
            optimisation.block = None;
        }
        self.optimisation = Some(optimisation);
        Ok(behind)
    }

    /// Emits all copies of a loop's code but the last one, up to where that one's last block begins. The block that ends the loop is planned, and
    /// the code of the first copy's other blocks is there. `credit` is paid behind the last copy.
    fn emit_copies_but_last(
        &mut self,
        optimisation: &mut Optimisation,
        block: u32,
        copied: CopiedLoop,
        credit: u32,
        give_back: &impl Fn(usize) -> Gas,
    ) -> Result<(), Stopped> {
        for copies_behind in (1..copied.copies).rev() {
            let behind = credit + copies_behind * copied.cost;
            let Optimisation { exact, ref plan, ref order, .. } = *optimisation;
            if let Some((branch, others)) = plan.split_last() {
                self.emit_plan(others, order, exact, |index| Gas(give_back(index).0 + u64::from(behind)))?;
                self.leave_copy(block, branch, behind)?;
            }
            self.emit_copy_up_to_last(optimisation, copied, behind - copied.cost)?;
        }
        Ok(())
    }

    /// Emits planned instructions of the collected region. `give_back` gives what is given back where one is left at, by its place in the
    /// program.
    pub(super) fn emit_plan(
        &mut self,
        plan: &[Planned],
        order: &[u16],
        exact: bool,
        give_back: impl Fn(usize) -> Gas,
    ) -> Result<(), Stopped> {
        for (index, planned) in plan.iter().enumerate() {
            self.make_ready()?;
            let charged = match planned.form {
                Form::Operand(operand) => operand.load.into(),
                _ => index,
            };
            self.planned(planned, give_back(order[charged].into()), exact);
        }
        Ok(())
    }

    /// Emits copies of the code of blocks that go on into each other, in the place of a jump to the first with this much credit.
    fn emit_tail(&mut self, optimisation: &mut Optimisation, tail: Range<u32>, credit: u32) -> Result<(), Stopped> {
        let mut credit = credit;
        for block in tail {
            self.make_ready()?;
            self.charge_copy(block, credit);
            credit = self.ways.as_ref().expect("there from the start").behind(block);
            self.emit_copy(optimisation, block, credit)?;
        }
        Ok(())
    }

    /// Emits a copy of the code of a block. `credit` is paid behind it.
    fn emit_copy(&mut self, optimisation: &mut Optimisation, block: u32, credit: u32) -> Result<(), Stopped> {
        let instructions = self.plan_again(optimisation, block);
        self.ways.as_mut().expect("there from the start").credit = credit;
        let give_back = super::give_back(self.rules.gas, instructions);
        let Optimisation { exact, ref plan, ref order, .. } = *optimisation;
        self.emit_plan(plan, order, exact, |index| Gas(give_back(index).0 + u64::from(credit)))
    }

    /// Collects the instructions of a block of one region and plans them. Gives how many they are.
    fn plan_again(&mut self, optimisation: &mut Optimisation, block: u32) -> usize {
        self.collect_block(block);
        optimisation.block = Some(block);
        self.plan(optimisation, true);
        self.region.len()
    }

    /// Collects the instructions of a block of one region.
    pub(super) fn collect_block(&mut self, block: u32) {
        let (mut pc, instructions) = self.ways.as_ref().expect("there from the start").extent(block);
        self.region.clear();
        for _ in 0..instructions {
            let instruction = Instruction::decode(self.program, self.rules, pc);
            pc = instruction.next_pc();
            self.region.push(instruction);
        }
    }

    /// Emits copies of the code of a loop's blocks but the last one, behind which there is `credit`, and plans that one again.
    fn emit_copy_up_to_last(
        &mut self,
        optimisation: &mut Optimisation,
        copied: CopiedLoop,
        credit: u32,
    ) -> Result<(), Stopped> {
        let CopiedLoop { first, last, .. } = copied;
        if first == last {
            // It is still planned.
            return Ok(());
        }
        for block in first..last {
            let behind = self.ways.as_ref().expect("there from the start").charges(block + 1..last + 1);
            self.emit_copy(optimisation, block, credit + behind)?;
        }
        self.plan_again(optimisation, last);
        self.ways.as_mut().expect("there from the start").credit = credit;
        Ok(())
    }

    /// Emits the branch at the end of a copy of a loop's code that has another one behind it: leaves when the loop does.
    fn leave_copy(&mut self, block: u32, branch: &Planned, credit: u32) -> Result<(), Stopped> {
        let ways = self.ways.as_mut().expect("there from the start");
        // A jump goes on in the next copy.
        let Some(behind) = ways.next_block(block) else { return Ok(()) };
        let target = ways.to(behind, credit, &mut self.asm);
        self.make_ready()?;
        self.branch_if(false, branch, target);
        Ok(())
    }

    pub(super) fn plan(&mut self, optimisation: &mut Optimisation, ends_block: bool) {
        let order = &mut optimisation.order;
        order.clear();
        order.extend((0..).take(self.region.len()));
        if !optimisation.exact {
            optimise::sink(&mut self.region, order);
        }
        let Some(last) = self.region.last() else { return };
        // What comes behind a region that is cut off within a block is not looked into.
        let live = match optimisation.block {
            Some(block) if ends_block => optimisation.liveness.behind(block),
            _ => Live::ALL,
        };
        // Branches that may lead to where no block starts are finished by the interpreter.
        let leads_on = |target: u64| self.targets.index(target).is_some();
        let last_may_be_interpreted =
            last.target().is_some_and(|target| !leads_on(target) || !leads_on(last.next_pc().0.into()));
        let duties = Duties { live, exact: optimisation.exact, last_may_be_interpreted };
        optimise::plan(&self.region, duties, &mut optimisation.plan);
    }

    fn planned(&mut self, planned: &Planned, give_back: Gas, exact: bool) {
        let Planned { instruction, form, .. } = planned;
        let to = instruction.d;
        if planned.kept {
            self.asm.move_reg(SCRATCH, host(instruction.a));
        }
        if lower::has_fixed_registers(instruction.op) {
            self.asm.needed = planned.needed;
        }
        match (form, lower::lowering(instruction.op)) {
            (Form::Nothing, _) => {}
            (Form::Narrow, _) => {
                self.asm.narrow = true;
                lower::plain(&mut self.asm, instruction);
                self.asm.narrow = false;
            }
            (Form::Sum(address), _) => lower::sum(&mut self.asm, to, address),
            (Form::Carry(carry), _) => lower::carry(&mut self.asm, to, carry),
            (Form::Carrying(carry, to), _) => lower::carrying(&mut self.asm, instruction, *to, carry),
            (Form::Extension(extension), _) => lower::extension(&mut self.asm, instruction.a, *extension),
            (Form::Ask(question), Lowering::Plain) => lower::answer(&mut self.asm, instruction, question),
            (Form::Late, _) => lower::late(&mut self.asm, instruction),
            (Form::Product(product), _) => lower::product(&mut self.asm, instruction, product),
            (Form::Operand(operand), _) if operand.held => lower::with_held(&mut self.asm, instruction),
            (Form::Held, _) => self.asm.move_reg(host(instruction.a), SCRATCH),
            (Form::Operand(operand), _) => {
                let load = &self.region[usize::from(operand.load)];
                let text = lower::with_operand(&mut self.asm, instruction, operand);
                let base = if exact || !operand.computed { None } else { base_parts(load, &operand.address) };
                self.map.site(Site { text, pc: load.pc, give_back, base });
            }
            (Form::At(address), Lowering::Memory(access)) => {
                let text = lower::memory_access_at(&mut self.asm, access, instruction, address);
                let base = if exact { None } else { base_parts(instruction, address) };
                self.map.site(Site { text, pc: instruction.pc, give_back, base });
            }
            (_, Lowering::Memory(access)) => {
                let text = lower::memory_access(&mut self.asm, access, instruction);
                self.map.site(Site { text, pc: instruction.pc, give_back, base: None });
            }
            (_, Lowering::Control) => self.control(instruction, give_back, form.question()),
            (_, Lowering::Plain) => lower::plain(&mut self.asm, instruction),
        }
        self.asm.needed = RegSet::ALL;
    }
}

/// What the register that an access names holds when it accesses `address`: the interpreter executes the access when it
/// faults.
fn base_parts(instruction: &Instruction, address: &Address) -> Option<AddressParts> {
    let target = lower::address_register(instruction)?;
    let Address { base, index, disp } = *address;
    Some(AddressParts { target, base, index, disp: disp.wrapping_sub(instruction.x as i32) })
}
