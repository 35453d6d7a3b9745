//! From a program to machine code, region by region, in program order.
//!
//! A *region* is a stretch of instructions that execute together and are charged together: it ends at a block's end,
//! at a host call (which must see the exact gas) and at [`MAX_REGION_INSTRUCTIONS`]. Regions are the places where
//! compiled code can be entered.

use tvm_abi::{COLD_SITE_BYTES, CpuFeatures, Observed, PcMapBuilder, Region, Site, Stub, TextOffset, Tier, sections};
use tvm_isa::gas::{self, BlockCost};
use tvm_isa::{Gas, GasModel, Instruction, Pc, Program, Rules, Validation};

mod control_flow;
mod counted;
mod in_turn;
mod planned;
mod ways;

use crate::asm::{Assembler, READY, Target};
use crate::control;
use crate::error::CompileError;
use crate::lower::{self, Ends};
use crate::scratch::Scratch;
use crate::targets::{BlockTargets, MAX_REGION_INSTRUCTIONS, jump_table_slots};
use planned::Optimisation;
use ways::Ways;

/// Most bytes of machine code, so that every jump and text offset fits 32 bits.
pub const MAX_TEXT_BYTES: usize = 1 << 30;

/// Translates a whole program. The machine code goes to the start of `bytes`, and all that is known about it into `scratch`,
/// which has the program's blocks already. Gives the length of the code; `None` if `bytes` are too few.
pub fn translate(
    program: &Program<'_>,
    rules: &Rules,
    cpu: CpuFeatures,
    tier: Tier,
    observed: Observed,
    bytes: &mut [u8],
    scratch: &mut Scratch,
) -> Result<Option<usize>, CompileError> {
    let mut translator = Translator::new(program, rules, cpu, bytes, std::mem::take(scratch));
    if tier == Tier::Best {
        translator.optimise(observed);
    }
    let translated = match translator.regions() {
        Ok(()) => translator.cold_sites(),
        full => full,
    };
    let text_len;
    (text_len, *scratch) = translator.finish();
    match translated {
        Ok(()) => Ok(Some(text_len)),
        Err(Stopped::Full) => Ok(None),
        Err(Stopped::TextTooLarge) => Err(CompileError::TextTooLarge),
    }
}

/// Why translation stopped.
enum Stopped {
    /// There is no room for more code.
    Full,
    /// There is more code than may be.
    TextTooLarge,
}

/// What was found out about a region before it is emitted.
struct Collected {
    /// How many instructions it has.
    instructions: usize,
    /// Whether the region ends a basic block.
    ends_block: bool,
    /// What is charged where it starts.
    charge: Gas,
}

struct Translator<'p> {
    program: &'p Program<'p>,
    rules: &'p Rules,
    asm: Assembler<'p>,
    targets: BlockTargets,
    map: PcMapBuilder,
    /// What emits each operation on the fast tier, by its number.
    emitters: &'p in_turn::ByNumber<'p>,
    /// What the cold sites call; [`Stub::Jump`] stands twice for each, as it takes the place of two.
    cold: Vec<Stub>,
    jump_slots: u32,
    jump_table: Vec<u32>,
    gas: BlockCost<'p>,
    /// The instructions of the region being emitted, on the best tier.
    region: Vec<Instruction>,
    /// Number of the next block to be emitted.
    next_block: u32,
    /// On the best tier.
    optimisation: Option<Optimisation>,
    /// On the best tier.
    ways: Option<Ways>,
}

impl<'p> Translator<'p> {
    fn new(
        program: &'p Program<'p>,
        rules: &'p Rules,
        cpu: CpuFeatures,
        bytes: &'p mut [u8],
        scratch: Scratch,
    ) -> Self {
        let Scratch { targets, mut jumps, mut map, mut cold, jump_table } = scratch;
        let blocks = targets.count();
        jumps.begin(blocks);
        map.begin(blocks as usize, program.code().len() / 8);
        cold.clear();
        let mut asm = Assembler::new(cpu, bytes, jumps);
        if asm.is_ready() {
            control::thunks(&mut asm);
        }
        Self {
            program,
            rules,
            asm,
            emitters: Self::emitters(rules),
            cold,
            map,
            targets,
            jump_slots: jump_table_slots(program),
            jump_table,
            gas: BlockCost::new(program, rules),
            region: Vec::new(),
            next_block: 0,
            optimisation: None,
            ways: None,
        }
    }

