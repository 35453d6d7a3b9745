//! Regions on the fast tier: one instruction after the other, by a function for each operation.
//!
//! Which operation comes next is what a processor cannot predict. It is asked once for each instruction, by the call of its function;
//! all else that follows from the operation is settled when the compiler is compiled.

use tvm_abi::{Region, Site, TextOffset};
use tvm_isa::{Encoded, Gas, Instruction, NUMBERS, OPERATIONS, Op, OpcodeNumbers, Pc, Rules, Stretch};

use super::{Stopped, Translator};
use crate::asm::Assembler;
use crate::lower::{self, Emits, Emitter, Ends, Lowering};

impl<'p> Emits<'p> for Translator<'p> {
    #[inline(always)]
    fn asm(&mut self) -> &mut Assembler<'p> {
        &mut self.asm
    }
}

/// What emits each operation, by its number in a version.
pub(super) type ByNumber<'p> = [Emitter<Translator<'p>, Encoded<'p>>; 256];

impl<'p> Translator<'p> {
    /// By numbering, in the order of [`Numbering`](tvm_isa::Numbering)'s discriminants.
    const EMITTERS: [ByNumber<'p>; 2] = [Self::by_number(NUMBERS[0]), Self::by_number(NUMBERS[1])];

    /// What emits the operations in the numbering of `rules`.
    pub(super) fn emitters(rules: &Rules) -> &'p ByNumber<'p> {
        &Self::EMITTERS[rules.numbering as usize]
    }

    const fn by_number(numbers: &OpcodeNumbers) -> ByNumber<'p> {
        let mut table = [Self::any as Emitter<Self, Encoded<'p>>; 256];
        let mut number = 0;
        while number < table.len() {
            if let Some(op) = numbers[number] {
                table[number] = match lower::plain_emitter(op) {
                    Some(emitter) => emitter,
                    None => Self::emitter(op),
                };
            }
            number += 1;
        }
        table
    }

    /// What emits an operation with control flow or memory access.
    #[rustfmt::skip]
    const fn emitter(op: Op) -> Emitter<Self, Encoded<'p>> {
        macro_rules! known {
            ($($emit:ident: $($op:ident)*;)*) => {
                match op {
                    $($(Op::$op => Self::$emit::<{ Op::$op as usize }>,)*)*
                    _ => Self::any,
                }
            };
        }
        known! {
            access:
                LoadIndU8 LoadIndI8 LoadIndU16 LoadIndI16 LoadIndU32 LoadIndI32 LoadIndU64
                StoreIndU8 StoreIndU16 StoreIndU32 StoreIndU64;
            other_access:
                StoreImmU8 StoreImmU16 StoreImmU32 StoreImmU64
                LoadU8 LoadI8 LoadU16 LoadI16 LoadU32 LoadI32 LoadU64
                StoreU8 StoreU16 StoreU32 StoreU64
                StoreImmIndU8 StoreImmIndU16 StoreImmIndU32 StoreImmIndU64;
            known_control:
                Jump LoadImmJump JumpInd Fallthrough Ecalli
                BranchEqImm BranchNeImm BranchLtUImm BranchLeUImm BranchGeUImm BranchGtUImm
                BranchLtSImm BranchLeSImm BranchGeSImm BranchGtSImm
                BranchEq BranchNe BranchLtU BranchLtS BranchGeU BranchGeS;
        }
    }

    /// Emits the region at `start` where nothing needs to be known about its instructions but how many they are: each is charged one.
    /// Gives where the next one starts; `None` where this is not an ordinary region, of which nothing is emitted.
    #[inline]
    pub(super) fn emit_counted(&mut self, start: Pc) -> Result<Option<Pc>, Stopped> {
        let (program, rules) = (self.program, self.rules);
        let Some(Stretch { last, instructions }) = self.targets.region(program, start) else { return Ok(None) };
        // Otherwise a gap follows.
        if !self.targets.is_ordinary(program, rules, last) {
            return Ok(None);
        }
        // One more for what goes before the region.
        let has_room = self.asm.is_ready_for(instructions as usize + 1);
        if !has_room {
            self.make_ready()?;
        }
        let charge = Gas(instructions.into());
        let block = self.targets.contains(start).then_some(self.next_block);
        self.next_block += u32::from(block.is_some());
        self.begin_region(block, charge);
        self.map.region(Region { text: self.asm.here(), pc: start, charge });
        let next = match has_room {
            true => self.emit_stretch::<true>(start, instructions),
            false => self.emit_with_little_room(start, instructions),
        }?;
        Ok(Some(next))
    }

