//! The fast simulation against the reference, on generated blocks.
//!
//! `TVM_GAS_BLOCKS=5000000 cargo test --release -p tvm-isa --test gas_random` runs more of them.

mod common;

use common::{Builder, Rng, number, random_block};
use tvm_isa::gas::cost_table::{Cost, Latency, Slots};
use tvm_isa::gas::{BlockCost, block_cost, reference};
use tvm_isa::{BlockStarts, Gas, GpVersion, Instruction, OPERATIONS, Op, Pc, Program};

const VERSION: GpVersion = GpVersion::V0_8_0;

/// Blocks in each test, unless the environment asks for more.
fn blocks(default: u64) -> u64 {
    std::env::var("TVM_GAS_BLOCKS").ok().map_or(default, |blocks| blocks.parse().expect("TVM_GAS_BLOCKS: a number"))
}

/// Compares the two on the block at 0, and the streaming form after another block.
fn check(cost: &mut BlockCost<'_>, program: &Program<'_>) {
    let rules = VERSION.rules();
    let expected = reference::block_cost(program, rules, Pc(0));
    let found = block_cost(program, rules, Pc(0));
    let block = || format!("code {:?}, blob {:02x?}", program.code(), program.blob());
    assert_eq!(found, expected, "fast simulation against reference: {}", block());
    // The stream has other blocks behind it, whose traces must be gone. Branch latencies come from the stream's own
    // program, so blocks that end in a branch are left out.
    let instructions: Vec<Instruction> = program.block(rules, Pc(0)).collect();
    if instructions.iter().all(|instruction| Cost::of(instruction.op).latency != Latency::Branch) {
        instructions.iter().for_each(|instruction| cost.feed(instruction));
        assert_eq!(cost.finish(), expected, "streaming form against reference: {}", block());
    }
}

fn check_blocks(seed: u64, count: u64, max_len: u64, wanted: impl Fn(Op) -> bool) {
    let mut rng = Rng(seed);
    let trap = common::blob(&[0], &[0]);
    let mut cost = BlockCost::new(&Program::parse(&trap).unwrap(), VERSION.rules());
    for _ in 0..count {
        let mut builder = Builder::default();
        let len = rng.below(max_len + 1) as usize;
        random_block(&mut rng, &mut builder, VERSION, len, &wanted);
        let blob = builder.blob();
        check(&mut cost, &Program::parse(&blob).unwrap());
    }
}

#[test]
fn blocks_of_all_operations() {
    check_blocks(1, blocks(20_000), 40, |_| true);
}

#[test]
fn short_blocks_of_all_operations() {
    check_blocks(2, blocks(40_000), 6, |_| true);
}

#[test]
fn long_blocks_that_fill_the_reorder_buffer() {
    check_blocks(3, blocks(20_000) / 20, 400, |op| op != Op::Ecalli);
}

#[test]
fn blocks_short_of_arithmetic_units() {
    let wanted = |op: Op| matches!(Cost::of(op).latency, Latency::Cycles(25 | 2)) || op == Op::TrailingZeroBits64;
    check_blocks(4, blocks(10_000), 60, wanted);
}

#[test]
fn blocks_short_of_the_multiplier_and_the_divider() {
    check_blocks(5, blocks(10_000), 60, |op| Cost::of(op).units.m + Cost::of(op).units.d > 0 || op == Op::MoveReg);
}

#[test]
fn blocks_of_moves_immediates_and_little_else() {
    let wanted =
        |op: Op| matches!(op, Op::MoveReg | Op::LoadImm | Op::LoadImm64 | Op::Unlikely | Op::Add64 | Op::CmovIz);
    check_blocks(6, blocks(10_000), 100, wanted);
}

/// Two blocks in one program. What waits for a multiplication in the first competes for starts with what was just
/// decoded: immediates, which need no unit, then a load and the jump. The second wants all arithmetic units at once.
fn many_starts(before: usize, waiting: usize, after: usize) -> Vec<u8> {
    let n = |op| number(VERSION, op).unwrap();
    let mut builder = Builder::default();
    builder.push(&[n(Op::MulUpperSU), 0x10, 2]);
    (0..before).for_each(|_| builder.push(&[n(Op::LoadImm), 9]));
    (0..waiting).for_each(|_| builder.push(&[n(Op::AddImm64), 0x23]));
    (0..after).for_each(|_| builder.push(&[n(Op::LoadImm), 9]));
    builder.push(&[n(Op::LoadIndU8), 0x45]);
    builder.push(&[n(Op::Jump), 0]);
    (0..4).for_each(|_| builder.push(&[n(Op::LoadIndU8), 0x45]));
    builder.push(&[0]);
    builder.blob()
}

#[test]
fn blocks_that_could_start_more_than_five_at_once() {
    let rules = VERSION.rules();
    let cases = (0..8).flat_map(|before| (0..6).map(move |waiting| (before, waiting)));
    for (before, waiting, after) in cases.flat_map(|(before, waiting)| (0..20).map(move |n| (before, waiting, n))) {
        let blob = many_starts(before, waiting, after);
        let program = Program::parse(&blob).unwrap();
        let mut cost = BlockCost::new(&program, rules);
        for start in BlockStarts::new(&program, rules).iter() {
            let expected = reference::block_cost(&program, rules, start);
            let case = format!("block {start}: {before} before, {waiting} waiting, {after} after");
            assert_eq!(block_cost(&program, rules, start), expected, "{case}");
            program.block(rules, start).for_each(|instruction| cost.feed(&instruction));
            assert_eq!(cost.finish(), expected, "streaming, {case}");
        }
    }
}

