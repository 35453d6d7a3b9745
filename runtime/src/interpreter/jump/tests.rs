use tvm_isa::GpVersion;

use super::*;
use crate::interpreter::testing::{Machine, blob, program};

const TRAP: &[u8] = &[0];
const FALLTHROUGH: &[u8] = &[1];
const V7: GpVersion = GpVersion::V0_7_2;
const V8: GpVersion = GpVersion::V0_8_0;

/// `jump_ind` through register 0.
const JUMP_IND_R0: &[u8] = &[50, 0];

#[test]
fn conditions_compare_as_their_names_say() {
    const ONES: u64 = u64::MAX;
    // Whether each is true for equal operands, for 1 against −1 and for −1 against 1.
    #[rustfmt::skip]
    let cases = [
        (Op::BranchEq,   Some(Op::BranchEqImm),  [true,  false, false]),
        (Op::BranchNe,   Some(Op::BranchNeImm),  [false, true,  true]),
        (Op::BranchLtU,  Some(Op::BranchLtUImm), [false, true,  false]),
        (Op::BranchGeU,  Some(Op::BranchGeUImm), [true,  false, true]),
        (Op::BranchLtS,  Some(Op::BranchLtSImm), [false, false, true]),
        (Op::BranchGeS,  Some(Op::BranchGeSImm), [true,  true,  false]),
        (Op::BranchLeUImm, None,                 [true,  true,  false]),
        (Op::BranchGtUImm, None,                 [false, false, true]),
        (Op::BranchLeSImm, None,                 [true,  false, true]),
        (Op::BranchGtSImm, None,                 [false, true,  false]),
    ];
    for (op, twin, expected) in cases {
        for op in [Some(op), twin].into_iter().flatten() {
            let found = [(5, 5), (1, ONES), (ONES, 1)].map(|(left, right)| condition(op, left, right).unwrap());
            assert_eq!(found, expected, "{}", op.name());
        }
    }
    assert_eq!(condition(Op::Jump, 0, 0), None);
}

#[test]
fn branches_compare_register_a_with_b_or_the_immediate() {
    // branch_lt_u r1, r2, +4: A = 1, B = 2; then branch_lt_u_imm r1, 5, +4.
    let two = program(&[&[172, 0x21, 4], FALLTHROUGH, TRAP], &[]);
    let imm = program(&[&[83, 0x11, 5, 5], FALLTHROUGH, TRAP], &[]);
    for (blob, right) in [(&two, 2), (&imm, 2)] {
        let mut machine = Machine::new(V7, blob);
        (machine.state.regs[1], machine.state.regs[2]) = (1, right);
        assert_eq!(machine.trace().0.len(), 2, "taken");
        let mut machine = Machine::new(V7, blob);
        (machine.state.regs[1], machine.state.regs[2]) = (9, right);
        assert_eq!(machine.trace().0.len(), 3, "not taken");
    }
}

#[test]
fn static_jumps_go_to_block_starts_only() {
    // 0: jump; 2: fallthrough; 3: load_imm r0, 0; 6: trap, which starts no block.
    let jump = |offset: i8| program(&[&[40, offset as u8], FALLTHROUGH, &[51, 0, 0], TRAP], &[]);
    let trace = |offset: i8| Machine::new(V7, &jump(offset)).trace();
    assert_eq!(trace(2), (vec![0, 2, 3, 6], GuestExit::Panic));
    assert_eq!(trace(3), (vec![0, 3, 6], GuestExit::Panic));
    for offset in [1, 4, 5, 6, 7, 100, 127, -1, -2, -128] {
        assert_eq!(trace(offset), (vec![0], GuestExit::Panic), "offset {offset}");
    }
}

