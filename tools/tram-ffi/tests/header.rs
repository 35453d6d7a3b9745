//! `tvm.h` is written by hand. Here it is held against this crate: sizes, offsets, constants, parameters, exports.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::mem::offset_of;
use std::process::{Command, Stdio};

use common::{command, compiler, expect_success, libraries, package, run};
use tram_ffi as ffi;
use tram_ffi::{
    Status, TvmEngineConfig, TvmEngineStats, TvmError, TvmHostCall, TvmModuleInfo, TvmOutcome, TvmState, gp_number,
};
use tvm_abi::CpuFeatures;
use tvm_isa::{GpVersion, GuestAddr, Reg};

fn header() -> String {
    std::fs::read_to_string(package().join("include/tvm.h")).unwrap()
}

/// A structure's name in C, its size, and each field's offset.
struct Layout {
    name: &'static str,
    size: usize,
    fields: Vec<(&'static str, usize)>,
}

/// The layout of a structure, with all of its fields named.
macro_rules! layout {
    ($rust:ident as $c:literal { $($field:ident),* $(,)? }) => {{
        // No `..`: a field that is added must be added here.
        let _ = |value: $rust| { let $rust { $($field: _),* } = value; };
        Layout { name: $c, size: size_of::<$rust>(), fields: vec![$((stringify!($field), offset_of!($rust, $field))),*] }
    }};
}

fn layouts() -> Vec<Layout> {
    vec![
        layout!(TvmError as "tvm_error" { message }),
        layout!(TvmEngineConfig as "tvm_engine_config" { size, backend, cache_dir, cpu, tiers, background_threads, verification }),
        layout!(TvmEngineStats as "tvm_engine_stats" {
            compiled_fast, compiled_best, swapped, dropped, failed, refused, queued, running
        }),
        layout!(TvmModuleInfo as "tvm_module_info" { gp_version, container, origin, code_len, tier }),
        layout!(TvmState as "tvm_state" { regs, gas, pc, charged }),
        layout!(TvmOutcome as "tvm_outcome" { kind, reserved, value }),
        layout!(TvmHostCall as "tvm_host_call" { id, regs, gas, memory, pc, reserved, exit }),
    ]
}

fn constants() -> Vec<(&'static str, i128)> {
    let status = Status::NAMES.iter().map(|(status, name)| (name.to_str().unwrap(), *status as i128));
    status
        .chain([
            ("TVM_ERROR_BYTES", ffi::ERROR_BYTES as i128),
            ("TVM_ABI_VERSION", ffi::ABI_VERSION.into()),
            ("TVM_GP_0_7_0", gp_number(GpVersion::V0_7_0).into()),
            ("TVM_GP_0_7_2", gp_number(GpVersion::V0_7_2).into()),
            ("TVM_GP_0_8_0", gp_number(GpVersion::V0_8_0).into()),
            ("TVM_BACKEND_COMPILED", ffi::BACKEND_COMPILED.into()),
            ("TVM_BACKEND_INTERPRETER", ffi::BACKEND_INTERPRETER.into()),
            ("TVM_CPU_HOST", ffi::CPU_HOST.into()),
            ("TVM_CPU_ONLY", ffi::CPU_ONLY.into()),
            ("TVM_CPU_POPCNT", CpuFeatures::POPCNT.bits().into()),
            ("TVM_CPU_LZCNT", CpuFeatures::LZCNT.bits().into()),
            ("TVM_CPU_BMI1", CpuFeatures::BMI1.bits().into()),
            ("TVM_CPU_BMI2", CpuFeatures::BMI2.bits().into()),
            ("TVM_CONTAINER_RAW", ffi::CONTAINER_RAW.into()),
            ("TVM_CONTAINER_STANDARD", ffi::CONTAINER_STANDARD.into()),
            ("TVM_CONTAINER_JAM", ffi::CONTAINER_JAM.into()),
            ("TVM_TIERS_BACKGROUND", ffi::TIERS_BACKGROUND.into()),
            ("TVM_TIERS_CACHED", ffi::TIERS_CACHED.into()),
            ("TVM_TIERS_FAST", ffi::TIERS_FAST.into()),
            ("TVM_TIERS_BEST", ffi::TIERS_BEST.into()),
            ("TVM_VERIFY_BEST", ffi::VERIFY_BEST.into()),
            ("TVM_VERIFY_NEVER", ffi::VERIFY_NEVER.into()),
            ("TVM_VERIFY_ALWAYS", ffi::VERIFY_ALWAYS.into()),
            ("TVM_TIER_NONE", ffi::TIER_NONE.into()),
            ("TVM_TIER_FAST", ffi::TIER_FAST.into()),
            ("TVM_TIER_BEST", ffi::TIER_BEST.into()),
            ("TVM_ORIGIN_CACHE_HIT", ffi::ORIGIN_CACHE_HIT.into()),
            ("TVM_ORIGIN_COMPILED", ffi::ORIGIN_COMPILED.into()),
            ("TVM_ORIGIN_INTERPRETED", ffi::ORIGIN_INTERPRETED.into()),
            ("TVM_REGISTERS", Reg::COUNT as i128),
            ("TVM_OUTCOME_HALT", TvmOutcome::HALT.into()),
            ("TVM_OUTCOME_PANIC", TvmOutcome::PANIC.into()),
            ("TVM_OUTCOME_OUT_OF_GAS", TvmOutcome::OUT_OF_GAS.into()),
            ("TVM_OUTCOME_PAGE_FAULT", TvmOutcome::PAGE_FAULT.into()),
            ("TVM_OUTCOME_HOST_CALL", TvmOutcome::HOST_CALL.into()),
            ("TVM_HOST_RESUME", ffi::HOST_RESUME.into()),
            ("TVM_HOST_EXIT", ffi::HOST_EXIT.into()),
            ("TVM_HOST_FAIL", ffi::HOST_FAIL.into()),
            ("TVM_PAGE_BYTES", GuestAddr::PAGE_SIZE.into()),
            ("TVM_PAGES", ffi::PAGES.into()),
            ("TVM_ACCESS_NONE", ffi::ACCESS_NONE.into()),
            ("TVM_ACCESS_READ", ffi::ACCESS_READ.into()),
            ("TVM_ACCESS_WRITE", ffi::ACCESS_WRITE.into()),
        ])
        .collect()
}

/// The C type of a Rust type in a signature.
fn c_type(rust: &str) -> String {
    let plain = [
        ("()", "void"),
        ("bool", "bool"),
        ("u8", "uint8_t"),
        ("u32", "uint32_t"),
        ("i32", "int32_t"),
        ("u64", "uint64_t"),
        ("usize", "size_t"),
        ("c_char", "char"),
        ("c_void", "void"),
        ("Status", "tvm_status"),
        ("TvmEngine", "tvm_engine"),
        ("TvmEngineConfig", "tvm_engine_config"),
        ("TvmEngineStats", "tvm_engine_stats"),
        ("TvmError", "tvm_error"),
        ("TvmModule", "tvm_module"),
        ("TvmModuleInfo", "tvm_module_info"),
        ("TvmInstance", "tvm_instance"),
        ("TvmMemory", "tvm_memory"),
        ("TvmState", "tvm_state"),
        ("TvmOutcome", "tvm_outcome"),
        ("TvmHostCall", "tvm_host_call"),
        ("Option<TvmCodeSource>", "tvm_code_source"),
        ("Option<TvmHostCallback>", "tvm_host_callback"),
    ];
    if let Some(target) = rust.strip_prefix("*mut ") {
        return format!("{} *", c_type(target));
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return format!("{} const *", c_type(target));
    }
    let found = plain.iter().find(|(name, _)| *name == rust);
    found.unwrap_or_else(|| panic!("no C type is known for `{rust}`: add it here")).1.to_owned()
}

/// `(name, declaration in C)` of every exported function, from this crate's source text.
fn functions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(package().join("src")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for item in source.split("#[unsafe(no_mangle)]\n").skip(1) {
            let (_, item) = item.split_once("extern \"C\" fn ").expect("exported functions have the C ABI");
            let (name, rest) = item.split_once('(').unwrap();
            let (parameters, rest) = rest.split_once(')').unwrap();
            let result = rest.split_once('{').unwrap().0.trim().strip_prefix("-> ").unwrap_or("()");
            let types = parameters.split(',').filter_map(|parameter| parameter.split_once(": "));
            let types: Vec<String> = types.map(|(_, rust)| c_type(rust.trim())).collect();
            let types = if types.is_empty() { "void".to_owned() } else { types.join(", ") };
            found.push((name.to_owned(), format!("{} {name}({types});", c_type(result))));
        }
    }
    found
}

