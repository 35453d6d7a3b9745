//! The same program gives the same object: again, on another thread, in another process, and next year.

use std::process::Command;

use tvm_abi::{CpuFeatures, Tier, sections};
use tvm_cache::hash;
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion};
use tvm_tests::differential::Generator;
use tvm_tests::guests;

/// Set for the child process, which then prints hashes instead of testing.
const CHILD_VARIABLE: &str = "TVM_TEST_DETERMINISM_CHILD";

/// Starts the lines that the child prints.
const MARK: &str = "object ";

const TARGETS: [(GpVersion, CpuFeatures, &str); 4] = [
    (GpVersion::V0_7_2, CpuFeatures::V3, "v3"),
    (GpVersion::V0_7_2, CpuFeatures::BASELINE, "baseline"),
    (GpVersion::V0_8_0, CpuFeatures::V3, "v3"),
    (GpVersion::V0_8_0, CpuFeatures::BASELINE, "baseline"),
];

/// Guests whose objects are stored as hashes: much arithmetic, many jumps, long blocks.
const STORED: [&str; 3] = ["ed25519", "interpreter", "keccak256"];

fn object(options: CompileOptions, bytes: &[u8]) -> Vec<u8> {
    compile(bytes, hash(bytes), options).expect("a valid program")
}

/// Programs of both versions: guests and generated ones.
fn programs() -> Vec<(GpVersion, Container, Vec<u8>)> {
    let mut programs = Vec::new();
    for version in [GpVersion::V0_7_2, GpVersion::V0_8_0] {
        for name in guests::expected().expect("guests").keys() {
            programs.push((version, Container::Jam, guests::blob(version, name).expect("a blob")));
        }
        let mut generator = Generator::new(3, version, Vec::new());
        let blobs = std::iter::repeat_with(|| generator.case().1.blob);
        let is_valid = |blob: &Vec<u8>| {
            tvm_isa::Program::parse(blob).is_ok_and(|program| program.validate(version.rules()).is_ok())
        };
        programs.extend(blobs.filter(is_valid).take(60).map(|blob| (version, Container::Raw, blob)));
    }
    programs
}

/// Hashes of the whole objects of all programs.
fn hashes() -> Vec<String> {
    let of = |&(version, container, ref bytes): &(GpVersion, Container, Vec<u8>)| {
        Tier::ALL.map(|tier| {
            let options = CompileOptions { version, container, cpu: CpuFeatures::V3, tier };
            hex::encode(hash(&object(options, bytes)))
        })
    };
    programs().iter().flat_map(of).collect()
}

#[test]
fn objects_are_the_same_on_every_thread_and_in_every_process() {
    let expected = hashes();
    if std::env::var_os(CHILD_VARIABLE).is_some() {
        return expected.iter().for_each(|hash| println!("\n{MARK}{hash}"));
    }
    assert_eq!(hashes(), expected, "again");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(hashes)).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), expected, "on another thread"));
    });
    let output = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", "objects_are_the_same_on_every_thread_and_in_every_process", "--nocapture"])
        .env(CHILD_VARIABLE, "1")
        .output()
        .expect("a child process");
    let text = String::from_utf8(output.stdout).expect("text");
    let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(MARK)).collect();
    assert_eq!(found, expected, "in another process");
}

/// Hash of what guests execute: code, pc map and jump table. The note names the compiler, which changes with its sources.
fn code_hash(object: &[u8]) -> String {
    let elf = goblin::elf::Elf::parse(object).expect("an ELF object");
    let wanted = [sections::TEXT, sections::PC_MAP, sections::JUMP_TABLE];
    let of_section = |name: &&str| {
        let found = elf.section_headers.iter().find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(name));
        object[found.and_then(|header| header.file_range()).expect("objects have all sections")].to_vec()
    };
    hex::encode(hash(&wanted.iter().flat_map(of_section).collect::<Vec<u8>>()))
}

#[test]
fn machine_code_of_guests_is_the_stored_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/objects.txt");
    let mut text = String::from(
        "# BLAKE2b-256 of code, pc map and jump table of guests' objects.\n\
         # Written by the test `determinism` with TVM_UPDATE_GOLDEN=1. Without it, the test compares.\n",
    );
    for name in STORED {
        for (version, cpu, label) in TARGETS {
            let bytes = guests::blob(version, name).expect("a blob");
            for tier in Tier::ALL {
                let options = CompileOptions { version, container: Container::Jam, cpu, tier };
                text += &format!("{name} {version} {label} {tier} {}\n", code_hash(&object(options, &bytes)));
            }
        }
    }
    if std::env::var_os("TVM_UPDATE_GOLDEN").is_some() {
        return std::fs::write(path, text).expect("the golden directory can be written");
    }
    let expected = std::fs::read_to_string(path).expect("the stored hashes");
    assert_eq!(text, expected, "\nmachine code has changed; if that is meant: TVM_UPDATE_GOLDEN=1");
}
