//! Control flow, host calls and the charge for gas.

use tvm_isa::{GpVersion, Op};
use tvm_tests::assemble::{Assembler, Inst, Label};

use super::entry::{Entry, Shown};
use super::forms::{IMMEDIATES, IN_RAX, IN_RCX, R, SP};

const BRANCHES: [Op; 6] = [Op::BranchEq, Op::BranchNe, Op::BranchLtU, Op::BranchLtS, Op::BranchGeU, Op::BranchGeS];

const BRANCHES_IMM: [Op; 10] = [
    Op::BranchEqImm,
    Op::BranchNeImm,
    Op::BranchLtUImm,
    Op::BranchLeUImm,
    Op::BranchGeUImm,
    Op::BranchGtUImm,
    Op::BranchLtSImm,
    Op::BranchLeSImm,
    Op::BranchGeSImm,
    Op::BranchGtSImm,
];

pub fn branches(version: GpVersion) -> Vec<Entry> {
    let mut entries = Vec::new();
    for op in BRANCHES {
        for (a, b) in [(R[1], R[2]), (R[0], R[0])] {
            entries.push(forward(version, "", Inst::two(op, a, b, 0)));
        }
    }
    for op in BRANCHES_IMM {
        entries.extend(IMMEDIATES.map(|x| forward(version, "", Inst::imm(op, R[1], x))));
    }
    let ne = Inst::two(Op::BranchNe, R[1], R[2], 0);
    entries.push(backward(version, "backward, near", ne, 1));
    entries.push(backward(version, "backward, far", ne, 40));
    entries.push(backward(version, "to itself", ne, 0));
    entries.push(away(version, "into a block", ne, 1));
    entries.push(away(version, "before the code", ne, -100));
    entries
}

/// A jump over a `fallthrough` to what follows.
fn forward(version: GpVersion, note: &str, inst: Inst) -> Entry {
    let mut asm = Assembler::new(version);
    let end = asm.label();
    let pc = asm.push(inst.to(end));
    asm.op(Op::Fallthrough);
    asm.bind(end);
    asm.op(Op::Trap);
    Entry::at(note, inst.op, pc, &asm)
}

/// A jump back over `blocks` blocks.
fn backward(version: GpVersion, note: &str, inst: Inst, blocks: usize) -> Entry {
    let mut asm = Assembler::new(version);
    let start = asm.here();
    for _ in 0..blocks {
        asm.op(Op::Fallthrough);
    }
    let pc = asm.push(inst.to(start));
    asm.op(Op::Trap);
    Entry::at(note, inst.op, pc, &asm)
}

/// A jump by this distance, where no block starts.
fn away(version: GpVersion, note: &str, inst: Inst, distance: i64) -> Entry {
    let mut asm = Assembler::new(version);
    let is_second = inst.op.info().format == tvm_isa::Format::RegImmOffset;
    let inst = if is_second { Inst { y: distance, ..inst } } else { Inst { x: distance, ..inst } };
    let pc = asm.push(inst);
    asm.op(Op::Trap);
    Entry::at(note, inst.op, pc, &asm)
}

pub fn jumps(version: GpVersion) -> Vec<Entry> {
    let mut entries = Vec::new();
    let jump = Inst::new(Op::Jump);
    let load_jump = Inst::imm(Op::LoadImmJump, R[1], 7);
    for inst in [jump, load_jump] {
        entries.push(forward(version, "", inst));
        entries.push(backward(version, "backward, near", inst, 1));
        entries.push(backward(version, "backward, far", inst, 40));
        entries.push(away(version, "into a block", inst, 1));
        entries.push(to_next(version, inst));
    }
    for disp in [0, 8, -129] {
        entries.push(dynamic(version, "no jump table", Inst::imm(Op::JumpInd, R[1], disp), 0));
        for base in [R[1], SP, IN_RAX] {
            entries.push(dynamic(version, "jump table of 2", Inst::imm(Op::JumpInd, base, disp), 2));
        }
    }
    entries.push(dynamic(version, "jump table of 1000", Inst::imm(Op::JumpInd, R[1], 0), 1000));
    for (a, b) in [(R[1], R[2]), (R[1], R[1]), (IN_RCX, IN_RAX)] {
        let load = |x, y| Inst { a, b, x, y, ..Inst::new(Op::LoadImmJumpInd) };
        entries.push(dynamic(version, "jump table of 2", load(7, 0), 2));
        entries.push(dynamic(version, "jump table of 2", load(-1, 12), 2));
        entries.push(dynamic(version, "no jump table", load(7, 0), 0));
    }
    for id in [0, 1, -1, 100, i64::from(i32::MIN)] {
        entries.push(Entry::straight_of(version, Inst { x: id, ..Inst::new(Op::Ecalli) }));
    }
    for op in [Op::Trap, Op::Fallthrough] {
        entries.push(Entry::straight_of(version, Inst::new(op)));
    }
    if version.rules().opcodes.contains(&Some(Op::Sbrk)) {
        entries.push(Entry::straight_of(version, Inst::three(Op::Sbrk, R[0], R[1], 0)));
    }
    // Execution may run off the end of the code, where it traps.
    let mut asm = Assembler::new(version);
    asm.op(Op::Fallthrough);
    entries.push(Entry { pc: 1, ..Entry::at("past the end of the code", Op::Trap, 1, &asm) });
    entries
}

