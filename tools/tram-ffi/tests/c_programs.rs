//! C programs that use the header and the libraries as anybody would.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{command, compiler, expect_success, libraries, package, run};
use tvm_isa::{Container, Gas, GpVersion, Pc};
use tvm_runtime::{Backend, Engine, EngineConfig, GuestExit, Instance, StopAtHostCalls};

/// What the static library needs from the system.
const STATIC_LIBRARIES: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// How a program gets TVM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    /// `libtram_ffi.a`
    Static,
    /// `libtram_ffi.so`
    Shared,
}

/// Compiles `tests/c/<name>.c` into `out`.
fn build(compiler: &str, name: &str, link: Link, out: &Path) {
    let libraries = libraries();
    let mut command = command(compiler);
    command.arg(package().join(format!("tests/c/{name}.c"))).arg("-o").arg(out);
    match link {
        Link::Static => command.arg(libraries.join("libtram_ffi.a")).args(STATIC_LIBRARIES),
        Link::Shared => command
            .arg(libraries.join("libtram_ffi.so"))
            .arg(format!("-Wl,-rpath,{}", libraries.display()))
            .arg("-lpthread"),
    };
    expect_success(&format!("compiling {name}.c, {link:?}"), &run(command));
}

/// Builds a program against each library and runs it with each of the argument lists that `arguments` makes.
fn with_each_library(name: &str, arguments: impl Fn(&Path) -> Vec<Vec<String>>, check: impl Fn(&[String], &Output)) {
    let Some(compiler) = compiler() else { return };
    for link in [Link::Static, Link::Shared] {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(name);
        build(&compiler, name, link, &program);
        for arguments in arguments(dir.path()) {
            let mut command = Command::new(&program);
            command.args(&arguments);
            let output = run(command);
            expect_success(&format!("{name} {arguments:?}, {link:?}"), &output);
            check(&arguments, &output);
        }
    }
}

fn passes(name: &str, arguments: impl Fn(&Path) -> Vec<Vec<String>>) {
    with_each_library(name, arguments, |_, output| assert!(output.stdout.is_empty()));
}

fn blob(version: &str, name: &str) -> PathBuf {
    package().join(format!("../../guests/blobs/{version}/{name}.jam"))
}

fn sum_blob(version: &str) -> String {
    blob(version, "sum").display().to_string()
}

/// Gas used and output of the guest `sum`, by the Rust API.
fn sum(backend: Backend, arguments: &[u8]) -> (u64, Vec<u8>) {
    let code = std::fs::read(blob("0.7.2", "sum")).unwrap();
    let engine = Engine::new(EngineConfig { backend, ..EngineConfig::default() }).unwrap();
    let hash = tvm_cache::hash(&code);
    let module = engine.load(GpVersion::V0_7_2, Container::Jam, hash, || Ok(&code)).unwrap();
    let mut instance = Instance::standard(&engine, &module, arguments).unwrap();
    (instance.state_mut().pc, instance.state_mut().gas) = (Pc(0), Gas(1_000_000));
    assert_eq!(instance.run(&mut StopAtHostCalls).unwrap(), GuestExit::Halt);
    let state = instance.state();
    (1_000_000 - state.gas.0, instance.memory().read(state.regs[7], state.regs[8]).unwrap())
}

#[test]
fn the_example_gives_what_the_rust_api_gives() {
    let numbers: [&[u64]; 3] = [&[], &[1, 2, 3], &[u64::MAX, 0x10, 1 << 40, 7]];
    let arguments = |_: &Path| {
        let list = |numbers: &&[u64]| {
            let numbers = numbers.iter().map(u64::to_string);
            [sum_blob("0.7.2")].into_iter().chain(numbers).collect::<Vec<_>>()
        };
        numbers.iter().map(list).collect()
    };
    with_each_library("example", arguments, |arguments, output| {
        let numbers: Vec<u64> = arguments[1..].iter().map(|number| number.parse().unwrap()).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let total = numbers.iter().fold(0_u64, |total, number| total.wrapping_add(*number));
        for backend in [Backend::Compiled, Backend::Interpreter] {
            let (gas, result) = sum(backend, &bytes);
            assert_eq!(result, total.to_le_bytes());
            let expected = format!("outcome 1, gas used {gas}, host calls 0\noutput {}\n", hex::encode(result));
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        }
    });
}

#[test]
fn the_example_gives_the_known_outputs() {
    let known = std::fs::read(package().join("../../guests/expected.json")).unwrap();
    let known: serde_json::Value = serde_json::from_slice(&known).unwrap();
    let case = known["sum"].as_array().unwrap().iter().find(|case| case["case"] == "small").unwrap();
    let numbers = hex::decode(case["args"].as_str().unwrap()).unwrap();
    let numbers = || numbers.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()).to_string());
    let arguments = |_: &Path| vec![[sum_blob("0.7.2")].into_iter().chain(numbers()).collect()];
    with_each_library("example", arguments, |_, output| {
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.ends_with(&format!("output {}\n", case["output"].as_str().unwrap())), "{stdout}");
    });
}

#[test]
fn outcomes() {
    passes("outcomes", |_| vec![vec![]]);
}

#[test]
fn misuse() {
    passes("misuse", |_| vec![vec![]]);
}

#[test]
fn cache() {
    let cache = |dir: &Path| dir.join("objects").display().to_string();
    passes("cache", |dir| vec![vec![cache(dir), sum_blob("0.7.2"), sum_blob("0.8.0")]]);
}

#[test]
fn tiers() {
    let cache = |dir: &Path| dir.join("objects").display().to_string();
    passes("tiers", |dir| vec![vec![cache(dir), sum_blob("0.8.0")]]);
}

#[test]
fn threads() {
    passes("threads", |_| ["0.7.2", "0.8.0"].map(|version| vec![sum_blob(version), version.to_owned()]).into());
}

#[test]
fn signals() {
    passes("signals", |_| vec![vec!["repair".to_owned()], vec!["escape".to_owned()]]);
}

#[test]
fn the_readme_shows_the_example() {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let example = std::fs::read_to_string(package().join("tests/c/example.c")).unwrap();
    assert!(readme.contains(&format!("```c\n{example}```")), "copy tests/c/example.c into README.md");
}