/// A C file that only compiles if the header agrees with this crate.
fn checks() -> String {
    let mut source = String::from("#include <tvm.h>\n#include <limits.h>\n");
    for Layout { name, size, fields } in layouts() {
        writeln!(source, "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");").unwrap();
        for (field, offset) in fields {
            writeln!(source, "_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");").unwrap();
        }
    }
    for (name, value) in constants() {
        let suffix = if value > i128::from(i64::MAX) { "u" } else { "" };
        writeln!(source, "_Static_assert({name} == {value}{suffix}, \"{name}\");").unwrap();
    }
    // Declared twice: the compiler refuses declarations that differ.
    for (_, declaration) in functions() {
        writeln!(source, "{declaration}").unwrap();
    }
    source.push_str("int32_t source(void *, uint8_t const **, size_t *);\ntvm_code_source check_source = source;\n");
    source.push_str("int32_t serve(void *, tvm_host_call *);\ntvm_host_callback check_callback = serve;\n");
    source
}

/// Whether `source` compiles with `header` as `tvm.h`.
fn compiles(compiler: &str, header: &str, source: &str) -> std::process::Output {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tvm.h"), header).unwrap();
    std::fs::write(dir.path().join("checks.c"), source).unwrap();
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "checks.c", "-I."]);
    run({
        command.current_dir(dir.path());
        command
    })
}