fn to_next(version: GpVersion, inst: Inst) -> Entry {
    let mut asm = Assembler::new(version);
    let next = asm.label();
    let pc = asm.push(inst.to(next));
    asm.bind(next);
    asm.op(Op::Trap);
    Entry::at("to the next instruction", inst.op, pc, &asm)
}

fn dynamic(version: GpVersion, note: &str, inst: Inst, entries: usize) -> Entry {
    let mut asm = Assembler::new(version);
    let start: Label = asm.here();
    let pc = asm.push(inst);
    asm.op(Op::Trap);
    asm.jump_table(&vec![start; entries]);
    Entry::at(note, inst.op, pc, &asm)
}

/// Branches in a version that checks both sides of each.
pub fn checked_branches() -> Vec<Entry> {
    let version = GpVersion::V0_8_0;
    let ne = Inst::two(Op::BranchNe, R[1], R[2], 0);
    let ne_imm = Inst::imm(Op::BranchNeImm, R[1], 1);
    let mut entries = Vec::new();
    for inst in [ne, ne_imm] {
        entries.push(forward(version, "", inst));
        entries.push(backward(version, "backward, near", inst, 1));
        entries.push(away(version, "into a block", inst, 1));
        entries.push(away(version, "before the code", inst, -100));
        entries.push(last(version, inst));
    }
    entries
}

/// The ends of programs that are validated, and `unlikely`.
pub fn checked_ends() -> Vec<Entry> {
    let version = GpVersion::V0_8_0;
    let jump = Inst::new(Op::Jump);
    vec![
        last(version, Inst::new(Op::Fallthrough)),
        last(version, Inst::new(Op::Trap)),
        last(version, jump),
        Entry::straight_of(version, Inst::new(Op::Unlikely)),
        Entry::straight_of(version, Inst { x: 3, ..Inst::new(Op::Ecalli) }),
        Entry::straight_of(version, Inst::new(Op::Fallthrough)),
        forward(version, "", jump),
        dynamic(version, "jump table of 2", Inst::imm(Op::JumpInd, R[1], 0), 2),
    ]
}

/// The last instruction of a program, behind which no block starts. If it jumps, it does so to the program's start.
fn last(version: GpVersion, inst: Inst) -> Entry {
    let mut asm = Assembler::new(version);
    let start = asm.here();
    asm.op(Op::Fallthrough);
    let pc = asm.push(inst.to(start));
    Entry::at("last instruction", inst.op, pc, &asm)
}

/// The charge for regions of many lengths.
pub fn charges(version: GpVersion) -> Vec<Entry> {
    let mut entries = Vec::new();
    for instructions in [1, 2, 127, 128, 129, 1024] {
        let mut asm = Assembler::new(version);
        for _ in 1..instructions {
            asm.set(7, 1);
        }
        let op = if instructions == 1 { Op::Trap } else { Op::LoadImm };
        asm.op(Op::Trap);
        entries.push(charge(&format!("region of {instructions}"), op, 0, &asm));
    }
    // The limit of a region, and one past it: the second region holds the rest.
    let mut asm = Assembler::new(version);
    let filler: Vec<u32> = (0..1024).map(|_| asm.set(7, 1)).collect();
    let rest = asm.op(Op::Trap);
    entries.push(charge("1025 instructions, the first", Op::LoadImm, filler[0], &asm));
    entries.push(charge("1025 instructions, the last", Op::Trap, rest, &asm));
    // A host call ends a region, but not a block.
    let mut asm = Assembler::new(version);
    asm.set(7, 1);
    asm.ecalli(1);
    let behind = asm.set(8, 2);
    asm.op(Op::Trap);
    entries.push(charge("a host call is the second", Op::LoadImm, 0, &asm));
    entries.push(charge("behind the host call", Op::LoadImm, behind, &asm));
    entries
}

fn charge(note: &str, op: Op, pc: u32, asm: &Assembler) -> Entry {
    Entry { shown: Shown::Charge, ..Entry::at(note, op, pc, asm) }
}
