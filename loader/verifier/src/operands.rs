//! The registers and the memory that instructions may name.

use iced_x86::{Instruction, MemorySize, Mnemonic, OpKind, Register};
use tvm_abi::context;

use crate::violation::Rule;

/// A set of registers, by their numbers in the decoder.
struct RegisterSet([u64; 4]);

impl RegisterSet {
    const fn of(registers: &[Register]) -> Self {
        Self([0; 4]).and(registers)
    }

    /// The set with these registers besides.
    const fn and(self, registers: &[Register]) -> Self {
        let Self(mut bits) = self;
        let mut at = 0;
        while at < registers.len() {
            let number = registers[at] as usize;
            bits[number / 64] |= 1 << (number % 64);
            at += 1;
        }
        Self(bits)
    }

    fn has(&self, register: Register) -> bool {
        let number = register as usize;
        self.0.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }
}

/// The registers of the guest and the scratch register by the names of one width. What is missing is the stack pointer and the gas.
macro_rules! guest {
    ($($name:ident)*) => { &[$(Register::$name),*] };
}

/// What may be part of a guest address.
const IN_ADDRESS: RegisterSet = RegisterSet::of(guest!(EAX ECX EDX EBX EBP ESI EDI R8D R9D R10D R11D R12D R13D R14D));

/// What instructions may name.
const GUEST: RegisterSet = IN_ADDRESS
    .and(guest!(RAX RCX RDX RBX RBP RSI RDI R8 R9 R10 R11 R12 R13 R14))
    .and(guest!(AX CX DX BX BP SI DI R8W R9W R10W R11W R12W R13W R14W))
    .and(guest!(AL CL DL BL BPL SIL DIL R8L R9L R10L R11L R12L R13L R14L));

/// Vector registers in which others wait.
const VECTOR: RegisterSet = RegisterSet::of(&[Register::XMM0, Register::XMM1, Register::XMM2]);

/// What a memory operand names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Guest memory.
    Guest,
    /// A word below guest memory, at this displacement from the segment base.
    Context(i32),
    /// The dynamic jump table, at the index in the scratch register.
    JumpTable,
}

/// Whether a register is the guest's, or the scratch register.
pub fn is_guest(register: Register) -> bool {
    GUEST.has(register)
}

/// Checks the operands of an instruction that computes, and gives the one that is in memory.
pub fn plain(instruction: &Instruction) -> Result<Option<Memory>, Rule> {
    let mut found = None;
    // With memory it locks the bus, without a prefix that says so.
    let may_be_in_memory = instruction.mnemonic() != Mnemonic::Xchg;
    for operand in 0..instruction.op_count() {
        match instruction.op_kind(operand) {
            OpKind::Register => registers(&GUEST, instruction.op_register(operand))?,
            OpKind::Memory if may_be_in_memory => found = Some(memory(instruction)?),
            kind if is_immediate(kind) => {}
            _ => return Err(Rule::Memory),
        }
    }
    Ok(found)
}

/// Checks the operands of `lea`, which accesses nothing: its registers must be the guest's all the same.
pub fn address(instruction: &Instruction) -> Result<(), Rule> {
    registers(&GUEST, instruction.op0_register())?;
    for register in [instruction.memory_base(), instruction.memory_index()] {
        if register != Register::None {
            registers(&GUEST, register)?;
        }
    }
    Ok(())
}

/// Checks the operands of a move between a general and a vector register.
pub fn vector(instruction: &Instruction) -> Result<(), Rule> {
    for operand in 0..instruction.op_count() {
        let register = match instruction.op_kind(operand) {
            OpKind::Register => instruction.op_register(operand),
            _ => return Err(Rule::Memory),
        };
        if !VECTOR.has(register) {
            registers(&GUEST, register)?;
        }
    }
    Ok(())
}

fn registers(allowed: &RegisterSet, register: Register) -> Result<(), Rule> {
    if allowed.has(register) { Ok(()) } else { Err(Rule::Register(format!("{register:?}"))) }
}

fn is_immediate(kind: OpKind) -> bool {
    use OpKind as K;
    matches!(
        kind,
        K::Immediate8
            | K::Immediate16
            | K::Immediate32
            | K::Immediate64
            | K::Immediate8to16
            | K::Immediate8to32
            | K::Immediate8to64
            | K::Immediate32to64
    )
}

/// Whether an access ends at the latest 7 bytes behind its first one: in the guard page, where that one is the last of guest memory.
fn has_at_most_8_bytes(size: MemorySize) -> bool {
    use MemorySize as S;
    matches!(
        size,
        S::UInt8 | S::UInt16 | S::UInt32 | S::UInt64 | S::Int8 | S::Int16 | S::Int32 | S::Int64 | S::QwordOffset
    )
}

/// What the memory operand names.
///
/// With an address of 32 bits the processor computes modulo 2^32 and adds the segment base to that: no register and no displacement
/// leads further than the guest's 4 GiB.
pub fn memory(instruction: &Instruction) -> Result<Memory, Rule> {
    if instruction.segment_prefix() != Register::GS || !has_at_most_8_bytes(instruction.memory_size()) {
        return Err(Rule::Memory);
    }
    let (base, index) = (instruction.memory_base(), instruction.memory_index());
    let displacement = instruction.memory_displacement64();
    match (base, index, instruction.memory_displ_size()) {
        (Register::None, Register::None, 4) => Ok(Memory::Guest),
        (Register::None, Register::None, _) => match i32::try_from(displacement as i64) {
            Ok(displacement) => Ok(Memory::Context(displacement)),
            Err(_) => Err(Rule::Memory),
        },
        (Register::None, Register::RDX, _) => {
            let is_table =
                displacement as i64 == i64::from(context::JUMP_TABLE) && instruction.memory_index_scale() == 4;
            if is_table { Ok(Memory::JumpTable) } else { Err(Rule::Memory) }
        }
        _ if [base, index].iter().all(|&it| it == Register::None || IN_ADDRESS.has(it)) => Ok(Memory::Guest),
        _ => Err(Rule::Memory),
    }
}
