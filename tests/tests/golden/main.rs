//! The machine code of every instruction form, against files that people can read: `tests/golden/<tier>/*.txt`.
//!
//! A file holds one family of instructions. An entry is a PVM instruction, as the disassembler writes it and in bytes, and
//! below it the machine instructions it becomes. After a change of the compiler that is meant,
//! `TVM_UPDATE_GOLDEN=1 cargo test -p tvm-tests --test golden` writes the files anew; what changed is then in the diff.

mod alu;
mod control;
mod entry;
mod file;
mod forms;
mod memory;
mod multiply;
mod passes;
mod questions;
mod render;

use tvm_abi::{CpuFeatures, Tier};
use tvm_isa::GpVersion::{self, V0_7_2, V0_8_0};

use entry::Entry;
use render::Target;

/// Compares the files of one family, one for each tier.
fn check(name: &str, version: GpVersion, cpu: CpuFeatures, entries: &[Entry]) {
    for tier in Tier::ALL {
        let target = Target { version, cpu, tier };
        let found: Vec<_> = entries.iter().map(|entry| render::render(target, entry)).collect();
        file::check(name, target, &found);
    }
}

#[test]
fn alu() {
    check("alu", V0_7_2, CpuFeatures::V3, &alu::registers());
}

#[test]
fn imm() {
    check("imm", V0_7_2, CpuFeatures::V3, &alu::immediates());
}

#[test]
fn shift() {
    check("shift", V0_7_2, CpuFeatures::V3, &alu::shifts());
}

#[test]
fn compare() {
    check("compare", V0_7_2, CpuFeatures::V3, &alu::comparisons());
}

#[test]
fn bits() {
    check("bits", V0_7_2, CpuFeatures::V3, &alu::bits());
}

#[test]
fn mul_div() {
    check("mul_div", V0_7_2, CpuFeatures::V3, &multiply::mul_div());
}

#[test]
fn memory() {
    check("memory", V0_7_2, CpuFeatures::V3, &memory::all());
}

#[test]
fn branch() {
    check("branch", V0_7_2, CpuFeatures::V3, &control::branches(V0_7_2));
}

#[test]
fn control() {
    check("control", V0_7_2, CpuFeatures::V3, &control::jumps(V0_7_2));
}

#[test]
fn charge() {
    check("charge", V0_7_2, CpuFeatures::V3, &control::charges(V0_7_2));
}

/// What plain x86-64 does otherwise.
#[test]
fn baseline() {
    let entries = [alu::baseline(), multiply::baseline()].concat();
    check("baseline", V0_7_2, CpuFeatures::BASELINE, &entries);
}

#[test]
fn branch_under_0_8_0() {
    check("branch_0_8_0", V0_8_0, CpuFeatures::V3, &control::checked_branches());
}

#[test]
fn control_under_0_8_0() {
    check("control_0_8_0", V0_8_0, CpuFeatures::V3, &control::checked_ends());
}

#[test]
fn charge_under_0_8_0() {
    check("charge_0_8_0", V0_8_0, CpuFeatures::V3, &control::charges(V0_8_0));
}

/// What the passes of the `best` tier do; the other has none.
#[test]
fn passes_of_the_best_tier() {
    let target = Target { version: V0_7_2, cpu: CpuFeatures::V3, tier: Tier::Best };
    let passes = [
        ("pass_constants", passes::constants()),
        ("pass_address", passes::address()),
        ("pass_extension", passes::extension()),
        ("pass_carry", passes::carry()),
        ("pass_question", questions::question()),
        ("pass_compare", questions::compare()),
        ("pass_needs", passes::needs()),
        ("pass_credit", passes::credit()),
        ("pass_copies", passes::copies()),
        ("pass_counted", passes::counted()),
        ("pass_returns", passes::returns()),
        ("pass_steps", passes::steps()),
        ("pass_tails", passes::tails()),
        ("pass_sink", passes::sink()),
        ("pass_late", passes::late()),
        ("pass_operand", passes::operand()),
        ("pass_product", passes::product()),
        ("pass_forward", passes::forward()),
        ("pass_fixed", passes::fixed()),
    ];
    for (name, entries) in passes {
        let found: Vec<_> = entries.iter().map(|entry| render::render(target, entry)).collect();
        file::check(name, target, &found);
    }
}

/// Every operation of both versions is in some entry.
#[test]
fn no_operation_is_left_out() {
    let all = [
        alu::registers(),
        alu::immediates(),
        alu::shifts(),
        alu::comparisons(),
        alu::bits(),
        multiply::mul_div(),
        memory::all(),
        control::branches(V0_7_2),
        control::jumps(V0_7_2),
        control::checked_ends(),
    ]
    .concat();
    let missing: Vec<_> = tvm_isa::OPERATIONS
        .iter()
        .filter(|operation| !all.iter().any(|entry| entry.op == operation.op))
        .map(|operation| operation.name)
        .collect();
    assert!(missing.is_empty(), "no golden machine code of {missing:?}");
}
