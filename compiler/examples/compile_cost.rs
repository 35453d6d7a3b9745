//! What the gas model of GP 0.8.0 adds to compiling: the same programs, in the numbers of both versions.
//!
//!     cargo run --release -p tvm-compiler --example compile_cost -- FOLDER…
//!
//! Of each JAM blob in the folders, made for either version, the program is compiled for GP 0.7.2 and for GP 0.8.0 in
//! turns. The best time of each counts. What only one version has is replaced, for both, by something that ends a region
//! as well.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tvm_abi::{CpuFeatures, Tier};
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::codec::encode_natural;
use tvm_isa::{Container, GpVersion, Op, Program, StandardProgram, split_metadata};

type Failure = Box<dyn std::error::Error>;

/// Turns for each program: at least so many, and for at least so long.
const TURNS: u32 = 15;
const TIME: Duration = Duration::from_millis(400);

/// The versions compared; the first is what the other is divided by.
const VERSIONS: [GpVersion; 2] = [GpVersion::V0_7_2, GpVersion::V0_8_0];

fn main() -> Result<(), Failure> {
    let mut worst: f64 = 0.0;
    println!("| program | instructions | 0.7.2, ns each | 0.8.0, ns each | ratio |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for folder in std::env::args_os().skip(1) {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jam"));
        files.sort();
        for path in files {
            let Some(Subject { name, blobs }) = read(&path)? else { continue };
            let instructions = Program::parse(&blobs[0])?.marks().count();
            let [old, new] = best_times(&blobs)?.map(|time| time.as_nanos() as f64 / instructions as f64);
            let ratio = new / old;
            worst = worst.max(ratio);
            println!("| {name} | {instructions} | {old:.1} | {new:.1} | {ratio:.2} |");
        }
    }
    println!("\nlargest ratio: {worst:.2}");
    Ok(())
}

/// A program in the numbers of each version.
struct Subject {
    name: String,
    blobs: [Vec<u8>; 2],
}

/// The program of a JAM blob. `None` when a version does not accept it.
fn read(path: &Path) -> Result<Option<Subject>, Failure> {
    let bytes = std::fs::read(path)?;
    let blob = StandardProgram::parse(split_metadata(&bytes)?.1)?.program;
    let program = Program::parse(blob)?;
    // Programs of the new version pass its checks, those of the old one hardly ever: numbers have moved.
    let source = VERSIONS.into_iter().rev().find(|version| path.to_string_lossy().contains(version.name()));
    let source = source.unwrap_or(VERSIONS[0]);
    let blobs = VERSIONS.map(|version| renumber(blob, &program, source, version));
    for (blob, version) in blobs.iter().zip(VERSIONS) {
        if let Err(reason) = Program::parse(blob)?.validate(version.rules()) {
            eprintln!("{} is left out: GP {version}: {reason}", path.display());
            return Ok(None);
        }
    }
    let file = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let short: String = file.chars().take(24).collect();
    Ok(Some(Subject { name: format!("{short} ({source})"), blobs }))
}

/// The program in another version's numbers. Where nothing may follow the last instruction it gets a trap.
fn renumber(blob: &[u8], program: &Program<'_>, from: GpVersion, to: GpVersion) -> Vec<u8> {
    let number = |op: Op| (0..=u8::MAX).find(|&number| to.rules().opcodes[usize::from(number)] == Some(op));
    let mut code = program.code().to_vec();
    let mut mask = blob[blob.len() - code.len().div_ceil(8)..].to_vec();
    let mut last = None;
    for mark in program.marks() {
        let op = match program.op_at(from.rules(), mark.pc) {
            Some(Op::Sbrk) => Op::Ecalli,
            Some(Op::Unlikely) => Op::Fallthrough,
            Some(op) => op,
            None => Op::Trap,
        };
        code[mark.pc.0 as usize] = number(op).expect("both versions have all other operations");
        last = Some(op);
    }
    if !last.is_some_and(Op::terminates_block) {
        if code.len() % 8 == 0 {
            mask.push(0);
        }
        mask[code.len() / 8] |= 1 << (code.len() % 8);
        code.push(0);
    }
    let table = program.jump_table();
    let code_at = blob.len() - program.code().len() - program.code().len().div_ceil(8);
    let table_at = code_at - table.len() as usize * usize::from(table.entry_size());
    let mut out = Vec::new();
    encode_natural(table.len(), &mut out);
    out.push(table.entry_size());
    encode_natural(code.len() as u64, &mut out);
    out.extend(&blob[table_at..code_at]);
    out.extend(code);
    out.extend(mask);
    out
}

/// The best time that compiling takes for each version.
fn best_times(blobs: &[Vec<u8>; 2]) -> Result<[Duration; 2], Failure> {
    let cpu = CpuFeatures::BASELINE;
    let mut best = [Duration::MAX; 2];
    let begin = Instant::now();
    let mut turn = 0;
    while turn < TURNS || begin.elapsed() < TIME {
        for ((blob, version), best) in blobs.iter().zip(VERSIONS).zip(&mut best) {
            let options = CompileOptions { version, container: Container::Raw, cpu, tier: Tier::Fast };
            let start = Instant::now();
            let object = compile(blob, [0; 32], options)?;
            *best = start.elapsed().min(*best);
            std::hint::black_box(object);
        }
        turn += 1;
    }
    Ok(best)
}
