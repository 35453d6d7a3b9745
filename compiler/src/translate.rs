//! From a program to machine code, region by region, in program order.
//!
//! A *region* is a stretch of instructions that execute together and are charged together: it ends at a block's end,
//! at a host call (which must see the exact gas) and at [`MAX_REGION_INSTRUCTIONS`]. Regions are the places where
//! compiled code can be entered.

use dynasmrt::{DynamicLabel, DynasmLabelApi};
use tvm_abi::{CpuFeatures, PcMapBuilder, Region, Site, Stub, TextOffset, context, sections};
use tvm_isa::gas::{self, BlockCost};
use tvm_isa::{BranchRule, Format, Gas, GasModel, Instruction, Op, Pc, Program, Rules, Validation};

use crate::asm::{Assembler, emit, host};
use crate::control::{self, ColdSite, DynamicJump, Thunks};
use crate::error::CompileError;
use crate::lower::{self, Condition, Lowering, Operand};
use crate::targets::BlockTargets;

/// Most instructions in a region: what the interpreter walks at most when gas runs short.
pub const MAX_REGION_INSTRUCTIONS: usize = 1024;

/// Most bytes of machine code, so that every jump and text offset fits 32 bits.
pub const MAX_TEXT_BYTES: usize = 1 << 30;

/// A translated program.
pub struct Translation {
    /// Machine code.
    pub text: Vec<u8>,
    /// Contents of the pc map section.
    pub pc_map: Vec<u8>,
    /// Text offsets of the dynamic jump table, entry 0 included.
    pub jump_table: Vec<u32>,
    /// Program counter and text offset of every block.
    pub blocks: Vec<(Pc, TextOffset)>,
}

/// Translates a whole program.
pub fn translate(program: &Program<'_>, rules: &Rules, cpu: CpuFeatures) -> Result<Translation, CompileError> {
    let mut translator = Translator::new(program, rules, cpu);
    translator.regions()?;
    translator.finish()
}

/// What was found out about a region while it was decoded.
struct Collected {
    /// Where the next region starts.
    next: Pc,
    /// Whether the region ends a basic block.
    ends_block: bool,
    /// What is charged where it starts.
    charge: Gas,
}

struct Translator<'p> {
    program: &'p Program<'p>,
    rules: &'p Rules,
    asm: Assembler,
    thunks: Thunks,
    targets: BlockTargets,
    labels: Vec<DynamicLabel>,
    blocks: Vec<(Pc, TextOffset)>,
    map: PcMapBuilder,
    cold: Vec<ColdSite>,
    jump_slots: u32,
    gas: BlockCost<'p>,
    /// The instructions of the region being emitted.
    region: Vec<Instruction>,
}

impl<'p> Translator<'p> {
    fn new(program: &'p Program<'p>, rules: &'p Rules, cpu: CpuFeatures) -> Self {
        let mut asm = Assembler::new(cpu, program.code().len() * 4);
        let thunks = Thunks::emit(&mut asm);
        let targets = BlockTargets::scan(program, rules);
        let labels = (0..targets.count()).map(|_| asm.new_label()).collect();
        Self {
            program,
            rules,
            asm,
            thunks,
            blocks: Vec::with_capacity(targets.count() as usize),
            targets,
            labels,
            map: PcMapBuilder::default(),
            cold: Vec::new(),
            jump_slots: jump_table_slots(program),
            gas: BlockCost::new(program, rules),
            region: Vec::with_capacity(MAX_REGION_INSTRUCTIONS),
        }
    }

    /// Walks the code from front to back. Every instruction that can ever execute starts at a marked position, at 0, or
    /// where the one before it ends.
    fn regions(&mut self) -> Result<(), CompileError> {
        let mut pc = Pc(0);
        let mut paid = false;
        while pc.0 < self.program.code_len() {
            let Collected { next, ends_block, charge } = self.collect_region(pc, paid);
            self.emit_region(pc, charge);
            paid = self.rules.gas == GasModel::PipelineBlocks && !ends_block;
            pc = next;
            if self.asm.here().0 as usize > MAX_TEXT_BYTES {
                return Err(CompileError::TextTooLarge);
            }
        }
        // Code that runs off its end traps there; valid programs of a version that checks them never do.
        if self.rules.validation == Validation::ContainerOnly {
            let Collected { charge, .. } = self.collect_region(pc, paid);
            self.emit_region(pc, charge);
        }
        Ok(())
    }

