//! Instructions that only mean something together. They are recognised by their last one, from back to front; nobody may
//! jump to any but the first.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};
use tvm_abi::{HostReg, Stub, TextOffset, context, registers};

use crate::operands::{self, Memory};

const _: () = assert!(registers::SCRATCH as u8 == HostReg::Rdx as u8 && registers::GAS as u8 == HostReg::R15 as u8);

/// The scratch register, and its lower half.
const SCRATCH: (Register, Register) = (Register::RDX, Register::EDX);

/// The gas counter.
const GAS: Register = Register::R15;

/// Most instructions of a sequence.
const LONGEST: usize = 8;

/// The instructions decoded last.
pub struct Recent {
    ring: [Instruction; LONGEST],
    count: usize,
}

impl Recent {
    pub fn new() -> Self {
        Self { ring: [Instruction::default(); LONGEST], count: 0 }
    }

    /// Adds an instruction behind the others.
    pub fn push(&mut self, instruction: Instruction) {
        self.ring[self.count % LONGEST] = instruction;
        self.count += 1;
    }

    /// The instruction `back` before the last one, which is 0. One that was never there is no instruction of any kind.
    pub fn get(&self, back: usize) -> &Instruction {
        &self.ring[(self.count + LONGEST - 1 - back % LONGEST) % LONGEST]
    }

    /// Where the last `count` instructions begin.
    pub fn places(&self, count: usize) -> impl Iterator<Item = TextOffset> {
        (0..count).map(|back| TextOffset(self.get(back).ip() as u32))
    }
}

/// The words of the context that a dynamic jump reads.
pub const DYNAMIC_JUMP_READS: usize = 2;

/// How many instructions before the last one, `jmp rdx`, belong to a dynamic jump through a table of `slots` entries; `None` if it
/// is none.
///
/// ```text
///   ror edx, 1                      or rorx edx, r, 1: the upper half of rdx is 0
///   cmp edx, last
///   ja elsewhere
///   movsxd rdx, gs:[rdx*4 + table]
///   add rdx, gs:[text]
///   jb elsewhere                    for entries that lead nowhere
///   mov r, constant                 perhaps
///   jmp rdx
/// ```
pub fn dynamic_jump(recent: &Recent, slots: u32) -> Option<usize> {
    let loads = usize::from(is_constant(recent.get(1)));
    let [branch, add, load, above, compare, key] = std::array::from_fn(|back| recent.get(1 + loads + back));
    let reads = |instruction: &Instruction, code: Code, memory: Memory| {
        instruction.code() == code
            && instruction.op0_register() == SCRATCH.0
            && operands::memory(instruction).ok() == Some(memory)
    };
    // By 1: a rotation by nothing might leave the upper half as it is.
    let is_key = match key.code() {
        Code::Ror_rm32_1 => true,
        Code::Ror_rm32_imm8 => key.immediate(1) == 1,
        Code::VEX_Rorx_r32_rm32_imm8 => key.immediate(2) == 1,
        _ => false,
    };
    let is_below = matches!(compare.code(), Code::Cmp_rm32_imm8 | Code::Cmp_rm32_imm32)
        && compare.op0_register() == SCRATCH.1
        && (compare.immediate(1) as u32) < slots;
    let is_jump = is_key
        && key.op0_register() == SCRATCH.1
        && is_below
        && above.mnemonic() == Mnemonic::Ja
        && reads(load, Code::Movsxd_r64_rm32, Memory::JumpTable)
        && reads(add, Code::Add_r64_rm64, Memory::Context(context::TEXT_BASE))
        && branch.mnemonic() == Mnemonic::Jb;
    is_jump.then_some(6 + loads)
}

/// Whether an instruction puts a constant into a register of the guest's other than the scratch register.
fn is_constant(instruction: &Instruction) -> bool {
    let code = matches!(instruction.code(), Code::Mov_r32_imm32 | Code::Mov_r64_imm64 | Code::Mov_rm64_imm32);
    let to = instruction.op0_register();
    code && instruction.op0_kind() == OpKind::Register && operands::is_guest(to) && to != SCRATCH.0 && to != SCRATCH.1
}

/// How many instructions before the last one, a division, make sure that it does not trap; `None` if they do not.
///
/// ```text
///   test r, r
///   je elsewhere
///   xor edx, edx
///   div r
/// ```
///
/// or, where numbers are signed,
///
/// ```text
///   test r, r
///   je elsewhere
///   cmp r, -1
///   je elsewhere
///   cqo                             or cdq
///   idiv r
/// ```
pub fn division(recent: &Recent) -> Option<usize> {
    let by = recent.get(0).op0_register();
    let is_scratch = by == SCRATCH.0 || by == SCRATCH.1;
    if recent.get(0).op0_kind() != OpKind::Register || is_scratch || !operands::is_guest(by) {
        return None;
    }
    let (extend, test, compare) = match recent.get(0).code() {
        Code::Div_rm64 => (None, Code::Test_rm64_r64, None),
        Code::Div_rm32 => (None, Code::Test_rm32_r32, None),
        Code::Idiv_rm64 => (Some(Code::Cqo), Code::Test_rm64_r64, Some(Code::Cmp_rm64_imm8)),
        Code::Idiv_rm32 => (Some(Code::Cdq), Code::Test_rm32_r32, Some(Code::Cmp_rm32_imm8)),
        _ => return None,
    };
    let is_extended = match extend {
        Some(extend) => recent.get(1).code() == extend,
        None => {
            let zero = recent.get(1);
            zero.mnemonic() == Mnemonic::Xor && zero.op0_register() == SCRATCH.1 && zero.op1_register() == SCRATCH.1
        }
    };
    let mut before = 2;
    let asks = |at: usize, code: Code| {
        recent.get(at).mnemonic() == Mnemonic::Je
            && recent.get(at + 1).code() == code
            && recent.get(at + 1).op0_register() == by
    };
    if let Some(compare) = compare {
        if !asks(before, compare) || recent.get(before + 1).immediate(1) != u64::MAX {
            return None;
        }
        before += 2;
    }
    let is_safe = is_extended && asks(before, test) && recent.get(before + 1).op1_register() == by;
    is_safe.then_some(before + 1)
}

/// What an instruction does to the gas counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GasChange {
    /// Charges so much, at least 1.
    Charge(u64),
    /// Gives so much back, at least 1.
    GiveBack(u64),
}

/// What an instruction does to the gas counter; `None` if it leaves that alone.
pub fn gas_change(instruction: &Instruction) -> Option<GasChange> {
    if instruction.op0_kind() != OpKind::Register || instruction.op0_register() != GAS {
        return None;
    }
    let change = match instruction.code() {
        Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32 => GasChange::Charge,
        Code::Add_rm64_imm8 | Code::Add_rm64_imm32 => GasChange::GiveBack,
        _ => return None,
    };
    let gas = instruction.immediate(1);
    (gas as i64 > 0).then_some(change(gas))
}

/// Whether the last two instructions are a host call: its place and identifier in the scratch register, and the call.
pub fn is_host_call(recent: &Recent) -> bool {
    let call = recent.get(0);
    // Without prefixes other than the segment's.
    let is_plain = call.len() == 8;
    is_plain
        && call.op0_kind() == OpKind::Memory
        && operands::memory(call).ok() == Some(Memory::Context(Stub::HostCall.slot()))
        && recent.get(1).code() == Code::Mov_r64_imm64
        && recent.get(1).op0_register() == SCRATCH.0
}
