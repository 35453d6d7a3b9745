//! Programs whose gas is counted.

use tvm_isa::{GpVersion, Op};
use tvm_tests::assemble::{Assembler, Inst};

/// A program and the name it has in messages.
pub struct Sample {
    pub name: &'static str,
    pub blob: Vec<u8>,
}

/// The page that samples use.
pub const PAGE: u32 = 0x20;

/// All samples; none needs more than some thousand instructions.
pub fn all(version: GpVersion) -> Vec<Sample> {
    let sample = |name, write: fn(&mut Assembler)| {
        let mut asm = Assembler::new(version);
        write(&mut asm);
        Sample { name, blob: asm.blob() }
    };
    vec![
        sample("straight", straight),
        sample("loop", counted_loop),
        sample("host calls", host_calls),
        sample("calls through the jump table", calls),
        sample("faults", faults),
        sample("long region", long_region),
        sample("small blocks", small_blocks),
    ]
}

fn straight(asm: &mut Assembler) {
    for register in 0..12 {
        asm.set(register, 1 << register);
        asm.push(Inst::three(Op::Mul64, 5, 5, register));
    }
    asm.op(Op::Trap);
}

fn counted_loop(asm: &mut Assembler) {
    asm.set(7, 20);
    asm.op(Op::Fallthrough);
    let start = asm.here();
    asm.push(Inst::two(Op::AddImm64, 8, 8, 3));
    asm.push(Inst::three(Op::DivU64, 9, 8, 7));
    asm.push(Inst::two(Op::AddImm64, 7, 7, -1));
    asm.push(Inst::imm(Op::BranchNeImm, 7, 0).to(start));
    asm.halt();
}

/// One at the start of a block, two side by side, one before a terminator.
fn host_calls(asm: &mut Assembler) {
    asm.ecalli(1);
    asm.set(7, 5);
    asm.ecalli(2);
    asm.ecalli(3);
    asm.set(8, 6);
    asm.push(Inst::three(Op::Add64, 9, 7, 8));
    asm.ecalli(4);
    asm.op(Op::Fallthrough);
    asm.ecalli(5);
    asm.op(Op::Trap);
}

fn calls(asm: &mut Assembler) {
    let (function, back) = (asm.label(), asm.label());
    asm.set(7, 4);
    asm.op(Op::Fallthrough);
    let start = asm.here();
    asm.push(Inst { x: 4, ..Inst::imm(Op::LoadImmJump, 0, 4) }.to(function));
    asm.bind(back);
    asm.push(Inst::two(Op::AddImm64, 7, 7, -1));
    asm.push(Inst::imm(Op::BranchNeImm, 7, 0).to(start));
    asm.halt();
    asm.bind(function);
    asm.push(Inst::two(Op::AddImm64, 8, 8, 1));
    asm.push(Inst::imm(Op::JumpInd, 0, 0));
    asm.jump_table(&[function, back]);
}

/// A store in the middle of a region faults: its page is missing.
fn faults(asm: &mut Assembler) {
    asm.set(7, u64::from(PAGE) << 12);
    asm.set(8, 77);
    asm.push(Inst::two(Op::StoreIndU64, 8, 7, 8));
    asm.push(Inst::two(Op::LoadIndU32, 9, 7, 8));
    asm.push(Inst::two(Op::AddImm64, 9, 9, 1));
    asm.push(Inst::two(Op::StoreIndU64, 9, 7, 4096));
    asm.set(10, 1);
    asm.op(Op::Trap);
}

/// Longer than the compiler's regions are.
fn long_region(asm: &mut Assembler) {
    for at in 0..tvm_compiler::MAX_REGION_INSTRUCTIONS + 50 {
        asm.push(Inst::two(Op::AddImm64, 7, 7, at as i64));
    }
    asm.op(Op::Trap);
}

fn small_blocks(asm: &mut Assembler) {
    for _ in 0..40 {
        asm.op(Op::Fallthrough);
        asm.set(7, 1);
        let next = asm.label();
        asm.push(Inst::new(Op::Jump).to(next));
        asm.bind(next);
    }
    asm.op(Op::Trap);
}
