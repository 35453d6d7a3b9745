//! Listings, against golden files in `golden/`. `TVM_BLESS=1 cargo test -p tvm-isa --test disasm` writes them anew.

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;

use common::{Builder, Rng, blob, blob_with_table, number, random_soup};
use tvm_isa::disasm::{Disassembly, LineKind, write_listing};
use tvm_isa::{Format, GpVersion, Instruction, OPERATIONS, Op, Pc, Program};

/// Compares `found` with a golden file, or writes the file if `TVM_BLESS` is set.
fn assert_golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("TVM_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the golden folder");
        std::fs::write(&path, found).expect("a golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let first = expected.lines().zip(found.lines()).position(|(expected, found)| expected != found);
    let line = first.map_or(expected.lines().count().min(found.lines().count()), |line| line) + 1;
    assert!(expected == found, "{name}, line {line}; TVM_BLESS=1 accepts the change. Found:\n{found}");
}

fn listing(blob: &[u8], version: GpVersion) -> String {
    let mut out = String::new();
    write_listing(&Program::parse(blob).expect("a whole blob"), version.rules(), &mut out).expect("a String");
    out
}

/// Operand bytes that show every field of the format.
fn operands(format: Format) -> &'static [u8] {
    match format {
        Format::None => &[],
        Format::Imm => &[100],
        Format::RegImm64 => &[0x07, 8, 7, 6, 5, 4, 3, 2, 1],
        Format::ImmImm => &[3, 0x34, 0x12, 0x02, 0xfb],
        Format::Offset => &[0],
        Format::RegImm => &[0x07, 0x34, 0x12, 0x02],
        Format::RegImmImm => &[0x17, 0xf8, 0xfb],
        Format::RegImmOffset => &[0x17, 5, 0],
        Format::RegReg => &[0x87],
        Format::RegRegImm => &[0x87, 16],
        Format::RegRegOffset => &[0x87, 0],
        Format::RegRegImmImm => &[0x87, 1, 5, 8],
        Format::RegRegReg => &[0x98, 7],
    }
}

#[test]
fn every_operation_has_its_text() {
    let mut text = String::new();
    let mut seen = std::collections::BTreeSet::new();
    for operation in &OPERATIONS {
        let version = if operation.number_0_8.is_some() { GpVersion::V0_8_0 } else { GpVersion::V0_7_2 };
        let mut builder = Builder::default();
        let opcode = number(version, operation.op).expect("in one of the versions");
        builder.push(&[&[opcode], operands(operation.format)].concat());
        let blob = builder.blob();
        let program = Program::parse(&blob).unwrap();
        let instruction = Instruction::decode(&program, version.rules(), Pc(0)).text().to_string();
        writeln!(text, "{:24}{instruction}", operation.name).unwrap();
        assert!(seen.insert(instruction), "{}: another operation has the same text", operation.name);
    }
    assert_golden("operations.txt", &text);
}

#[test]
fn immediates_are_decimal_when_small_and_signed() {
    let load_imm = number(GpVersion::V0_8_0, Op::LoadImm).unwrap();
    let load_ind = number(GpVersion::V0_8_0, Op::LoadIndU8).unwrap();
    let cases: [(i32, &str, &str); 8] = [
        (0, "a0 = 0", "a0 = u8 [a1]"),
        (1, "a0 = 1", "a0 = u8 [a1 + 1]"),
        (-1, "a0 = -1", "a0 = u8 [a1 - 1]"),
        (65535, "a0 = 65535", "a0 = u8 [a1 + 65535]"),
        (65536, "a0 = 0x10000", "a0 = u8 [a1 + 0x10000]"),
        (-65536, "a0 = -0x10000", "a0 = u8 [a1 - 0x10000]"),
        (i32::MAX, "a0 = 0x7fffffff", "a0 = u8 [a1 + 0x7fffffff]"),
        (i32::MIN, "a0 = -0x80000000", "a0 = u8 [a1 - 0x80000000]"),
    ];
    for (value, assigned, loaded) in cases {
        for (opcode, registers, expected) in [(load_imm, 0x07, assigned), (load_ind, 0x87, loaded)] {
            let code = [&[opcode, registers], &value.to_le_bytes()[..]].concat();
            let blob = blob(&code, &[0]);
            let program = Program::parse(&blob).unwrap();
            let instruction = Instruction::decode(&program, GpVersion::V0_8_0.rules(), Pc(0));
            assert_eq!(instruction.text().to_string(), expected);
        }
    }
}

