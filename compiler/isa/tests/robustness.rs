//! Any bytes whatever are told apart, parsed, walked, validated, costed and listed without a panic, in linear time.
//!
//! Time is counted in steps, not measured: marks, lines, instructions that gas models look at, characters written.

mod common;

use std::fmt;

use common::{Rng, blob_with_table, files, random_soup};
use tvm_isa::disasm::{Disassembly, write_listing};
use tvm_isa::gas::{BlockCost, block_cost};
use tvm_isa::{BlockStarts, Container, GasModel, GpVersion, Instruction, Pc, Program, StandardProgram, split_metadata};

/// Characters of a listing for each byte of the blob, at most; and for its head.
const CHARACTERS_PER_BYTE: usize = 120;
const CHARACTERS_OF_HEAD: usize = 300;

/// Counts what is written and throws it away.
#[derive(Default)]
struct Counter(usize);

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Does everything with `bytes` that isa can do, and gives the number of programs found in them.
fn examine(bytes: &[u8]) -> usize {
    let detected = Container::detect(bytes);
    if let Err(error) = &detected {
        assert!(!error.to_string().is_empty());
    }
    let jam = split_metadata(bytes).and_then(|(_, rest)| StandardProgram::parse(rest));
    let standard = StandardProgram::parse(bytes);
    let blobs = [Some(bytes), standard.ok().map(|standard| standard.program), jam.ok().map(|jam| jam.program)];
    let programs: Vec<Program<'_>> = blobs.into_iter().flatten().filter_map(|blob| Program::parse(blob).ok()).collect();
    assert_eq!(detected.is_ok(), !programs.is_empty());
    programs.iter().for_each(examine_program);
    programs.len()
}

fn examine_program(program: &Program<'_>) {
    let len = program.code_len();
    let marks = program.marks().count();
    assert!(marks <= len as usize);
    let table = program.jump_table();
    for entry in [0, 1, table.len().wrapping_sub(1), table.len(), u64::MAX] {
        assert_eq!(table.get(entry).is_some(), entry < table.len());
    }
    for version in GpVersion::ALL {
        let rules = version.rules();
        let starts = BlockStarts::new(program, rules);
        assert!(starts.count() as usize <= marks);

        for entry in [Pc(0), Pc(5), Pc(len), Pc(u32::MAX)] {
            let instruction = Instruction::decode(program, rules, entry);
            assert!((1..=25).contains(&instruction.length));
            assert!(!instruction.text().to_string().is_empty());
            let _ =
                (program.validate_entry(rules, entry), starts.block_start_of(entry), block_cost(program, rules, entry));
        }
        let valid = program.validate(rules);
        if let Err(error) = valid {
            assert!(!error.to_string().is_empty());
        }

        // Blocks share no instructions: together they have no more than there are marks, and a trap in a gap each.
        let costs = starts.iter().map(|start| block_cost(program, rules, start).0);
        let cost: u64 = costs.sum();
        if rules.gas == GasModel::PerInstruction {
            assert!(cost <= marks as u64 + u64::from(starts.count()));
        }

        let disassembly = Disassembly::new(program, rules);
        assert!(disassembly.lines().count() <= 2 * marks + 1);
        let mut written = Counter::default();
        write_listing(program, rules, &mut written).expect("the counter takes everything");
        let limit = CHARACTERS_PER_BYTE * program.blob().len() + CHARACTERS_OF_HEAD;
        assert!(written.0 <= limit, "{} characters for {} bytes", written.0, program.blob().len());
    }
}

#[test]
fn random_bytes() {
    let mut rng = Rng(1);
    for _ in 0..20_000 {
        let len = rng.below(64) as usize;
        let mut bytes = rng.bytes(len);
        // Small numbers in front give lengths a chance to fit.
        for byte in bytes.iter_mut().take(rng.below(16) as usize) {
            *byte &= 3;
        }
        examine(&bytes);
    }
}

#[test]
fn random_programs() {
    let mut rng = Rng(2);
    for _ in 0..2_000 {
        assert!(examine(&random_soup(&mut rng, 300)) > 0);
    }
}

#[test]
fn every_length_and_every_first_bytes_of_tiny_blobs() {
    for first in 0..=255 {
        for second in 0..=255 {
            for len in 0..5 {
                examine(&[first, second, 1, 0, 1, 0][..len + 1]);
            }
        }
    }
}

#[test]
fn mutated_blobs() {
    let Some(folder) = common::vectors("blobs") else { return };
    let mut paths = files(&folder, &["jam", "bin"]);
    paths.extend(files(&folder.join("other"), &["jam"]));
    assert!(!paths.is_empty(), "no blobs in {}", folder.display());
    let mut rng = Rng(3);
    for path in paths {
        let original = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(examine(&original) > 0, "{}: no program in it", path.display());
        // Long blobs take long to examine: as many bytes of each.
        for _ in 0..(500_000 / original.len()).clamp(2, 60) {
            let mut bytes = original.clone();
            mutate(&mut rng, &mut bytes);
            examine(&bytes);
        }
    }
}

/// Changes a blob in a few places: bits and bytes anywhere and in the lengths in front, parts cut out or doubled.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(4) {
        let len = bytes.len() as u64;
        if len == 0 {
            return;
        }
        let at = if rng.below(4) == 0 { rng.below(len.min(64)) } else { rng.below(len) } as usize;
        let end = at + rng.below(len - at as u64 + 1).min(40) as usize;
        match rng.below(6) {
            0..3 => bytes[at] ^= 1 << rng.below(8),
            3 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next() as u8),
            4 => drop(bytes.drain(at..end)),
            _ => bytes.extend_from_within(at..end),
        }
    }
}

#[test]
fn a_jump_table_longer_than_the_code_is_listed_once() {
    for target in [0, 1, 2, 3, 255] {
        let table = vec![target; 5_000];
        examine(&blob_with_table(&[0, 51, 0, 0], &[0, 1, 3], &table, 1));
        let alternating: Vec<u64> = (0..5_000).map(|entry| if entry % 2 == 0 { target } else { 0 }).collect();
        examine(&blob_with_table(&[0, 51, 0, 0], &[0, 1, 3], &alternating, 1));
    }
}

#[test]
fn the_longest_blocks_and_gaps() {
    let len = 20_000;
    let everywhere: Vec<usize> = (0..len).collect();
    for opcode in [0, 2, 10, 20, 51, 100, 124, 200, 99] {
        let code = vec![opcode; len];
        examine(&common::blob(&code, &everywhere));
        examine(&common::blob(&code, &[0]));
        examine(&common::blob(&code, &[]));
        examine(&common::blob(&code, &everywhere.iter().copied().step_by(26).collect::<Vec<_>>()));
    }
}

/// A block is taken up one instruction at a time, each with bounded work and memory.
#[test]
fn a_gas_stream_keeps_its_size() {
    let blob = common::blob(&[0], &[0]);
    let program = Program::parse(&blob).unwrap();
    let cost = BlockCost::new(&program, GpVersion::V0_8_0.rules());
    assert!(size_of_val(&cost) < 4096, "{} bytes", size_of_val(&cost));
}