#[test]
fn the_header_agrees_with_the_crate() {
    let Some(compiler) = compiler() else { return };
    expect_success("tvm.h against the crate", &compiles(&compiler, &header(), &checks()));
}

#[test]
fn a_header_that_does_not_agree_is_noticed() {
    let Some(compiler) = compiler() else { return };
    let wrong = [
        ("TVM_BUSY = -3,", "TVM_BUSY = -11,"),
        ("    uint64_t gas;  ", "    uint32_t gas;  "),
        ("    uint32_t kind;     /* TVM_OUTCOME_... */\n", ""),
        ("uint8_t *buffer, size_t capacity,", "uint8_t *buffer, uint32_t capacity,"),
        (
            "tvm_status tvm_module_may_start_at(const tvm_module *module,",
            "tvm_status tvm_module_may_start_at(tvm_module *module,",
        ),
        ("typedef int32_t (*tvm_host_callback)(void *data,", "typedef int32_t (*tvm_host_callback)(const void *data,"),
        ("TVM_CPU_ONLY   UINT64_C(0x8", "TVM_CPU_ONLY   UINT64_C(0x4"),
    ];
    for (right, wrong) in wrong {
        let changed = header().replacen(right, wrong, 1);
        assert_ne!(changed, header(), "`{right}` is not in the header any more");
        assert!(!compiles(&compiler, &changed, &checks()).status.success(), "`{wrong}` was not noticed");
    }
}

/// Names that a text declares: words that start with `prefix`, where `ends` follows.
fn words(text: &str, prefix: &str, ends: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.match_indices(prefix).filter(|(at, _)| !text[..*at].ends_with(is_word));
    let words = starts.map(|(at, _)| {
        let end = text[at..].find(|c| !is_word(c)).map_or(text.len(), |len| at + len);
        (&text[at..end], &text[end..])
    });
    words.filter(|(_, rest)| rest.starts_with(ends)).map(|(word, _)| word.to_owned()).collect()
}

#[test]
fn every_constant_of_the_header_is_checked() {
    let header = header();
    let checked: BTreeSet<String> = constants().into_iter().map(|(name, _)| name.to_owned()).collect();
    let defined: BTreeSet<String> = words(&header, "TVM_", "")
        .into_iter()
        .filter(|name| header.contains(&format!("{name} = ")) || header.contains(&format!("#define {name} ")))
        .collect();
    assert_eq!(defined, checked);
}

#[test]
fn the_library_exports_what_the_header_declares() {
    let library = std::fs::read(libraries().join("libtram_ffi.so")).unwrap();
    let elf = goblin::elf::Elf::parse(&library).unwrap();
    let defined = elf.dynsyms.iter().filter(|symbol| !symbol.is_import() && symbol.st_shndx != 0);
    let exported: BTreeSet<String> = defined.map(|symbol| elf.dynstrtab[symbol.st_name].to_owned()).collect();
    let declared: BTreeSet<String> = header()
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.starts_with("typedef"))
        .flat_map(|line| words(line, "tvm_", "("))
        .collect();
    assert_eq!(exported, declared);
    assert_eq!(declared, functions().into_iter().map(|(name, _)| name).collect());
}

#[test]
fn the_header_is_cpp_too() {
    let Some(_) = compiler() else { return };
    let is_there = Command::new("c++").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !is_there {
        eprintln!("skipped: there is no C++ compiler `c++`");
        return;
    }
    let mut command = Command::new("c++");
    command.args(["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", "c++"]);
    command.arg(package().join("include/tvm.h"));
    expect_success("tvm.h as C++", &run(command));
}

#[test]
fn the_header_needs_nothing_before_it() {
    let Some(compiler) = compiler() else { return };
    let mut command = command(&compiler);
    command.args(["-std=c99", "-fsyntax-only", "-x", "c"]).arg(package().join("include/tvm.h"));
    expect_success("tvm.h as C99", &run(command));
}