    /// Emits so many marked instructions, of which the last is a stop and not near to the end of the code. `ROOM` says that there is
    /// room for them.
    #[inline(always)]
    fn emit_stretch<const ROOM: bool>(&mut self, start: Pc, instructions: u32) -> Result<Pc, Stopped> {
        let (program, rules) = (self.program, self.rules);
        let mut pc = start;
        let mut charged = u64::from(instructions);
        while let Some((opcode, encoded)) = program.marked(pc) {
            if !ROOM {
                self.make_ready()?;
            }
            self.emitters[usize::from(opcode)](self, encoded, pc, Gas(charged));
            pc = Pc(pc.0 + u32::from(encoded.length()));
            charged -= 1;
            if rules.stops(opcode) {
                break;
            }
        }
        debug_assert_eq!(charged, 0, "as many instructions as were counted");
        Ok(pc)
    }

    #[cold]
    fn emit_with_little_room(&mut self, start: Pc, instructions: u32) -> Result<Pc, Stopped> {
        self.emit_stretch::<false>(start, instructions)
    }

    /// Emits instructions one by one, the first of which is at `start`. `give_back` gives what each and those behind it were
    /// charged.
    pub(super) fn emit_in_turn(
        &mut self,
        start: Pc,
        instructions: usize,
        give_back: impl Fn(usize) -> Gas,
    ) -> Result<Pc, Stopped> {
        let (program, rules) = (self.program, self.rules);
        let mut pc = start;
        for index in 0..instructions {
            self.make_ready()?;
            let (op, length) = program.fetch(rules, pc);
            match program.encoded(pc, length) {
                // There may be no instruction here, which is a trap whatever the byte.
                Some(encoded) if op == Op::Trap => self.any(encoded, pc, give_back(index)),
                Some(encoded) => self.emitters[usize::from(encoded.opcode())](self, encoded, pc, give_back(index)),
                None => {
                    let instruction = Instruction::decode_operands(program, op, pc, length);
                    self.emit_decoded(&instruction, give_back(index));
                }
            }
            pc = Pc(pc.0 + u32::from(length));
            if lower::ends(op) != Ends::Nothing {
                // It is anyhow; to say so spares the processor guessing how many there are.
                break;
            }
        }
        Ok(pc)
    }

    /// Emits one instruction, of any form.
    #[inline(never)]
    fn emit_decoded(&mut self, instruction: &Instruction, give_back: Gas) {
        match lower::lowering(instruction.op) {
            Lowering::Plain => lower::plain(&mut self.asm, instruction),
            Lowering::Memory(access) => {
                let text = lower::memory_access(&mut self.asm, access, instruction);
                self.access_site(text, instruction.pc, give_back);
            }
            Lowering::Control => self.control(instruction, give_back, None),
        }
    }

    fn any(&mut self, encoded: Encoded<'p>, pc: Pc, give_back: Gas) {
        let (op, _) = self.program.fetch(self.rules, pc);
        self.emit_decoded(&encoded.instruction(op, pc), give_back);
    }

    fn access<const ROW: usize>(&mut self, encoded: Encoded<'p>, pc: Pc, give_back: Gas) {
        let text = lower::common_access::<ROW>(&mut self.asm, encoded);
        self.access_site(text, pc, give_back);
    }

    fn other_access<const ROW: usize>(&mut self, encoded: Encoded<'p>, pc: Pc, give_back: Gas) {
        let instruction = encoded.instruction(const { OPERATIONS[ROW].op }, pc);
        let text = lower::known_access::<ROW>(&mut self.asm, &instruction);
        self.access_site(text, pc, give_back);
    }

    fn known_control<const ROW: usize>(&mut self, encoded: Encoded<'p>, pc: Pc, give_back: Gas) {
        self.control(&encoded.instruction(const { OPERATIONS[ROW].op }, pc), give_back, None);
    }

    #[inline(always)]
    fn access_site(&mut self, text: TextOffset, pc: Pc, give_back: Gas) {
        self.map.site(Site { text, pc, give_back, base: None });
    }
}
