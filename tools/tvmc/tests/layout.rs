//! What a first load runs lies together in the program: see runtime/start.ld.

use goblin::elf::Elf;

/// The section that runtime/start.ld makes.
const SECTION: &str = ".text.tvm_start";

/// What the system maps around the first page of code that is touched, and what the section begins with a multiple of.
const PIECE: u64 = 64 << 10;

/// A function of each part that a load goes through. How a compiler writes their names does not matter.
const FUNCTIONS: [&[&str]; 6] = [
    &["tvm_runtime", "6engine", "6Engine", "3new"],
    &["tvm_runtime", "7modules", "11get_or_load"],
    &["tvm_cache", "6lookup", "4find"],
    &["blake2", "8compress"],
    &["tvm_loader", "6Loaded", "4load"],
    &["tvm_runtime", "6native", "12NativeModule", "3new"],
];

#[test]
fn what_a_first_load_runs_lies_together() {
    if option_env!("TVM_LINKED_TOGETHER").is_none() {
        println!("left out: this linker was not asked to");
        return;
    }
    let program = std::fs::read(env!("CARGO_BIN_EXE_tvmc")).unwrap();
    let elf = Elf::parse(&program).unwrap();
    let found = elf.section_headers.iter().find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(SECTION));
    let section = found.expect("the linker made the section").vm_range();
    assert_eq!(section.start as u64 % PIECE, 0);
    for parts in FUNCTIONS {
        let is_meant = |name: &str| parts.iter().all(|part| name.contains(part));
        let symbols = elf.syms.iter().filter(|symbol| elf.strtab.get_at(symbol.st_name).is_some_and(is_meant));
        let places: Vec<u64> = symbols.map(|symbol| symbol.st_value).filter(|place| *place != 0).collect();
        assert!(places.iter().any(|place| section.contains(&(*place as usize))), "{parts:?} at {places:x?}");
    }
}