#[test]
fn costs_that_can_be_counted_by_hand() {
    let n = |op: Op| number(VERSION, op).unwrap();
    let load_imm = [n(Op::LoadImm), 7];
    let cases: Vec<(&str, Vec<Vec<u8>>, u64)> = vec![
        ("trap", vec![vec![0]], 2),
        ("fallthrough", vec![vec![1]], 2),
        ("unlikely, trap", vec![vec![2], vec![0]], 40),
        ("jump", vec![vec![n(Op::Jump), 0]], 15),
        ("jump_ind", vec![vec![n(Op::JumpInd), 0]], 22),
        ("ecalli, fallthrough", vec![vec![n(Op::Ecalli), 1], vec![1]], 100),
        ("load_imm, trap", vec![load_imm.to_vec(), vec![0]], 2),
        (
            "load, dependent add, jump_ind",
            vec![vec![n(Op::LoadIndU64), 0x10], vec![n(Op::Add64), 0x20, 3], vec![n(Op::JumpInd), 5]],
            26,
        ),
        ("division, trap", vec![vec![n(Op::DivU64), 0x10, 2], vec![0]], 60),
        (
            "two independent divisions, trap",
            vec![vec![n(Op::DivU64), 0x10, 2], vec![n(Op::DivU64), 0x43, 5], vec![0]],
            120,
        ),
        ("branch to itself before a trap", vec![vec![n(Op::BranchEq), 0x10], vec![0]], 1),
        ("branch to itself before a fallthrough", vec![vec![n(Op::BranchEq), 0x10], vec![1]], 20),
        ("branch to itself before unlikely", vec![vec![n(Op::BranchEq), 0x10], vec![2]], 1),
        ("branch to itself before the end of the code", vec![vec![n(Op::BranchEq), 0x10]], 1),
        ("branch far before the code, fallthrough", vec![vec![n(Op::BranchEq), 0x10, 0x80], vec![1]], 1),
        ("move_reg, trap", vec![vec![n(Op::MoveReg), 0x10], vec![0]], 2),
    ];
    for (name, instructions, expected) in cases {
        let mut builder = Builder::default();
        for instruction in &instructions {
            builder.push(instruction);
        }
        let blob = builder.blob();
        let program = Program::parse(&blob).unwrap();
        assert_eq!(block_cost(&program, VERSION.rules(), Pc(0)), Gas(expected), "{name}");
        assert_eq!(reference::block_cost(&program, VERSION.rules(), Pc(0)), Gas(expected), "{name}, reference");
    }
}

#[test]
fn per_instruction_gas_is_the_number_of_instructions() {
    let blob = common::blob(&[51, 7, 2, 51, 8, 3, 1, 0], &[0, 3, 6, 7]);
    let program = Program::parse(&blob).unwrap();
    let rules = GpVersion::V0_7_2.rules();
    assert_eq!(block_cost(&program, rules, Pc(0)), Gas(3));
    assert_eq!(block_cost(&program, rules, Pc(3)), Gas(2), "from the middle");
    assert_eq!(block_cost(&program, rules, Pc(7)), Gas(1));
    assert_eq!(block_cost(&program, rules, Pc(100)), Gas(1), "the trap past the end");
}

#[test]
fn a_stream_without_instructions_costs_one() {
    let trap = common::blob(&[0], &[0]);
    let mut cost = BlockCost::new(&Program::parse(&trap).unwrap(), VERSION.rules());
    assert_eq!(cost.finish(), Gas(1));
    assert_eq!(cost.finish(), Gas(1));
}

/// Objects carry the costs of `GasModel::PipelineBlocks` inside. If this fails, the change needs a new `GasModel`
/// beside the old one, not a new number here.
#[test]
fn the_cost_table_is_the_one_that_the_gas_model_names() {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for operation in &OPERATIONS {
        let Cost { latency, slots, units, sources, destinations } = *Cost::of(operation.op);
        let (kind, slots) = match slots {
            Slots::Fixed(slots) => (0, [slots, slots]),
            Slots::ByOverlap(a, b) => (1, [a, b]),
            Slots::ByFirstSource(a, b) => (2, [a, b]),
        };
        let latency = match latency {
            Latency::Cycles(cycles) => cycles,
            Latency::Branch => 255,
        };
        let fields = [sources, destinations].map(|f| u8::from(f.a) | u8::from(f.b) << 1 | u8::from(f.d) << 2);
        let row =
            [latency, kind, slots[0], slots[1], units.a, units.l, units.s, units.m, units.d, fields[0], fields[1]];
        for byte in operation.name.bytes().chain(row) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    assert_eq!(digest, 0x2c71_d161_0415_05bd, "{digest:#x}");
}
