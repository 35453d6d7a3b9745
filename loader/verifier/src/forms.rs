//! The instructions that compiled code may have, by what must be looked at besides.

use iced_x86::{Code, Instruction, Mnemonic};
use tvm_abi::CpuFeatures;

/// What an instruction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Computes, and may have one operand in memory.
    Plain,
    /// Computes an address and accesses nothing.
    Address,
    /// Divides `rdx` and `rax`; a divisor that is 0 or a quotient that does not fit traps.
    Divide,
    /// Moves between a general and a vector register.
    Vector,
    /// Does nothing.
    Nothing,
    /// Jumps if a condition holds.
    Branch,
    /// Jumps to a place in the text.
    Jump,
    /// Jumps to an address in a register.
    DynamicJump,
    /// Calls a place in the text.
    Call,
    /// Calls an address in memory.
    CallStub,
    /// Pushes a constant.
    Push,
}

/// The form of an instruction, and what it asks of the CPU; `None` if compiled code has no such.
pub fn form(instruction: &Instruction) -> Option<(Form, CpuFeatures)> {
    if instruction.has_lock_prefix() || has_repeat_prefix(instruction) {
        return None;
    }
    by_code(instruction.code()).or_else(|| by_mnemonic(instruction.mnemonic()))
}

/// Instructions of which there are others with the same name that may not be.
fn by_code(code: Code) -> Option<(Form, CpuFeatures)> {
    let form = match code {
        Code::Jmp_rel8_64 | Code::Jmp_rel32_64 => Form::Jump,
        Code::Jmp_rm64 => Form::DynamicJump,
        Code::Call_rel32_64 => Form::Call,
        Code::Call_rm64 => Form::CallStub,
        Code::Pushq_imm32 => Form::Push,
        Code::Movq_xmm_rm64 | Code::Movq_rm64_xmm => Form::Vector,
        _ => return None,
    };
    Some((form, CpuFeatures::BASELINE))
}

fn by_mnemonic(mnemonic: Mnemonic) -> Option<(Form, CpuFeatures)> {
    use Mnemonic as M;
    let form = match mnemonic {
        M::Mov | M::Movzx | M::Movsx | M::Movsxd | M::Xchg | M::Bswap => Form::Plain,
        M::Add | M::Adc | M::Sub | M::Sbb | M::Neg | M::Cmp | M::Mul | M::Imul | M::Cdq | M::Cqo => Form::Plain,
        M::And | M::Or | M::Xor | M::Not | M::Test => Form::Plain,
        M::Shl | M::Shr | M::Sar | M::Rol | M::Ror | M::Bsf | M::Bsr => Form::Plain,
        M::Sete | M::Setne | M::Setb | M::Setae | M::Setbe | M::Seta => Form::Plain,
        M::Setl | M::Setge | M::Setle | M::Setg => Form::Plain,
        M::Cmove | M::Cmovne | M::Cmovb | M::Cmovae | M::Cmovbe | M::Cmova => Form::Plain,
        M::Cmovl | M::Cmovge | M::Cmovle | M::Cmovg => Form::Plain,
        M::Lea => Form::Address,
        M::Div | M::Idiv => Form::Divide,
        M::Nop => Form::Nothing,
        M::Je | M::Jne | M::Jb | M::Jae | M::Jbe | M::Ja | M::Jl | M::Jge | M::Jle | M::Jg => Form::Branch,
        M::Popcnt => return Some((Form::Plain, CpuFeatures::POPCNT)),
        M::Lzcnt => return Some((Form::Plain, CpuFeatures::LZCNT)),
        M::Tzcnt | M::Andn => return Some((Form::Plain, CpuFeatures::BMI1)),
        M::Shlx | M::Shrx | M::Sarx | M::Rorx | M::Mulx => return Some((Form::Plain, CpuFeatures::BMI2)),
        _ => return None,
    };
    Some((form, CpuFeatures::BASELINE))
}

/// Where a repeat prefix is not part of the opcode, as it is of `popcnt`, it may mean anything on processors to come.
fn has_repeat_prefix(instruction: &Instruction) -> bool {
    instruction.has_rep_prefix() || instruction.has_repne_prefix()
}
