//! Tests: limits of the passes, at and one past them.

use tvm_isa::{Instruction, Op, Pc, Reg};

use super::address::MAX_STEPS;
use super::effects::Demand;
use super::flow::Block;
use super::liveness::MAX_ROUNDS;
use super::{Address, Duties, Flow, Form, Live, Liveness, plan};

/// Blocks that each jump to the one before them, the first of which looks at `reg`.
fn jumping_backwards(count: u32, reg: Reg) -> Flow {
    let mut blocks: Vec<Block> =
        (0..count).map(|number| Block { next: [number.checked_sub(1), None], ..Block::default() }).collect();
    blocks[0].looks_at.add(reg, Demand::Full);
    Flow { loops: vec![None; blocks.len()], blocks, ..Flow::default() }
}

/// Blocks are gone through from the last to the first, so that each round brings it one block further. The last
/// round sees that nothing changes.
#[test]
fn rounds_over_the_blocks() {
    let reg = Reg::clamped(7);
    let mut only = Live::NONE;
    only.add(reg, Demand::Full);
    let at_most = MAX_ROUNDS as u32 - 1;
    let behind_last = |count| Liveness::new(&jumping_backwards(count, reg), false).behind(count - 1);
    assert_eq!(behind_last(at_most), only);
    assert_eq!(behind_last(at_most + 1), Live::ALL);
}

/// The address of a load behind so many additions of 1, each to the register before.
fn address_behind(additions: u8) -> Form {
    let instruction = |op, a, b, x| {
        let (a, b) = (Reg::clamped(a), Reg::clamped(b));
        Instruction { op, pc: Pc(0), length: 3, a, b, d: Reg::default(), x, y: 0 }
    };
    let mut region: Vec<_> = (1..=additions).map(|reg| instruction(Op::AddImm64, reg, reg - 1, 1)).collect();
    region.push(instruction(Op::LoadIndU8, 12, additions, 0));
    let mut planned = Vec::new();
    let duties = Duties { live: Live::ALL, exact: false, last_may_be_interpreted: false };
    plan(&region, duties, &mut planned);
    planned.last().expect("the load is planned").form
}

#[test]
fn steps_from_an_address_to_what_it_comes_from() {
    let at = |reg: u8| Form::At(Address { base: Some(Reg::clamped(reg)), index: None, disp: MAX_STEPS as i32 });
    assert_eq!(address_behind(MAX_STEPS as u8), at(0));
    assert_eq!(address_behind(MAX_STEPS as u8 + 1), at(1));
}
