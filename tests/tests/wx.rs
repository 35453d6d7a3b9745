//! No page is ever writable and executable, and code is the cache file's own pages.
//!
//! The mappings are this process's, so all of it is one test.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tvm_abi::Tier;
use tvm_isa::{Container, Gas, GpVersion, Op};
use tvm_runtime::{Engine, Guest, GuestExit, HostAction, Instance, Origin};
use tvm_tests::assemble::{Assembler, Inst, Memory, standard};
use tvm_tests::engines::{self, Calls};

/// A line of `/proc/self/maps`.
#[derive(Clone, Debug)]
struct Mapping {
    range: String,
    rights: String,
    offset: u64,
    inode: u64,
    path: String,
}

fn mappings() -> Vec<Mapping> {
    let text = std::fs::read_to_string("/proc/self/maps").expect("/proc is there");
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (range, rights, offset, _device, inode) = (next(), next(), next(), next(), next());
        let path = fields.collect::<Vec<_>>().join(" ");
        let offset = u64::from_str_radix(&offset, 16).expect("an offset");
        Mapping { range, rights, offset, inode: inode.parse().expect("an inode"), path }
    };
    text.lines().map(parse).collect()
}

/// Checks what must hold at any moment; gives the mappings of TVM's code.
fn check() -> Vec<Mapping> {
    let all = mappings();
    for mapping in &all {
        let both = mapping.rights.contains('w') && mapping.rights.contains('x');
        assert!(!both, "writable and executable: {mapping:?}");
    }
    let is_code =
        |mapping: &&Mapping| mapping.rights.contains('x') && (is_object(&mapping.path) || mapping.path.is_empty());
    let code: Vec<Mapping> = all.iter().filter(is_code).cloned().collect();
    for code in &code {
        let offset = if code.path.is_empty() { 0 } else { tvm_abi::sections::TEXT_FILE_OFFSET };
        assert_eq!((code.rights.as_str(), code.offset), ("r-xp", offset), "{code:?}");
        if code.path.is_empty() {
            continue;
        }
        // Nor can the same bytes of the file be written through another mapping.
        let shared = all.iter().find(|other| other.inode == code.inode && other.rights.ends_with('s'));
        assert!(shared.is_none(), "a shared mapping of a file with code: {shared:?}");
    }
    code
}

fn is_object(path: &str) -> bool {
    path.contains("memfd:tvm-object") || path.ends_with(".o")
}

/// A program with read-write data, a host call in the middle and a fault that the interpreter ends.
fn program(version: GpVersion, number: i64) -> Vec<u8> {
    let mut asm = Assembler::new(version);
    asm.set(7, 0x2_0000);
    asm.push(Inst::two(Op::StoreIndU64, 7, 7, 0));
    asm.ecalli(number);
    asm.push(Inst::two(Op::LoadIndU64, 8, 7, 0x1000));
    asm.op(Op::Trap);
    standard(Memory { rw: &[1; 100], stack: 4096, ..Memory::default() }, &asm.blob())
}

/// Loads and runs a program; the mappings are checked within its host call. Gives those of code, each with the size of
/// its private copies.
fn run(engine: &Engine, version: GpVersion, number: i64) -> (Origin, Vec<(Mapping, Option<u64>)>) {
    let module = engines::load(engine, version, Container::Standard, &program(version, number));
    let mut instance = Instance::standard(engine, &module, b"arguments").expect("an instance");
    instance.state_mut().gas = Gas(10_000);
    let mut within = None;
    let mut calls = Calls(|_, _: Guest<'_>| {
        within = Some(check().into_iter().map(|code| (code.clone(), private_dirty(&code.range))).collect());
        HostAction::Resume
    });
    let exit = instance.run(&mut calls).expect("TVM runs");
    assert_eq!(exit, GuestExit::PageFault(tvm_isa::GuestAddr(0x2_1000)));
    check();
    (module.origin(), within.expect("a host call"))
}

/// Private copies of the mapping's pages, in KiB, which no other process shares. `None` if it is gone by now.
fn private_dirty(range: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps").expect("/proc is there");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(range));
    lines.find(|line| line.starts_with("Private_Dirty:"))?.split_whitespace().nth(1)?.parse().ok()
}

fn code_is_the_files(directory: &Path) {
    let engine = engines::cached(directory);
    let (origin, code) = run(&engine, GpVersion::V0_7_2, 1);
    assert_eq!(origin, Origin::Compiled);
    let directory = std::fs::canonicalize(directory).expect("the cache directory");
    let is_cached = |code: &Mapping| Path::new(&code.path).starts_with(&directory);
    assert!(code.iter().any(|(code, _)| is_cached(code)), "no code of a file in {}: {code:?}", directory.display());

    // Another engine is what another process would be: it maps the same file.
    let (origin, code) = run(&engines::cached(&directory), GpVersion::V0_7_2, 1);
    assert_eq!(origin, Origin::CacheHit);
    let cached: Vec<_> = code.into_iter().filter(|(code, _)| is_cached(code)).collect();
    assert_eq!(cached.len(), 2, "one for each engine: {cached:?}");
    assert_eq!(cached[0].0.inode, cached[1].0.inode);
    assert!(cached.iter().all(|(_, copied)| *copied == Some(0)), "code was copied: {cached:?}");
}

#[test]
fn no_page_is_writable_and_executable() {
    let directory = tempfile::tempdir().expect("a directory");
    code_is_the_files(&directory.path().join("cache"));

    // Without a cache, code is in memory that is no file's; none of it can be executed any more once its module is gone, also
    // while the engine keeps the memory.
    let engine = engines::compiled(Tier::Best);
    let (_, code) = run(&engine, GpVersion::V0_8_0, 2);
    assert!(code.iter().any(|(code, _)| code.path.is_empty()), "{code:?}");
    engine.unload_idle();
    assert!(check().is_empty(), "code of no module is still executable");

    // While modules come and go on several threads, whoever looks at any moment sees nothing else.
    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let engine = engines::cached(&directory.path().join("cache"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) || looks.load(Ordering::Relaxed) == 0 {
                check();
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let engine = &engine;
                scope.spawn(move || {
                    for number in 0..150 {
                        let version = [GpVersion::V0_7_2, GpVersion::V0_8_0][number % 2];
                        let own = engines::compiled(Tier::ALL[number % 2]);
                        run(if number % 3 == 0 { &own } else { engine }, version, (1000 * worker + number) as i64);
                        engine.unload_idle();
                    }
                })
            })
            .collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.expect("no worker failed"));
    });
}