    /// Walks the code from front to back. Every instruction that can ever execute starts at a marked position, at 0, or
    /// where the one before it ends.
    fn regions(&mut self) -> Result<(), Stopped> {
        let mut pc = Pc(0);
        let mut paid = false;
        let is_counted = self.rules.gas == GasModel::PerInstruction && self.optimisation.is_none();
        while pc.0 < self.program.code_len() {
            let counted = if is_counted { self.emit_counted(pc)? } else { None };
            pc = match counted {
                Some(next) => next,
                None => {
                    let collected = self.collect_region(pc, paid);
                    paid = self.rules.gas == GasModel::PipelineBlocks && !collected.ends_block;
                    self.emit_region(pc, &collected)?
                }
            };
            if self.asm.here().0 as usize > MAX_TEXT_BYTES {
                return Err(Stopped::TextTooLarge);
            }
        }
        // Code that runs off its end traps there; valid programs of a version that checks them never do.
        if self.rules.validation == Validation::ContainerOnly {
            let collected = self.collect_region(pc, paid);
            self.emit_region(pc, &collected)?;
        }
        Ok(())
    }

    /// To be called before the code of each instruction.
    #[inline]
    fn make_ready(&self) -> Result<(), Stopped> {
        if self.asm.is_ready() { Ok(()) } else { Err(Stopped::Full) }
    }

    /// Finds out about the region that starts at `start`, by walking it instruction by instruction; `paid` says that it is the rest
    /// of a block that was charged already.
    fn collect_region(&mut self, start: Pc, paid: bool) -> Collected {
        self.region.clear();
        let is_planned = self.optimisation.is_some();
        let mut pc = start;
        let mut instructions = 0;
        let ends_block = loop {
            let (op, length) = self.program.fetch(self.rules, pc);
            if is_planned {
                self.region.push(Instruction::decode_operands(self.program, op, pc, length));
            }
            if self.rules.gas == GasModel::PipelineBlocks && !is_planned {
                self.gas.feed_at(self.program, op, pc, length);
            }
            instructions += 1;
            pc = Pc(pc.0 + u32::from(length));
            match lower::ends(op) {
                Ends::Block => break true,
                Ends::Region => break false,
                Ends::Nothing if instructions == MAX_REGION_INSTRUCTIONS => break false,
                Ends::Nothing if pc.0 >= self.program.code_len() => break false,
                Ends::Nothing => {}
            }
        };
        // A block is charged as a whole at its start, also when it has more regions. Only there is all of it looked at:
        // doing so for each of its regions would take quadratic time.
        let charge = match self.rules.gas {
            GasModel::PerInstruction => Gas(instructions as u64),
            // Blocks are charged for with what lies behind them: see `begin_block`.
            GasModel::PipelineBlocks if is_planned && self.targets.contains(start) => Gas(0),
            GasModel::PipelineBlocks => match self.gas.finish() {
                _ if paid => Gas(0),
                _ if !ends_block || is_planned => gas::block_cost(self.program, self.rules, start),
                block_cost => block_cost,
            },
        };
        Collected { instructions, ends_block, charge }
    }

    /// Emits a region and gives where the next one starts.
    fn emit_region(&mut self, pc: Pc, collected: &Collected) -> Result<Pc, Stopped> {
        let Collected { instructions, ends_block, charge } = *collected;
        self.make_ready()?;
        let block = self.targets.contains(pc).then_some(self.next_block);
        self.next_block += u32::from(block.is_some());
        let charge = match block {
            Some(block) if self.optimisation.is_some() => self.begin_planned(block, pc),
            None if self.optimisation.is_some() => self.begin_rest(pc, charge),
            _ => self.begin_region(block, charge),
        };
        let text = self.asm.here();
        self.map.region(Region { text, pc, charge });
        let give_back = give_back(self.rules.gas, instructions);
        match self.optimisation.take() {
            Some(optimisation) => self.emit_planned(optimisation, block, ends_block, give_back),
            None => self.emit_in_turn(pc, instructions, give_back),
        }
    }

    /// Emits a region's charge on the fast tier, where a block's label may be. The region's code follows at once.
    #[inline(always)]
    fn begin_region(&mut self, block: Option<u32>, charge: Gas) -> Gas {
        if let Some(block) = block {
            self.asm.bind(block);
        }
        if charge > Gas(0) {
            control::charge(&mut self.asm, charge);
        }
        charge
    }

    /// Emits the charge of a region at which no block starts, on the best tier.
    fn begin_rest(&mut self, pc: Pc, charge: Gas) -> Gas {
        if charge > Gas(0) {
            self.charge(pc, charge, charge);
        }
        charge
    }