#[test]
fn a_jump_onto_itself_ends_with_the_gas() {
    let blob = program(&[&[40, 0]], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.gas = tvm_isa::Gas(10);
    assert_eq!(machine.trace(), (vec![0; 11], GuestExit::OutOfGas));
}

#[test]
fn a_branch_checks_its_target_only_when_the_rules_say_so() {
    // branch_eq_imm r0, 1, to the middle of an instruction: not taken.
    let blob = program(&[&[81, 0x10, 1, 100], TRAP], &[]);
    let mut machine = Machine::new(V7, &blob);
    assert_eq!((machine.run(), machine.state.pc), (GuestExit::Panic, Pc(4)));
    let mut machine = Machine::new(V8, &blob);
    assert_eq!((machine.run(), machine.state.pc), (GuestExit::Panic, Pc(0)));
    // Taken, it panics under both.
    for version in [V7, V8] {
        let mut machine = Machine::new(version, &blob);
        machine.state.regs[0] = 1;
        assert_eq!((machine.run(), machine.state.pc), (GuestExit::Panic, Pc(0)));
    }
}

#[test]
fn under_0_8_fallthrough_and_branches_need_a_block_after_them() {
    // Programs that 0.8.0 would not accept: there is an undefined opcode after the terminator.
    let fallthrough = program(&[FALLTHROUGH, &[2 + 9]], &[]);
    let branch = program(&[&[82, 0x10, 0, 0], &[11]], &[]);
    for (blob, next) in [(&fallthrough, 1), (&branch, 4)] {
        for (version, pc) in [(V7, next), (V8, 0)] {
            let mut machine = Machine::new(version, blob);
            assert_eq!((machine.run(), machine.state.pc), (GuestExit::Panic, Pc(pc)), "{version}");
        }
    }
}

#[test]
fn dynamic_jumps_follow_the_table() {
    // 0: jump_ind r0; 2: fallthrough; 3: load_imm r1, 1; 6: trap. Table: 3, 6 (no block), 2, 1000.
    let blob = program(&[JUMP_IND_R0, FALLTHROUGH, &[51, 1, 1], TRAP], &[3, 6, 2, 1000]);
    let run = |address: u64| {
        let mut machine = Machine::new(V7, &blob);
        machine.state.regs[0] = address;
        let (pcs, exit) = machine.trace();
        (exit, pcs)
    };
    let panic_at_once = (GuestExit::Panic, vec![0]);
    assert_eq!(run(2), (GuestExit::Panic, vec![0, 3, 6]));
    assert_eq!(run(6), (GuestExit::Panic, vec![0, 2, 3, 6]));
    assert_eq!(run(0xffff_0000), (GuestExit::Halt, vec![0]));
    assert_eq!(run(0x1234_5678_ffff_0000), (GuestExit::Halt, vec![0]), "only the low 32 bits count");
    assert_eq!(run(0x1_0000_0002), (GuestExit::Panic, vec![0, 3, 6]), "only the low 32 bits count");
    for address in [0, 1, 3, 4, 5, 8, 10, 0xffff_0001, 0xfffe_fffe, 0xffff_fffe, 0xffff_ffff] {
        assert_eq!(run(address), panic_at_once, "address {address:#x}");
    }
}

#[test]
fn the_immediate_of_a_dynamic_jump_is_added_modulo_2_to_the_32() {
    // jump_ind r0, −2
    let blob = program(&[&[50, 0, 0xfe], TRAP], &[3]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.regs[0] = 4;
    assert_eq!(machine.trace(), (vec![0, 3], GuestExit::Panic));
    let mut machine = Machine::new(V7, &blob);
    machine.state.regs[0] = 0xffff_0002;
    assert_eq!(machine.run(), GuestExit::Halt);
}

#[test]
fn a_table_without_entries_panics() {
    let blob = program(&[JUMP_IND_R0, TRAP], &[]);
    let mut machine = Machine::new(V7, &blob);
    machine.state.regs[0] = 2;
    assert_eq!(machine.trace(), (vec![0], GuestExit::Panic));
}

#[test]
fn load_imm_jump_writes_its_register_even_when_it_panics() {
    // load_imm_jump r3, 7, +100
    let blob = program(&[&[80, 0x13, 7, 100]], &[]);
    let mut machine = Machine::new(V7, &blob);
    assert_eq!(machine.run(), GuestExit::Panic);
    assert_eq!(machine.state.regs[3], 7);
}

#[test]
fn load_imm_jump_ind_jumps_by_the_old_value() {
    // load_imm_jump_ind a, b, x = 7, y = 2
    let run = |registers: u8, base: u64| {
        let blob = program(&[&[180, registers, 1, 7, 2], TRAP], &[5]);
        let mut machine = Machine::new(V7, &blob);
        machine.state.regs[4] = base;
        let exit = machine.run();
        (exit, machine.state.pc.0, machine.state.regs[5], machine.state.regs[4])
    };
    assert_eq!(run(0x45, 0), (GuestExit::Panic, 5, 7, 0));
    assert_eq!(run(0x44, 0), (GuestExit::Panic, 5, 0, 7), "A and B are one register");
    assert_eq!(run(0x44, 0xfffe_fffe), (GuestExit::Halt, 0, 0, 7), "written although it halts");
    assert_eq!(run(0x45, 1), (GuestExit::Panic, 0, 7, 1), "written although it panics");
}

#[test]
fn marks_decide_where_blocks_start_not_reachability() {
    // A load_imm_64 whose immediate bytes 4 and 5 are marked too: fallthrough at 4 makes 5 a block start.
    let code = [40, 5, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let hidden = blob(&code, &[0, 2, 4, 5], &[]);
    let mut machine = Machine::new(V7, &hidden);
    assert_eq!(machine.trace(), (vec![0, 5], GuestExit::Panic));
    let plain = blob(&code, &[0, 2], &[]);
    let mut machine = Machine::new(V7, &plain);
    assert_eq!(machine.trace(), (vec![0], GuestExit::Panic));
}