    /// Decodes the region that starts at `start`; `paid` says that it is the rest of a block that was charged already.
    fn collect_region(&mut self, start: Pc, paid: bool) -> Collected {
        self.region.clear();
        let mut pc = start;
        loop {
            let instruction = Instruction::decode(self.program, self.rules, pc);
            self.region.push(instruction);
            self.gas.feed(&instruction);
            pc = instruction.next_pc();
            let ends_block = instruction.op.terminates_block();
            let ends_region = ends_block
                || matches!(instruction.op, Op::Ecalli | Op::Sbrk)
                || self.region.len() == MAX_REGION_INSTRUCTIONS;
            if ends_region || pc.0 >= self.program.code_len() {
                let region_cost = self.gas.finish();
                // A block is charged as a whole at its start, also when it has more regions. Only there is all of it
                // looked at: doing so for each of its regions would take quadratic time.
                let charge = match self.rules.gas {
                    _ if paid => Gas(0),
                    GasModel::PipelineBlocks if !ends_block => gas::block_cost(self.program, self.rules, start),
                    _ => region_cost,
                };
                return Collected { next: pc, ends_block, charge };
            }
        }
    }

    fn emit_region(&mut self, pc: Pc, charge: Gas) {
        let block = self.targets.index(pc.0.into());
        let text = self.asm.here();
        if let Some(block) = block {
            self.asm.bind(self.labels[block as usize]);
            self.blocks.push((pc, text));
        }
        self.map.region(Region { text, pc, charge });
        if charge > Gas(0) {
            let out_of_gas = self.cold_site(Stub::OutOfGas, pc, charge);
            control::charge(&mut self.asm, charge, out_of_gas);
        }
        for index in 0..self.region.len() {
            let give_back = match self.rules.gas {
                GasModel::PerInstruction => Gas((self.region.len() - index) as u64),
                GasModel::PipelineBlocks => Gas(0),
            };
            let instruction = self.region[index];
            match lower::lowering(instruction.op) {
                Lowering::Plain => lower::plain(&mut self.asm, &instruction),
                Lowering::Memory(access) => {
                    let text = lower::memory_access(&mut self.asm, access, &instruction);
                    self.map.site(Site { text, pc: instruction.pc, give_back });
                }
                Lowering::Control => self.control(&instruction, give_back),
            }
        }
    }