/// A loop, a call through the jump table, a host call, and things that are wrong.
fn small_program() -> Vec<u8> {
    let code: &[&[u8]] = &[
        &[51, 7, 10],         // 0   a0 = 10
        &[51, 0, 2],          // 3   ra = 2
        &[40, 2],             // 6   jump @8
        &[10, 100],           // 8   ecalli 100
        &[149, 0x77, 0xff],   // 10  a0 = a0 - 1
        &[82, 0x17, 0, 0xfb], // 13  if a0 != 0 jump @8
        &[124, 0x18, 0xf8],   // 17  a1 = u8 [sp - 8]
        &[170, 0x87, 2],      // 20  if a0 == a1 jump @22, inside itself
        &[99],                // 23  undefined
        &[50, 0],             // 24  jump [ra]
        &[0],                 // 26  trap
    ];
    let mut builder = Builder::default();
    code.iter().for_each(|instruction| builder.push(instruction));
    // 30 bytes in no instruction behind the trap's own 25, and a jump before the code at the end.
    builder.code.extend([0xee; 54]);
    builder.push(&[40, 0x80]);
    blob_with_table(&builder.code, &builder.marked, &[0, 8, 8, 9, 8, 10, 300, 0xffff], 2)
}

#[test]
fn a_small_program_under_both_versions() {
    assert_golden("program-0.7.2.txt", &listing(&small_program(), GpVersion::V0_7_2));
    assert_golden("program-0.8.0.txt", &listing(&small_program(), GpVersion::V0_8_0));
}

#[test]
fn jump_table_entries_are_found_by_their_target() {
    let blob = small_program();
    let program = Program::parse(&blob).unwrap();
    let disassembly = Disassembly::new(&program, GpVersion::V0_7_2.rules());
    let entries: Vec<(u32, String)> = disassembly
        .lines()
        .filter(|line| !line.jump_table.is_empty())
        .map(|line| (line.pc.0, line.jump_table.to_string()))
        .collect();
    assert_eq!(entries, [(0, "0".into()), (8, "1..2, 4".into()), (10, "5".into())]);
    assert_eq!(disassembly.jump_table().astray().to_string(), "3, 6..7", "inside an instruction, and outside the code");
}

#[test]
fn a_table_of_2_to_the_64_minus_1_empty_entries_takes_no_time() {
    let mut blob = Vec::new();
    tvm_isa::codec::encode_natural(u64::MAX, &mut blob);
    blob.extend([0, 1, 0, 1]);
    let text = listing(&blob, GpVersion::V0_7_2);
    assert!(text.contains("@0: ; gas 1, jump table 0..18446744073709551614"), "{text}");
    *blob.last_mut().unwrap() = 0;
    let text = listing(&blob, GpVersion::V0_7_2);
    assert!(text.contains("jump table 0..18446744073709551614: to no instruction"), "{text}");
}

#[test]
fn entries_of_every_width_and_value_are_listed() {
    let mut rng = Rng(3);
    for size in 0..=20 {
        let entry_bytes = rng.bytes(usize::from(size) * 50);
        let mut blob = vec![50, size, 4];
        blob.extend(entry_bytes.iter().map(|byte| if byte % 3 == 0 { byte % 5 } else { 0 }));
        blob.extend([0, 0, 0, 0, 0b1111]);
        let program = Program::parse(&blob).unwrap();
        let disassembly = Disassembly::new(&program, GpVersion::V0_7_2.rules());
        let table = disassembly.jump_table();
        let lists = (0..4).map(|pc| table.entries_to(Pc(pc))).chain([table.astray()]);
        let listed: u64 = lists.flat_map(|entries| entries.ranges()).map(|range| range.end() - range.start() + 1).sum();
        assert_eq!(listed, 50, "entries of {size} bytes");
        for pc in 0..4 {
            for entry in table.entries_to(Pc(pc)).ranges().flatten() {
                assert_eq!(program.jump_table().get(entry), Some(u64::from(pc)));
            }
        }
    }
}

#[test]
fn lines_cover_the_code_once_and_in_order() {
    let mut rng = Rng(4);
    for _ in 0..2_000 {
        let blob = random_soup(&mut rng, 200);
        let program = Program::parse(&blob).unwrap();
        let disassembly = Disassembly::new(&program, GpVersion::V0_8_0.rules());
        let mut covered: Vec<u8> = Vec::new();
        let mut starts = 0;
        for line in disassembly.lines() {
            assert_eq!(line.pc.0 as usize, covered.len());
            assert_eq!(line.kind == LineKind::Gap, !program.is_marked(u64::from(line.pc.0)));
            assert!(!line.bytes.is_empty());
            covered.extend(line.bytes);
            starts += u32::from(line.is_block_start);
        }
        assert_eq!(covered, program.code());
        assert_eq!(starts, disassembly.block_starts().count());
    }
}
