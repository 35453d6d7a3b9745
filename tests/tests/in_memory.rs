//! Code that is compiled to where it runs is the code of the object, whatever was in the memory before.

use tvm_abi::sections::TEXT_FILE_OFFSET;
use tvm_abi::{CpuFeatures, Note, Tier};
use tvm_cache::hash;
use tvm_compiler::{CompileError, CompileOptions, Memory, Scratch, compile, compile_to};
use tvm_isa::{Container, GpVersion, Op};
use tvm_tests::assemble::Assembler;
use tvm_tests::differential::Generator;
use tvm_tests::guests;

/// Bytes with leftovers in them. Those given before are kept, so that too little is noticed.
#[derive(Default)]
struct Dirty {
    bytes: Vec<u8>,
    /// How often it was asked.
    asked: usize,
}

impl Memory for Dirty {
    fn of_len(&mut self, len: usize) -> Option<&mut [u8]> {
        self.asked += 1;
        self.bytes.resize(len.max(self.bytes.len()), 0xaa);
        // No more than was asked for.
        Some(&mut self.bytes[..len])
    }
}

/// Compiles both ways and compares.
fn check(memory: &mut Dirty, scratch: &mut Scratch, bytes: &[u8], options: CompileOptions) {
    let code_hash = hash(bytes);
    let object = compile(bytes, code_hash, options).expect("a valid program");
    let placed = compile_to(memory, scratch, bytes, code_hash, options).expect("as an object it was valid");
    // Behind the page for headers, which memory does not have, both are laid out alike, up to what only tools read.
    let text_and_data = &memory.bytes[..placed.places.rw_image.end];
    assert!(object[TEXT_FILE_OFFSET as usize..].starts_with(text_and_data), "{options:?}");
    assert_eq!(placed.places.text.start, 0);
    let parts = [
        &placed.places.text,
        &placed.places.jump_table,
        &placed.places.pc_map,
        &placed.places.program,
        &placed.places.ro_image,
        &placed.places.rw_image,
    ];
    assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start));
    let Note { code_hash: noted, gp_version, container, tier, cpu_features, .. } = placed.note;
    let options_noted = CompileOptions { version: gp_version, container, cpu: cpu_features, tier };
    assert_eq!((noted, options_noted), (code_hash, options));
}

#[test]
fn code_in_memory_is_the_objects() {
    let (mut memory, mut scratch) = (Dirty::default(), Scratch::default());
    let cpu = CpuFeatures::V3;
    for version in GpVersion::ALL {
        for tier in Tier::ALL {
            for name in guests::expected().expect("guests").keys() {
                // There are blobs of two versions; the numbers of one mean something else to the other, or nothing.
                let Ok(bytes) = guests::blob(version, name) else { continue };
                check(
                    &mut memory,
                    &mut scratch,
                    &bytes,
                    CompileOptions { version, container: Container::Jam, cpu, tier },
                );
            }
            let mut generator = Generator::new(5, version, Vec::new());
            let blobs = std::iter::repeat_with(|| generator.case().1.blob);
            let is_valid = |blob: &Vec<u8>| {
                tvm_isa::Program::parse(blob).is_ok_and(|program| program.validate(version.rules()).is_ok())
            };
            for blob in blobs.filter(is_valid).take(60) {
                check(
                    &mut memory,
                    &mut scratch,
                    &blob,
                    CompileOptions { version, container: Container::Raw, cpu, tier },
                );
            }
        }
    }
}

#[test]
fn programs_with_much_more_code_than_most_get_more_memory() {
    let version = GpVersion::V0_7_2;
    let mut asm = Assembler::new(version);
    for _ in 0..20_000 {
        // Twelve machine instructions without popcnt, for two bytes.
        asm.op(Op::CountSetBits64);
    }
    let blob = asm.blob();
    for tier in Tier::ALL {
        let options = CompileOptions { version, container: Container::Raw, cpu: CpuFeatures::BASELINE, tier };
        let mut memory = Dirty::default();
        check(&mut memory, &mut Scratch::default(), &blob, options);
        assert!(memory.asked > 1, "no test of what it should test");
    }
}

#[test]
fn without_memory_there_is_no_code() {
    struct None;
    impl Memory for None {
        fn of_len(&mut self, _: usize) -> Option<&mut [u8]> {
            Option::None
        }
    }
    let version = GpVersion::V0_7_2;
    let options = CompileOptions { version, container: Container::Raw, cpu: CpuFeatures::BASELINE, tier: Tier::Fast };
    let blob = Assembler::new(version).blob();
    let refused = compile_to(&mut None, &mut Scratch::default(), &blob, hash(&blob), options);
    assert_eq!(refused, Err(CompileError::NoMemory));
}
