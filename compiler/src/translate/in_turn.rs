//! Regions on the fast tier: one instruction after the other, by a function for each operation.
//!
//! Which operation comes next is what a processor cannot predict. It is asked once for each instruction, by the call of its function;
//! all else that follows from the operation is settled when the compiler is compiled.

use tvm_abi::{Site, TextOffset};
use tvm_isa::{Encoded, Gas, Instruction, OPERATIONS, Op, Pc};

use super::{Stopped, Translator};
use crate::asm::Assembler;
use crate::lower::{self, Emits, Emitter, Ends, Lowering};

impl<'p> Emits<'p> for Translator<'p> {
    #[inline(always)]
    fn asm(&mut self) -> &mut Assembler<'p> {
        &mut self.asm
    }
}

impl<'p> Translator<'p> {
    /// What emits each operation, by its discriminant; places behind those of all operations are not used.
    const EMITTERS: [Emitter<Self, Encoded<'p>>; 256] = {
        let mut table = [Self::any as Emitter<Self, Encoded<'p>>; 256];
        let mut row = 0;
        while row < OPERATIONS.len() {
            let op = OPERATIONS[row].op;
            table[row] = match lower::plain_emitter(op) {
                Some(emitter) => emitter,
                None => Self::emitter(op),
            };
            row += 1;
        }
        table
    };

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
                Some(encoded) => Self::EMITTERS[op as usize](self, encoded, pc, give_back(index)),
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
            Lowering::Control => self.control(instruction, give_back, false),
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
        self.control(&encoded.instruction(const { OPERATIONS[ROW].op }, pc), give_back, false);
    }

    #[inline(always)]
    fn access_site(&mut self, text: TextOffset, pc: Pc, give_back: Gas) {
        self.map.site(Site { text, pc, give_back, base: None });
    }
}
