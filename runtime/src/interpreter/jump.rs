//! Jumps: where they may go, and which branches are taken (GP A.4, A.5).

use tvm_isa::layout::HALT_ADDRESS;
use tvm_isa::{BranchRule, Format, Instruction, Op, Pc, Program, Reg, Rules};

use crate::exit::GuestExit;

/// A dynamic jump's address is this many times the number of its table entry, counted from 1 (GP: Z_A).
const ADDRESS_ALIGNMENT: u32 = 2;

/// Executes a jump or branch: registers it writes are written, also when it then panics or halts. `None` when the
/// instruction is neither.
#[inline]
pub(super) fn execute(
    instruction: &Instruction,
    program: &Program<'_>,
    rules: &Rules,
    regs: &mut [u64; Reg::COUNT],
) -> Option<Result<Pc, GuestExit>> {
    let Instruction { op, a, b, x, y, .. } = *instruction;
    Some(match op {
        Op::Fallthrough => fall_through(program, rules, instruction.next_pc()),
        Op::Jump => static_jump(program, rules, x),
        Op::JumpInd => dynamic_jump(program, rules, regs[a.index()].wrapping_add(x) as u32),
        Op::LoadImmJump => {
            regs[a.index()] = x;
            static_jump(program, rules, y)
        }
        Op::LoadImmJumpInd => {
            // A and B may be the same register: the address is made of the old value.
            let address = regs[b.index()].wrapping_add(y) as u32;
            regs[a.index()] = x;
            dynamic_jump(program, rules, address)
        }
        _ => {
            let (right, target) = match op.info().format {
                Format::RegImmOffset => (x, y),
                Format::RegRegOffset => (regs[b.index()], x),
                _ => return None,
            };
            let taken = condition(op, regs[a.index()], right)?;
            branch(program, rules, instruction.next_pc(), target, taken)
        }
    })
}

/// Whether a conditional branch is taken; `None` when `op` is none.
#[inline]
fn condition(op: Op, left: u64, right: u64) -> Option<bool> {
    let (signed_left, signed_right) = (left as i64, right as i64);
    Some(match op {
        Op::BranchEq | Op::BranchEqImm => left == right,
        Op::BranchNe | Op::BranchNeImm => left != right,
        Op::BranchLtU | Op::BranchLtUImm => left < right,
        Op::BranchLeUImm => left <= right,
        Op::BranchGeU | Op::BranchGeUImm => left >= right,
        Op::BranchGtUImm => left > right,
        Op::BranchLtS | Op::BranchLtSImm => signed_left < signed_right,
        Op::BranchLeSImm => signed_left <= signed_right,
        Op::BranchGeS | Op::BranchGeSImm => signed_left >= signed_right,
        Op::BranchGtSImm => signed_left > signed_right,
        _ => return None,
    })
}

/// Where a conditional branch goes.
#[inline]
fn branch(program: &Program<'_>, rules: &Rules, next: Pc, target: u64, taken: bool) -> Result<Pc, GuestExit> {
    if rules.branch == BranchRule::Always {
        static_jump(program, rules, target)?;
        static_jump(program, rules, next.0.into())?;
    }
    if taken { static_jump(program, rules, target) } else { Ok(next) }
}

/// Where `fallthrough` goes: on, which from 0.8.0 counts as a jump (GP 0.8.0, A.4).
#[inline]
fn fall_through(program: &Program<'_>, rules: &Rules, next: Pc) -> Result<Pc, GuestExit> {
    match rules.branch {
        BranchRule::WhenTaken => Ok(next),
        BranchRule::Always => static_jump(program, rules, next.0.into()),
    }
}

/// A jump to a target stated in the code: it must start a basic block.
#[inline]
fn static_jump(program: &Program<'_>, rules: &Rules, target: u64) -> Result<Pc, GuestExit> {
    // Block starts lie in the code, whose positions are 32-bit numbers.
    if program.is_block_start(rules, target) { Ok(Pc(target as u32)) } else { Err(GuestExit::Panic) }
}

/// GP: djump. Addresses are even numbers that count through the jump table, from 2 on.
#[inline]
fn dynamic_jump(program: &Program<'_>, rules: &Rules, address: u32) -> Result<Pc, GuestExit> {
    if address == HALT_ADDRESS {
        return Err(GuestExit::Halt);
    }
    if address == 0 || !address.is_multiple_of(ADDRESS_ALIGNMENT) {
        return Err(GuestExit::Panic);
    }
    let entry = u64::from(address / ADDRESS_ALIGNMENT - 1);
    let target = program.jump_table().get(entry).ok_or(GuestExit::Panic)?;
    static_jump(program, rules, target)
}

#[cfg(test)]
mod tests;
