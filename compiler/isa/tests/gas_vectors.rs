//! The cost of every block of the public gas vectors, from the fast simulation and from the reference.
//!
//! `block-gas-costs` of a file names each of its block starts; the vectors' README has the formats. Their generator used
//! draft opcode numbers, so the code is translated first.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tvm_isa::gas::{block_cost, reference};
use tvm_isa::{BlockStarts, GpVersion, Op, Pc, Program};

/// Blocks of `pinky.json` that the vectors charge one gas less than GP 0.8.0 does: the draft generator did not count the
/// destination of register `cmov_iz` and `cmov_nz` as a source, GP 0.8.0 A.9 does ("registers read … regardless of
/// whether they would be modified"). Start of the block, gas in the vector, gas by the Gray Paper.
const CMOV_DESTINATION_IS_A_SOURCE: [(u32, u64, u64); 9] = [
    (11961, 63, 64),
    (12392, 64, 65),
    (12538, 38, 39),
    (17216, 38, 39),
    (17621, 38, 39),
    (17755, 38, 39),
    (18133, 38, 39),
    (19123, 63, 64),
    (19630, 64, 65),
];

/// A vector file: the translated program blob, and the cost of each block.
struct Vector {
    blob: Vec<u8>,
    costs: BTreeMap<u32, u64>,
}

/// Reads a file and translates its opcodes: 3 to 2, and 102..=111 to 101..=110.
fn read(path: &Path) -> Vector {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let byte = |value: &serde_json::Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok()).expect("a byte");
    let mut blob: Vec<u8> = json["program"].as_array().expect("program").iter().map(byte).collect();
    let program = Program::parse(&blob).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code_start = blob.len() - program.code().len() - program.code().len().div_ceil(8);
    let opcodes: Vec<usize> = program.marks().map(|mark| code_start + mark.pc.0 as usize).collect();
    for at in opcodes {
        blob[at] = match blob[at] {
            3 => 2,
            number @ 102..=111 => number - 1,
            number => number,
        };
    }
    let cost =
        |(start, cost): (&String, &serde_json::Value)| (start.parse().expect("offset"), cost.as_u64().expect("gas"));
    let costs = json["block-gas-costs"].as_object().expect("block-gas-costs").iter().map(cost).collect();
    Vector { blob, costs }
}

/// Checks every block of a file and gives their number and those that differ from the file, the same in both
/// simulations.
fn check(path: &Path) -> (usize, Vec<(u32, u64, u64)>) {
    let Vector { blob, costs } = read(path);
    let rules = GpVersion::V0_8_0.rules();
    let program = Program::parse(&blob).expect("parsed before");
    let starts = BlockStarts::new(&program, rules);
    // The generator also names the end of the code after a last terminator, as the trap that is there.
    let named: Vec<Pc> = costs.keys().copied().filter(|&start| start < program.code_len()).map(Pc).collect();
    assert_eq!(starts.iter().collect::<Vec<_>>(), named, "{}: block starts", path.display());
    let mut different = Vec::new();
    for (&start, &expected) in &costs {
        let found = block_cost(&program, rules, Pc(start));
        let by_reference = reference::block_cost(&program, rules, Pc(start));
        assert_eq!(found, by_reference, "{}: block {start}: fast simulation against reference", path.display());
        if found.0 != expected {
            different.push((start, expected, found.0));
        }
    }
    (costs.len(), different)
}

#[test]
fn every_block_of_the_small_programs() {
    let Some(folder) = common::vectors("gas-cost/programs") else { return };
    let (mut programs, mut blocks) = (0, 0);
    for path in common::files(&folder, &["json"]) {
        let (count, different) = check(&path);
        assert_eq!(different, [], "{}: (start, expected, found)", path.display());
        programs += 1;
        blocks += count;
    }
    println!("{programs} programs, {blocks} blocks");
    assert_eq!((programs, blocks), (356, 5112), "files or blocks are missing from {}", folder.display());
}

#[test]
fn every_block_of_the_large_programs() {
    let Some(folder) = common::vectors("gas-cost/integration") else { return };
    for path in common::files(&folder, &["json"]) {
        let (count, different) = check(&path);
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let (expected_count, expected_different): (usize, &[_]) = match name {
            "doom" => (34317, &[]),
            "prime-sieve" => (3809, &[]),
            "pinky" => (1663, &CMOV_DESTINATION_IS_A_SOURCE),
            _ => (count, &[]),
        };
        println!("{name}: {count} blocks");
        assert_eq!(count, expected_count, "{name}: blocks");
        assert_eq!(different, expected_different, "{name}: (start, expected, found)");
    }
}

#[test]
fn the_blocks_known_to_differ_use_a_register_cmov() {
    let Some(folder) = common::vectors("gas-cost/integration") else { return };
    let Vector { blob, .. } = read(&folder.join("pinky.json"));
    let program = Program::parse(&blob).expect("parsed before");
    for (start, expected, found) in CMOV_DESTINATION_IS_A_SOURCE {
        assert_eq!(found, expected + 1);
        let mut block = program.block(GpVersion::V0_8_0.rules(), Pc(start));
        assert!(block.any(|instruction| matches!(instruction.op, Op::CmovIz | Op::CmovNz)), "block {start}");
    }
}