    fn control(&mut self, instruction: &Instruction, give_back: Gas) {
        let Instruction { op, pc, x, y, .. } = *instruction;
        match op {
            Op::Fallthrough if self.may_fall_through(instruction) => {}
            Op::Fallthrough | Op::Trap | Op::Sbrk => self.interpret(pc, give_back),
            Op::Ecalli => {
                control::host_call(&mut self.asm, &self.thunks, pc, x);
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
            Op::JumpInd => self.dynamic_jump(instruction, host(instruction.a), x as i32, None, give_back),
            Op::LoadImmJumpInd => {
                let load = Some((host(instruction.a), x));
                self.dynamic_jump(instruction, host(instruction.b), y as i32, load, give_back);
            }
            _ => self.branch(instruction, give_back),
        }
    }

    /// Whether execution may go on behind a terminator. Versions that check every side of a branch panic where no block
    /// starts there, which is at the end of the code.
    fn may_fall_through(&self, instruction: &Instruction) -> bool {
        match self.rules.branch {
            BranchRule::WhenTaken => true,
            BranchRule::Always => self.targets.index(instruction.next_pc().0.into()).is_some(),
        }
    }

    fn jump(&mut self, instruction: &Instruction, target: u64, give_back: Gas) {
        match self.targets.index(target) {
            Some(_) if target == u64::from(instruction.next_pc().0) => {}
            Some(block) => {
                let label = self.labels[block as usize];
                if self.is_near(block) {
                    emit!(self.asm; jmp BYTE =>label);
                } else {
                    emit!(self.asm; jmp =>label);
                }
            }
            None => self.interpret(instruction.pc, give_back),
        }
    }

    /// Whether a short jump, emitted here after a comparison, reaches the block. Only blocks before this place can tell.
    fn is_near(&self, block: u32) -> bool {
        /// Reach of a one-byte displacement, less the longest comparison and the jump itself.
        const REACH: u32 = 128 - 7 - 2;
        self.blocks.get(block as usize).is_some_and(|(_, start)| self.asm.here().0 - start.0 <= REACH)
    }

    fn branch(&mut self, instruction: &Instruction, give_back: Gas) {
        let (condition, right) = branch_operands(instruction);
        let target = instruction.target().expect("branches have a static target");
        if !self.may_fall_through(instruction) {
            return self.interpret(instruction.pc, give_back);
        }
        let (label, near) = match (self.targets.index(target), self.rules.branch) {
            (Some(block), _) => (self.labels[block as usize], self.is_near(block)),
            (None, BranchRule::WhenTaken) => (self.cold_site(Stub::Interpret, instruction.pc, give_back), false),
            (None, BranchRule::Always) => return self.interpret(instruction.pc, give_back),
        };
        lower::compare(&mut self.asm, host(instruction.a), right);
        if near {
            condition.jump_short(&mut self.asm, label);
        } else {
            condition.jump(&mut self.asm, label);
        }
    }

    fn dynamic_jump(
        &mut self,
        instruction: &Instruction,
        base: u8,
        disp: i32,
        load: Option<(u8, u64)>,
        give_back: Gas,
    ) {
        if self.jump_slots == 1 {
            return self.interpret(instruction.pc, give_back);
        }
        let unusual = self.cold_site(Stub::Interpret, instruction.pc, give_back);
        control::dynamic_jump(&mut self.asm, DynamicJump { slots: self.jump_slots, unusual }, base, disp, load);
    }

    /// Leaves the instruction at `pc` to the interpreter.
    fn interpret(&mut self, pc: Pc, give_back: Gas) {
        self.thunks.call(&mut self.asm, Stub::Interpret);
        self.call_site(pc, give_back);
    }

    /// Records the call just emitted.
    fn call_site(&mut self, pc: Pc, give_back: Gas) {
        let text = TextOffset(self.asm.here().0 - 1);
        self.map.site(Site { text, pc, give_back });
    }

    fn cold_site(&mut self, stub: Stub, pc: Pc, give_back: Gas) -> DynamicLabel {
        let label = self.asm.new_label();
        self.cold.push(ColdSite { label, stub, pc, give_back });
        label
    }

    fn finish(mut self) -> Result<Translation, CompileError> {
        self.map.cold_start(self.asm.here());
        for site in &self.cold {
            site.emit(&mut self.asm, &self.thunks);
            self.map.cold_site(site.pc, site.give_back);
        }
        if self.asm.here().0 as usize > MAX_TEXT_BYTES {
            return Err(CompileError::TextTooLarge);
        }
        let jump_table = self.jump_table();
        let Self { asm, map, blocks, .. } = self;
        let text = asm.finalize().map_err(|error| CompileError::Assembler(error.to_string()))?;
        Ok(Translation { text, pc_map: map.finish(), jump_table, blocks })
    }

    fn jump_table(&self) -> Vec<u32> {
        let table = self.program.jump_table();
        let offset_of = |entry: u64| {
            let target = table.get(entry).expect("below the table's length");
            self.targets.index(target).map_or(sections::NO_TARGET, |block| self.blocks[block as usize].1.0)
        };
        let entries = u64::from(self.jump_slots) - 1;
        std::iter::once(sections::NO_TARGET).chain((0..entries).map(offset_of)).collect()
    }
}

/// Entries in the jump table section: those of the program's table that fit, and the unused entry 0. Tables whose
/// entries take no bytes can claim any length; they are left to the interpreter.
fn jump_table_slots(program: &Program<'_>) -> u32 {
    let table = program.jump_table();
    if table.entry_size() == 0 {
        return 1;
    }
    (table.len() + 1).min(context::MAX_JUMP_TABLE_SLOTS as u64) as u32
}

fn branch_operands(instruction: &Instruction) -> (Condition, Operand) {
    let condition = match instruction.op {
        Op::BranchEqImm | Op::BranchEq => Condition::Equal,
        Op::BranchNeImm | Op::BranchNe => Condition::NotEqual,
        Op::BranchLtUImm | Op::BranchLtU => Condition::Below,
        Op::BranchLeUImm => Condition::BelowOrEqual,
        Op::BranchGeUImm | Op::BranchGeU => Condition::AboveOrEqual,
        Op::BranchGtUImm => Condition::Above,
        Op::BranchLtSImm | Op::BranchLtS => Condition::Less,
        Op::BranchLeSImm => Condition::LessOrEqual,
        Op::BranchGeSImm | Op::BranchGeS => Condition::GreaterOrEqual,
        Op::BranchGtSImm => Condition::Greater,
        other => unreachable!("{} is no branch", other.name()),
    };
    let right = match instruction.op.info().format {
        Format::RegRegOffset => Operand::Reg(host(instruction.b)),
        _ => Operand::Imm(instruction.x as i32),
    };
    (condition, right)
}