    /// Charges gas at `pc`, with a cold site of its own where it does not fit, at which `give_back` is given back.
    fn charge(&mut self, pc: Pc, gas: Gas, give_back: Gas) {
        let out_of_gas = self.add_cold(Stub::OutOfGas, pc, give_back);
        control::charge(&mut self.asm, gas);
        self.asm.leads_to(Target::Cold(out_of_gas));
    }

    /// Records the call just emitted.
    fn call_site(&mut self, pc: Pc, give_back: Gas) {
        let text = TextOffset(self.asm.here().0 - 1);
        self.map.site(Site { text, pc, give_back, base: None });
    }

    fn cold_site(&mut self, stub: Stub, pc: Pc, give_back: Gas) -> Target {
        let site = self.add_cold(stub, pc, give_back);
        if stub == Stub::Jump {
            self.add_cold(stub, pc, give_back);
        }
        Target::Cold(site)
    }

    /// Adds a cold site of one place and gives its number.
    fn add_cold(&mut self, stub: Stub, pc: Pc, give_back: Gas) -> u32 {
        let site = self.cold.len() as u32;
        self.cold.push(stub);
        self.map.cold_site(pc, give_back);
        site
    }

    /// Emits what stands behind all blocks, the cold sites last, and lets all jumps lead to their targets.
    fn cold_sites(&mut self) -> Result<(), Stopped> {
        self.counted_loops()?;
        let ways = self.ways.take();
        if let Some(ways) = &ways {
            self.detours(ways)?;
        }
        self.map.cold_start(self.asm.here());
        if ways.is_none() {
            self.cold_sites_of_regions()?;
        }
        let cold_start = self.asm.here();
        let mut cold = self.cold.iter();
        while let Some(&stub) = cold.next() {
            if !self.asm.is_ready() {
                return Err(Stopped::Full);
            }
            match stub {
                Stub::Jump => {
                    control::leave_at_jump(&mut self.asm);
                    cold.next();
                }
                _ => control::call(&mut self.asm, stub),
            }
        }
        if self.asm.here().0 as usize > MAX_TEXT_BYTES {
            return Err(Stopped::TextTooLarge);
        }
        self.asm.resolve(cold_start);
        self.fill_jump_table();
        if let Some(ways) = ways {
            self.asm.name_blocks(ways.begins());
        }
        Ok(())
    }

    /// Emits a cold site for each region of the fast tier and lets its charge, which is right before its code, jump there.
    fn cold_sites_of_regions(&mut self) -> Result<(), Stopped> {
        let Self { asm, map, .. } = self;
        map.regions_have_cold_sites();
        let regions = map.regions();
        let bytes = regions.len() * COLD_SITE_BYTES as usize;
        if !asm.is_ready_for(bytes / READY + 1) {
            return Err(Stopped::Full);
        }
        for Region { text, charge, .. } in regions {
            if charge > Gas(0) {
                asm.let_jump(text, asm.here());
            }
            control::call(asm, Stub::OutOfGas);
        }
        Ok(())
    }

    fn fill_jump_table(&mut self) {
        let (table, blocks) = (self.program.jump_table(), self.asm.jumps().blocks());
        let offset_of = |entry: u64| {
            let target = table.get(entry).expect("below the table's length");
            self.targets.index(target).map_or(sections::NO_TARGET, |block| blocks[block as usize])
        };
        let entries = u64::from(self.jump_slots) - 1;
        self.jump_table.clear();
        self.jump_table.extend(std::iter::once(sections::NO_TARGET).chain((0..entries).map(offset_of)));
    }

    /// The length of the code, and what is known about it.
    fn finish(self) -> (usize, Scratch) {
        let Self { asm, map, targets, cold, jump_table, .. } = self;
        let (text_len, jumps) = asm.into_parts();
        (text_len, Scratch { targets, jumps, map, cold, jump_table })
    }
}

/// How many bytes are enough for most programs, whether they become objects or not.
pub fn expected_bytes(program: &Program<'_>, targets: &BlockTargets) -> usize {
    const AT_LEAST: usize = 32 << 10;
    const PER_CODE_BYTE: usize = 8;
    const PER_BLOCK: usize = 80;
    let jump_table = 4 * jump_table_slots(program) as usize;
    let code = program.code().len() * PER_CODE_BYTE + targets.count() as usize * PER_BLOCK;
    AT_LEAST + program.blob().len() + jump_table + code
}

/// What each of a region's instructions and those behind it were charged, by its place in the region.
fn give_back(model: GasModel, instructions: usize) -> impl Fn(usize) -> Gas {
    move |index| match model {
        GasModel::PerInstruction => Gas((instructions - index) as u64),
        // Blocks are charged as a whole.
        GasModel::PipelineBlocks => Gas(0),
    }
}
